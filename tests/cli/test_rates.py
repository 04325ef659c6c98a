"""`tieout rates import`: one JSON value, exit 1 when rows were refused, and errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tieout.cli import main
from tieout.store.database import plain_url


@pytest.fixture(autouse=True)
def _on_this_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit code, stdout (as JSON when asked for), stderr."""
    with pytest.raises(SystemExit) as ended:
        main(["rates", "import", *arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(said.out) if "--json" in arguments else said.out, said.err


def test_refused_rows_are_in_the_answer_and_make_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("role,price,from\nArchitect,200,2026-01-01\nAnalyst,none,2026-01-01\n")
    code, answer, _ = run(capsys, str(file), "--card", "STANDARD", "--json")
    assert code == 1
    assert (answer["imported"], answer["unchanged"]) == (1, 0)
    assert [(r["row"], r["column"], r["value"]) for r in answer["refused"]] == [(3, "price", "none")]
    file.write_text("role,price,from\nAnalyst,100,2026-01-01,surplus\n")
    code, answer, _ = run(capsys, str(file), "--card", "STANDARD", "--json")
    assert (code, [(r["row"], r["column"], r["value"]) for r in answer["refused"]]) == (
        1,
        [(2, "column 4", "surplus")],
    )
    file.write_text("role,price\nArchitect,200\n")
    code, answer, _ = run(capsys, str(file), "--card", "STANDARD", "--from", "2026-01-01", "--json")
    assert (code, answer) == (0, {"imported": 0, "unchanged": 1, "refused": []})
    code, shown, note = run(capsys, str(file), "--card", "STANDARD", "--from", "2026-02-01")
    assert (code, shown) == (0, "")
    assert "1 rows imported" in note


def test_a_wrong_file_or_option_is_a_usage_error_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, str(tmp_path / "none.csv"), "--card", "STANDARD")[0] == 2
    file = tmp_path / "prices.csv"
    file.write_text("role,price\nArchitect,200\n")
    code, answer, _ = run(capsys, str(file), "--card", "STANDARD", "--json")
    assert code == 2
    assert "--from" in answer["error"]["remedy"]
    assert run(capsys, str(file), "--card", "STANDARD", "--format", "pdf")[0] == 2
    assert run(capsys, str(file), "--card", "STANDARD", "--currency", "XXQ")[0] == 2
