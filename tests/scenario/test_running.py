"""`tieout scenario run`: many at once, each isolated, failing checks with expected and actual."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from tests.scenario.test_parsing import GOOD
from tieout.cli.scenario import app
from tieout.scenario.checking import Check
from tieout.scenario.playing import Player


@pytest.fixture
def run(admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Runs the command on the tests' own server."""
    monkeypatch.setenv("TIEOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIEOUT_DATABASE_URL", admin_url)
    return lambda *arguments: CliRunner().invoke(app, ["run", *arguments])


def test_results_come_in_order_with_failing_checks_and_errors(
    run: object, admin_url: str, tmp_path: Path
) -> None:
    for name, text in (
        ("1-holds", GOOD), ("2-fails", GOOD.replace("1600.80", "1600.81")), ("3-wrong", GOOD.replace("name:", "nome:")),
        ("4-later", GOOD.replace("revenue: 1600.80", "utilization: 1")),
    ):  # fmt: skip
        (tmp_path / f"{name}.yaml").write_text(text)
    answer = run(str(tmp_path), "--json")  # type: ignore[operator]
    results = json.loads(answer.stdout)
    assert (answer.exit_code, [r["ok"] for r in results]) == (1, [True, False, False, False])
    [failing] = [check for check in results[1]["checks"] if not check["ok"]]
    assert (failing["at"], failing["measure"], failing["expected"], failing["actual"]) == (
        "2026-01-05", "revenue", "1600.81", "1600.8",
    )  # fmt: skip
    assert [r["error"] and r["error"]["code"] for r in results] == [None, None, "invalid", "not-supported"]
    assert results[2]["error"]["line"] == 2
    with psycopg.connect(admin_url) as conn:
        left = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'scenario%'").fetchall()
    assert left == []
    told = run(str(tmp_path / "2-fails.yaml"))  # type: ignore[operator]
    assert "2026-01-05 revenue C-1/2026-01-05/1: " in told.stderr
    assert "revenue\t1600.81\t1600.8\t-0.01" in told.stdout


def test_a_defect_of_ours_is_told_as_one_and_the_run_goes_on(
    run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(player: Player) -> list[Check]:
        raise KeyError("lost")

    monkeypatch.setattr(Player, "play", fails)
    (tmp_path / "one.yaml").write_text(GOOD)
    answer = run(str(tmp_path / "one.yaml"), "--json")  # type: ignore[operator]
    [result] = json.loads(answer.stdout)
    assert (answer.exit_code, result["ok"], result["error"]["code"]) == (1, False, "defect")
    assert "KeyError: 'lost'" in result["error"]["message"]
