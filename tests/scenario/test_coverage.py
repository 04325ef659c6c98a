"""COVERAGE.md is what the scenario files say, and every published case is accounted for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.scenario.parsing import load_scenario
from tools import coverage

TWO_LINES = """\
scenario: 1
name: A line of time, and one that an amendment adds and another changes
rate_cards: [{code: STD, rates: [{role: consultant, price: 200}]}]
contracts:
  - lines: [{id: a, billing: {method: time_and_materials, rate_card: STD}}]
timeline:
  - {at: 2026-01-05, time: {id: T1, line: a, hours: 8}}
  - {at: 2026-01-06, correct: {id: T1, hours: 7}}
  - {at: 2026-01-15, amend: {change: {lines: [{id: b, billing: {method: units, price: 5}}]}}}
  - {at: 2026-01-16, deliver: {line: b, quantity: 1}}
  - {at: 2026-01-20, amend: {change: {lines: [{id: b, revenue: {method: units, estimated_units: 9}}]}}}
  - {at: 2026-01-31, bill: {}}
"""


def test_the_committed_coverage_is_current() -> None:
    assert coverage.stale() == []


def test_a_file_that_is_not_current_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "COVERAGE.md"
    changed.write_text(coverage.COVERAGE.read_text().replace("holds", "shines", 1))
    monkeypatch.setattr(coverage, "COVERAGE", changed)
    assert coverage.main(check=True) == 1
    assert "COVERAGE.md is not what the scenarios say" in capsys.readouterr().err
    assert coverage.main(check=False) == 0
    assert coverage.main(check=True) == 0


def test_every_published_case_has_a_file_or_a_reason_and_not_both() -> None:
    files, truth = {file.stem for file in coverage.CASES.glob("*.yaml")}, coverage.read_truth()
    assert set(truth.waiting) <= files
    assert set(truth.figures) <= files
    assert files & set(truth.left_out) == set()
    for file in coverage.CASES.glob("*.yaml"):
        header = load_scenario(file).header
        assert (header.source or "").startswith(f"{file.stem}: "), file.name
        assert len(set(header.tags) & set(coverage.BASES)) == 1, file.name


def test_a_verb_counts_for_the_lines_it_is_about(tmp_path: Path) -> None:
    """The time is on line a; line b is delivered, and is first measured as invoiced, then by units; both are billed."""
    file = tmp_path / "case.yaml"
    file.write_text(TWO_LINES)
    time, early, late = ("time_and_materials", "as_invoiced"), ("units", "as_invoiced"), ("units", "units")
    wanted = {(*time, verb) for verb in ("time", "correct", "amend", "bill")}
    wanted |= {(*pair, verb) for pair in (early, late) for verb in ("deliver", "amend", "bill")}
    assert coverage.played(load_scenario(file)) == wanted
