"""A process that kills our side at its share of the points: `python -m tests.faults.player ORDER`.

ORDER is JSON: {"admin", "migrated", "folder", "name", "form": "short" or "full", "share": [n, of],
"every": n}; every n-th death is followed to the end of the story, others to the end of their stage. Each answer is a line of
JSON: {"point"} when our side came to the same end, {"violation"} when it did not, {"points"} at last.
A process of its own, because a child that is forked from a process with thread pools does not live.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from tests.faults.mutants import MUTANTS, is_caught
from tests.faults.theatre import Theatre, Violation, kill, rehearse, warm_up


def main(order: dict[str, Any]) -> None:
    """Rehearse, then kill at every point of the share."""
    logging.disable(logging.WARNING)
    warm_up()
    theatre = Theatre(order["admin"], order["migrated"], Path(order["folder"]), order["name"])
    with theatre.open():
        try:
            rehearsal = rehearse(theatre)
        except Violation as violation:
            say(violation=f"undisturbed: {violation}")
            return
        cases = rehearsal.first_hits() if order["form"] == "short" else rehearsal.hits()
        number, of = order["share"]
        for turn, case in enumerate(sorted(cases)[number::of]):
            wrong = kill(theatre, rehearsal, *case, to_the_end=turn % order["every"] == 0)
            say(violation=wrong) if wrong else say(point=case[1])
        for mutant in MUTANTS[number::of] if order["form"] == "full" else ():
            caught, without = is_caught(theatre, rehearsal, mutant)
            if without:
                say(violation=f"without the mutant: {without}")
            say(caught=mutant.name) if caught else say(missed=mutant.name)
        say(points=sorted({case[1] for case in cases}))


def say(**told: Any) -> None:
    """One line for whoever ordered this."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
