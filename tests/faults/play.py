"""Our side of a stage, in a process that may die anywhere: begun again it does what is left.

Runs in a forked child. It tells its parent where the clock goes, since the outside keeps the same one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy import Connection, Engine, and_, func, or_, select, update

from tests.faults.firm import CONTRACT, DISPUTED, LIMIT, Stage
from tieout.connectors.kit.interface import Hint
from tieout.demo.deeds import Deeds
from tieout.flows import durable
from tieout.flows.environment import Environment
from tieout.hub import inbox
from tieout.sandbox.firm import keys
from tieout.store import clock, tables
from tieout.store import work as store
from tieout.store.demo import failures

ROUTINE = ("sync", "sweep", "drift", "seal")
RARE = ("sweep", "drift")
MOST_MOVES, MOST_WAITS = 60, 400
DISPUTE = {
    "contract": CONTRACT, "period": "2026-01", "reason": "not agreed", "entries": [keys.kantata_entry(DISPUTED)],
}  # fmt: skip
Tell = Callable[[datetime], None]


class Play:
    """One life of our side."""

    def __init__(self, environment: Environment, stage: Stage, tell: Tell) -> None:
        self._environment, self._engine, self._stage, self._tell = (
            environment,
            environment.engine,
            stage,
            tell,
        )
        self._kinds = set(durable.flows()) - (set() if stage.rare else set(RARE))
        self._deeds = Deeds(self._engine, self.settle)

    def carry_out(self) -> None:
        """Everything of the stage, from wherever an earlier life ended."""
        hand_back(self._engine)
        with self._engine.begin() as conn:
            if clock.now(conn) < self._stage.moment:  # what was asked for in an earlier life stays due
                clock.set_now(conn, self._stage.moment)
                put_off(conn, self._stage)
        if self._stage.name == "worked":
            self._hear_twice()
        self.settle()
        match self._stage.name:
            case "billed":
                self._deeds.bill(date(2026, 1, 18))
            case "corrected":
                self._deeds.bill(date(2026, 1, 31))
            case "disputed":
                self._deeds.answer(DISPUTE)
            case "closed":
                self._deeds.tie_out(["2026-01", "2026-02"])

    def _hear_twice(self) -> None:
        """A webhook, and the same one again."""
        hint = Hint("event-1", "time_entry", keys.kantata_entry(0))
        for _ in range(2):
            with self._engine.begin() as conn:
                inbox.receive_hints(conn, "kantata", [hint], b'{"event_id": "event-1"}')

    def settle(self) -> None:
        """Run what is due, going on to moments that something waits for, until nothing is left of this day."""
        last, waits = self._stage.moment + LIMIT, 0
        for _ in range(MOST_MOVES):
            durable.run_due(self._environment, self._kinds)
            open_now, following = self._unsettled()
            while open_now:
                waits += 1
                if waits > MOST_WAITS:
                    raise RuntimeError(f"{open_now} pieces of work are due and not carried out")
                time.sleep(0.01)  # a session of the last life still holds a row
                durable.run_due(self._environment, self._kinds)
                open_now, following = self._unsettled()
            if following is None or following > last:
                return
            self._tell(following)
            with self._engine.begin() as conn:
                clock.set_now(conn, max(following, clock.now(conn)))
        with self._engine.connect() as conn:
            raise RuntimeError(f"work waits again and again without end: {failures(conn)}")

    def _unsettled(self) -> tuple[int, datetime | None]:
        """How much runs or could run now, and the next moment of what waits."""
        w = tables.work.c
        with self._engine.begin() as conn:
            moment = clock.now(conn)
            open_now = or_(w.started > w.done, and_(w.requested > w.done, w.due_at <= moment))
            waits = and_(w.requested > w.done, w.started == w.done, w.due_at > moment)
            worth = or_(w.kind.not_in(ROUTINE), w.attempts > 0)
            query = select(func.count().filter(open_now), func.min(w.due_at).filter(waits, worth))
            row = conn.execute(query.where(w.kind.in_(self._kinds))).one()
            c = tables.connection.c
            blocked = conn.execute(select(func.min(c.blocked_until)).where(c.blocked_until > moment)).scalar()
        return int(row[0]), min((one for one in (row[1], blocked) if one is not None), default=None)


def put_off(conn: Connection, stage: Stage) -> None:
    """Polls and sweeps that are no part of the stage wait until the next one."""
    w, until = tables.work.c, stage.moment + LIMIT
    system = func.split_part(w.key, "/", 1)
    sleeping = and_(w.kind == "sync", system.not_in(stage.reads), w.attempts == 0)
    if not stage.rare:
        sleeping = or_(sleeping, w.kind.in_(RARE))
    conn.execute(update(tables.work).where(sleeping, w.due_at < until).values(due_at=until))


def hand_back(engine: Engine) -> None:
    """What the last life was carrying out is due again, as the sweeper would have it."""
    with engine.begin() as conn:
        moment = clock.now(conn)
        for piece, _ in store.running(conn):
            store.fail(conn, *piece, "died", moment, moment)
