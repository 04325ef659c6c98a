"""Real worker processes that are killed while the story runs: `python -m tests.faults.lives ORDER`.

The worker is `tieout worker --slot 1` with its durable engine, forked from an imported process. It notes every point that it
passes in a file; after a seeded number of them it gets SIGKILL, and another one is started on the same slot.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tests.faults.firm import LIMIT, STAGES, Stage
from tests.faults.play import DISPUTE, put_off
from tests.faults.player import say
from tests.faults.theatre import Theatre, Violation, rehearse, warm_up
from tieout.demo.deeds import Deeds
from tieout.flows.durable import run_worker
from tieout.store import clock
from tieout.store.database import connect
from tieout.store.demo import unsettled

PATIENCE_SECONDS = 240.0
LOOK_SECONDS = 0.02
MOST_POINTS = 350
"""A life ends at most so many points after it began to work."""


@dataclass
class Workers:
    """One worker after the other on slot 1. `deaths`: how many more of them are killed."""

    theatre: Theatre
    log: Path
    seed: int
    deaths: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._pid, self._dies_at = 0, 0

    def look(self) -> None:
        """Kill the worker when its moment has come; see to it that one runs."""
        if self._pid and self.deaths and self._passed() >= self._dies_at:
            self.kill()
            self.deaths -= 1
        ended, status = os.waitpid(self._pid, os.WNOHANG) if self._pid else (0, 0)
        if ended:
            self._pid = 0
            raise Violation(f"a worker ended by itself with {os.waitstatus_to_exitcode(status)}")
        if not self._pid:
            self._start()

    def kill(self) -> None:
        """The end of the worker that runs."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _start(self) -> None:
        self.log.unlink(missing_ok=True)
        self._dies_at = self._random.randrange(1, MOST_POINTS)
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.environ["TIEOUT_FAILPOINT_LOG"] = str(self.log)
                run_worker(replace(self.theatre.settings, database_url=self.theatre.plain_url), 1)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)

    def _passed(self) -> int:
        return self.log.read_text().count("\n") if self.log.exists() else 0


def play(theatre: Theatre, workers: Workers) -> None:
    """The whole story, carried out by the workers; people's deeds come from here."""
    engine = connect(theatre.plain_url)
    try:
        for stage in STAGES:
            theatre.outside(stage)
            with engine.begin() as conn:
                clock.set_now(conn, stage.moment)
                put_off(conn, stage)
            settle = _settling(theatre, workers, engine, stage)
            settle()
            deeds = Deeds(engine, settle)
            match stage.name:
                case "billed":
                    deeds.bill(date(2026, 1, 18))
                case "corrected":
                    deeds.bill(date(2026, 1, 31))
                case "disputed":
                    deeds.answer(DISPUTE)
                case "closed":
                    deeds.tie_out(["2026-01", "2026-02"])
    finally:
        engine.dispose()


def _settling(theatre: Theatre, workers: Workers, engine: Engine, stage: Stage) -> Callable[[], None]:
    def settle() -> None:
        deadline, deaths = time.monotonic() + PATIENCE_SECONDS, workers.deaths
        while True:
            workers.look()
            if workers.deaths < deaths:
                deadline, deaths = time.monotonic() + PATIENCE_SECONDS, workers.deaths
            open_now, following = _standing(engine)
            if not open_now:
                if following is None or following > stage.moment + LIMIT:
                    return
                theatre.world.set_now(max(following, theatre.world.now()))
                with engine.begin() as conn:
                    clock.set_now(conn, max(following, clock.now(conn)))
            if time.monotonic() > deadline:
                raise Violation(f"{stage.name} is not carried out after {PATIENCE_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    return settle


def _standing(engine: Engine) -> tuple[int, datetime | None]:
    with engine.connect() as conn:
        return unsettled(conn, clock.now(conn))


def main(order: dict[str, Any]) -> None:
    """The story undisturbed, then with deaths; figures, targets and invariants at the end."""
    logging.disable(logging.WARNING)
    warm_up()
    folder = Path(order["folder"])
    theatre = Theatre(order["admin"], order["migrated"], folder, order["name"])
    with theatre.open():
        workers = Workers(theatre, folder / "passed", order["seed"], order["deaths"])
        try:
            rehearsal = rehearse(theatre)
            theatre.begin()
            play(theatre, workers)
            workers.kill()
            theatre.compare(rehearsal.pictures[-1])
            theatre.check_invariants()
            say(point=f"{order['deaths'] - workers.deaths} of {order['deaths']} deaths, seed {order['seed']}")
            if workers.deaths:
                raise Violation(f"the story was over before {workers.deaths} of the deaths")
        except Violation as violation:
            say(violation=f"workers killed by seed {order['seed']}: {violation}")
        finally:
            workers.kill()
        say(points=[])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
