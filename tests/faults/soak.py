"""`make soak`: the story again and again under load, its workers killed all the time; by hand, some minutes.

Each round plays the smallest firm's story with real workers that get SIGKILL after a seeded number of points, and compares
figures and target ledgers with those of the undisturbed story. The last line is
`load, faults survived, lost, doubled, recovery p99, memory slope`; it ends with 1 when anything was lost or doubled.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.faults.lives import Workers, play
from tests.faults.picture import differences
from tests.faults.theatre import Theatre, Violation, rehearse, warm_up
from tieout.store.database import connect, create_database, prepare
from tieout.store.postgres import EmbeddedPostgres

SECONDS = 300.0
DEATHS_OF_A_ROUND = 12
LONGEST_LIFE = 400
"""Points after which a worker dies at the latest: longer lives than the tests', so that its memory can be seen to grow."""
WARM = 100
"""Points after which a worker has loaded what it needs: what its memory does from then on is counted."""
TEMPLATE = "soak_template"


@dataclass
class Watched(Workers):
    """Workers whose recovery and memory are measured. `points`: passed by lives that are over."""

    longest: int = LONGEST_LIFE
    points: int = 0
    recoveries: list[float] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    _died_at: float | None = None

    def look(self) -> None:
        """As ever, and note when a new worker began to work, and what it holds."""
        passed = self._passed()
        if self._died_at is not None and passed:
            self.recoveries.append(time.monotonic() - self._died_at)
            self._died_at = None
        if self._process is not None and passed > WARM and self._process.poll() is None:
            self.memory.append((passed, psutil.Process(self._process.pid).memory_info().rss / 1e6))
        super().look()

    def kill(self) -> None:
        """As ever, and note the moment."""
        if self._process is not None:
            self._died_at = time.monotonic()
            self.points += self._passed()
        super().kill()


def main() -> int:
    """The exit status."""
    logging.disable(logging.WARNING)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    warm_up()
    with tempfile.TemporaryDirectory(prefix="tieout-soak-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            return soak(server.url(), Path(folder), seconds)
        finally:
            server.release()


def soak(admin: str, folder: Path, seconds: float) -> int:
    """Rounds until the time is over, then the sum of them."""
    engine = connect(create_database(admin, TEMPLATE))
    prepare(engine)
    engine.dispose()
    theatre = Theatre(admin, TEMPLATE, folder / "soak", "soak")
    with theatre.open():
        expected = rehearse(theatre).pictures[-1]
        until, seed = time.monotonic() + seconds, int(time.time())
        rounds: list[Watched] = []
        wrong: list[str] = []
        while not rounds or time.monotonic() < until:
            workers = Watched(theatre, folder / "passed", seed + len(rounds), DEATHS_OF_A_ROUND)
            rounds.append(workers)
            wrong += _round(theatre, workers, expected)
    return _sum_up(rounds, wrong, seconds)


def _round(theatre: Theatre, workers: Watched, expected: dict[str, list[str]]) -> list[str]:
    """What is missing or unexpected after one story, and what else is wrong."""
    try:
        theatre.go_back(0)
        play(theatre, workers)
        workers.kill()
        theatre.verify()
        return differences(expected, theatre.picture())
    except Violation as violation:
        return [f"seed {workers.seed}: {violation}"]
    finally:
        workers.kill()


def _sum_up(rounds: list[Watched], wrong: list[str], seconds: float) -> int:
    for what in wrong:
        say(what)
    recoveries = sorted(second for one in rounds for second in one.recoveries)
    p99 = recoveries[min(len(recoveries) - 1, int(len(recoveries) * 0.99))] if recoveries else 0.0
    lost = sum(": missing " in what for what in wrong)
    doubled = sum(": unexpected " in what for what in wrong)
    deaths = sum(DEATHS_OF_A_ROUND - one.deaths for one in rounds)
    points = sum(one.points for one in rounds)
    memory = [sample for one in rounds for sample in one.memory]
    slope = (
        statistics.linear_regression(*zip(*memory, strict=True)).slope * 1000 if len(set(memory)) > 1 else 0.0
    )
    say(
        f"load: {len(rounds)} stories, {points} points in {seconds:.0f} s, faults survived: {deaths}, lost: {lost},"
        f" doubled: {doubled}, recovery p99: {p99:.2f} s, memory slope: {slope:.2f} MB per 1000 points"
    )
    return 1 if wrong else 0


def say(line: str) -> None:
    """One line of the answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
