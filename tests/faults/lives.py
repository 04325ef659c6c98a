"""Real worker processes that are killed while the story runs: `python -m tests.faults.lives ORDER`.

The worker is `tieout worker --slot 1` with its durable engine. It notes every point that it
passes in a file; after a seeded number of them it gets SIGKILL, and another one is started on the same slot.
"""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from tests.faults.firm import LIMIT, STAGES, Stage
from tests.faults.play import DISPUTE, put_off
from tests.faults.player import say
from tests.faults.theatre import Theatre, Violation, rehearse, warm_up
from tieout.demo.deeds import Deeds
from tieout.store import clock
from tieout.store.database import connect
from tieout.store.demo import unsettled

PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.02
MOST_POINTS = 150
"""A life ends at most so many points after it began to work."""


@dataclass
class Workers:
    """One worker after the other on slot 1. `deaths`: how many more of them are killed; `longest`: after how many points
    at the latest."""

    theatre: Theatre
    log: Path
    seed: int
    deaths: int
    longest: int = MOST_POINTS

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._process: subprocess.Popen[bytes] | None = None
        self._dies_at = 0

    def look(self) -> None:
        """Kill the worker when its moment has come; see to it that one runs."""
        if self._process and self.deaths and self._passed() >= self._dies_at:
            self.kill()
            self.deaths -= 1
        if self._process and self._process.poll() is not None:
            raise Violation(f"a worker ended by itself with {self._process.returncode}")
        if self._process is None:
            self._start()

    def kill(self) -> None:
        """The end of the worker that runs."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()

    def _start(self) -> None:
        """A process from scratch: people's deeds have launched thread pools here, which no forked one would survive."""
        self.log.unlink(missing_ok=True)
        self._dies_at = self._random.randrange(1, self.longest)
        settings = replace(self.theatre.settings, database_url=self.theatre.plain_url)
        told = {**os.environ, **settings.as_environment(), "TIEOUT_FAILPOINT_LOG": str(self.log)}
        command = [sys.executable, "-m", "tieout.cli", "worker", "--slot", "1"]
        self._process = subprocess.Popen(command, env=told, stdout=sys.stderr, stderr=sys.stderr)

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
                raise Violation(
                    f"{stage.name} is not carried out after {PATIENCE_SECONDS:.0f} s: {_open(engine)}"
                )
            time.sleep(LOOK_SECONDS)

    return settle


def _open(engine: Engine) -> list[str]:
    """What runs or could run, and what the engine thinks of its runs."""
    asked = text(
        "SELECT * FROM work WHERE started > done OR requested > done AND due_at <= (SELECT now FROM clock)"
    )
    begun = text("SELECT workflow_uuid, status, executor_id, recovery_attempts FROM dbos.workflow_status"
                 " WHERE status NOT IN ('SUCCESS', 'ERROR')")  # fmt: skip
    with engine.connect() as conn:
        return [str(tuple(row)) for query in (asked, begun) for row in conn.execute(query)]


def _standing(engine: Engine) -> tuple[int, datetime | None]:
    with engine.connect() as conn:
        return unsettled(conn)


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
            theatre.verify()
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
