"""Sweeps up after crashes and keeps the clockwork going: one worker does it for all, about once a second.

Completion is judged in our tables: work that was handed out and has no run any more is due again, whatever the
engine thinks of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from tieout.flows.durable import record_failures
from tieout.flows.environment import Environment
from tieout.flows.intake import schedule_reads
from tieout.flows.workers.engine import Engine, Run, run_id
from tieout.hub import audit
from tieout.store import leases
from tieout.store import work as store
from tieout.store.work import Piece
from tieout.telemetry.failpoints import fp

_ALIVE = ("ENQUEUED", "DELAYED", "PENDING")
_TIDY_EVERY = 60
"""Sweeps between two tidyings of the engine's own rows."""
_SCHEDULE_EVERY = 5
"""Sweeps between two looks for connections whose reads are not scheduled yet."""
_CHECKPOINT_EVERY = 5
"""Sweeps between two looks whether the business day has its checkpoint of the audit chain."""


class Sweeper:
    """The chores of the whole installation; `own_slot` is this worker's."""

    def __init__(self, environment: Environment, engine: Engine, own_slot: int) -> None:
        self._environment = environment
        self._engine = engine
        self._own_slot = own_slot
        self._sweeps = 0
        self._missing: set[Piece] = set()

    def sweep(self, begun: Sequence[Run]) -> None:
        """Everything that is due to be swept; `begun` are the runs that have no end yet."""
        self._take_over_the_dead(begun)
        self._give_up_lost_runs()
        if self._sweeps % _SCHEDULE_EVERY == 0:
            schedule_reads(self._environment)
        with self._environment.begin() as conn:
            audit.seal(conn)
        if self._sweeps % _TIDY_EVERY == 0:
            self._engine.tidy()
        self._sweeps += 1
        if self._sweeps % _CHECKPOINT_EVERY == 1:  # last: a file that cannot be written holds up nothing else
            with self._environment.begin() as conn:
                audit.checkpoint_of_day(conn, self._environment.settings.audit_folder)

    def _take_over_the_dead(self, begun: Sequence[Run]) -> None:
        """Runs of workers whose slot nobody holds go on in any worker; the slot is held meanwhile."""
        by_executor: dict[str, list[Run]] = defaultdict(list)
        for run in begun:
            by_executor[run.executor].append(run)
        for executor, runs in sorted(by_executor.items()):
            slot = slot_of(executor)
            if slot == self._own_slot:
                continue
            with self._environment.engine.connect() as conn:
                conn.execution_options(isolation_level="AUTOCOMMIT")
                if slot is not None and not leases.take_slot(conn, slot):
                    continue
                try:
                    self._engine.take_over(runs)
                    fp("sweeper.taken_over")
                finally:
                    if slot is not None:
                        leases.give_up_slot(conn, slot)

    def _give_up_lost_runs(self) -> None:
        """Work whose run the engine ended without an end of ours, or has not at two looks, is due again."""
        with self._environment.engine.connect() as conn:
            carried = {piece: carrier or run_id(piece) for piece, carrier in store.running(conn)}
        known = self._engine.of(set(carried.values()))
        missing = {piece for piece, run in carried.items() if run not in known}
        lost, self._missing = missing & self._missing, missing
        ended = [piece for piece, run in carried.items() if run in known and known[run].status not in _ALIVE]
        if not lost and not ended:
            return
        with self._environment.begin() as conn:
            record_failures(conn, sorted(lost), "its run was never begun", at_once=True)
            record_failures(conn, ended, "its run ended and the work has no end recorded")
        fp("sweeper.given_up")


def slot_of(executor: str) -> int | None:
    """The slot of a worker's executor id; None for an id that no worker of ours has."""
    found = re.fullmatch(r"worker-(\d+)", executor)
    return int(found.group(1)) if found else None
