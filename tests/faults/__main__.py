"""`make faults`: every failpoint at its first, second and last hit in every stage, workers killed at random, all mutants.

The last line is `failpoints: N, violations: N, mutants caught: N/N`; it ends with 1 when something is wrong.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.faults.ordering import Player
from tieout.store.database import connect, create_database, prepare
from tieout.store.postgres import EmbeddedPostgres

PLAYERS = 2
FOLLOWED = 25
DEATHS = 20
TEMPLATE = "faults_template"


def main() -> int:
    """The exit status."""
    with tempfile.TemporaryDirectory(prefix="tieout-faults-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        try:
            return run(server.url(), Path(folder))
        finally:
            server.release()


def run(admin: str, folder: Path) -> int:
    """Order everything, tell what is wrong, sum up."""
    engine = connect(create_database(admin, TEMPLATE))
    prepare(engine)
    engine.dispose()
    common = {"admin": admin, "migrated": TEMPLATE}
    players = [
        Player(folder / f"player{n}", **common, name=f"p{n}", form="full", share=[n, PLAYERS], every=FOLLOWED)
        for n in range(PLAYERS)
    ]
    answers = [player.answer() for player in players]
    seed = int(time.time())
    answers.append(
        Player(folder / "lives", "lives", **common, name="lives", seed=seed, deaths=DEATHS).answer()
    )
    points = set().union(*(answer.points for answer in answers))
    violations = [what for answer in answers for what in answer.violations]
    missed = [name for answer in answers for name in answer.missed]
    caught = sum(len(answer.caught) for answer in answers)
    deaths = sum(len(answer.survived) for answer in answers)
    for line in (*violations, *(f"not caught: {name}" for name in missed)):
        say(line)
    say(f"{deaths} deaths were survived; workers were killed by seed {seed}")
    say(
        f"failpoints: {len(points)}, violations: {len(violations)}, mutants caught: {caught}/{caught + len(missed)}"
    )
    return 1 if violations or missed or not caught else 0


def say(line: str) -> None:
    """One line of the answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
