"""Every scenario of the repository holds, played on a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tieout.bootstrap import read_settings
from tieout.scenario.parsing import load_scenario
from tieout.scenario.playing import Player

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*(ROOT / "tests/scenarios").rglob("*.yaml"), *(ROOT / "examples/meridian/scenarios").rglob("*.yaml")]
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_holds(file: Path, engine: Engine, tmp_path: Path) -> None:
    checks = Player(load_scenario(file), engine, read_settings({"TIEOUT_HOME": str(tmp_path)})).play()
    assert [check for check in checks if not check.ok] == []
    assert checks


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 16
