"""Every scenario of the repository holds, played on a database of its own; a published case that waits does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from tools.coverage import CASES, TRUTH, read_truth

from tieout.bootstrap import read_settings
from tieout.domain.frames.own_thread import in_own_thread
from tieout.hub.verify import verify
from tieout.hub.verify.case import FAILED
from tieout.scenario.parsing import load_scenario
from tieout.scenario.playing import Player
from tieout.scenario.reading import BadScenario

ROOT = Path(__file__).parents[2]
WAITING = {CASES / f"{case}.yaml": what for case, what in read_truth().waiting.items()}
FILES = sorted(
    {*(ROOT / "tests/scenarios").rglob("*.yaml"), *(ROOT / "examples/meridian/scenarios").rglob("*.yaml")}
    - set(WAITING)
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_holds(file: Path, engine: Engine, tmp_path: Path) -> None:
    player = Player(load_scenario(file), engine, read_settings({"TIEOUT_HOME": str(tmp_path)}))
    checks = in_own_thread(player.play)
    assert [check for check in checks if not check.ok] == []
    assert checks
    told = verify(engine, only=("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I15", "I20", "I22"))
    assert [one for one in told if one["status"] == FAILED] == []


@pytest.mark.parametrize("file", WAITING, ids=lambda file: file.stem)
def test_a_case_that_waits_does_not_hold_yet(file: Path, engine: Engine, tmp_path: Path) -> None:
    """Its form is good, but it cannot be played to its end or a figure differs."""
    scenario = load_scenario(file)
    try:
        checks = Player(scenario, engine, read_settings({"TIEOUT_HOME": str(tmp_path)})).play()
    except BadScenario:
        return
    waits = f"{file.stem} holds: take it off `waiting` in {TRUTH.name} and run python -m tools.coverage"
    assert [check for check in checks if not check.ok], waits


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 16
