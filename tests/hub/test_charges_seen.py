"""A charge can be followed to what was performed, and its documents say items, not hours."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tieout.bootstrap import read_settings
from tieout.hub.billing.record import document
from tieout.hub.trace import trace
from tieout.scenario.parsing import load_scenario
from tieout.scenario.playing import Player

SCENARIOS = Path(__file__).parents[1] / "scenarios/billing"


def play(name: str, engine: Engine, home: Path) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    checks = Player(scenario, engine, read_settings({"TIEOUT_HOME": str(home)})).play()
    assert all(check.ok for check in checks)


@pytest.mark.parametrize(
    ("name", "line", "source", "via"),
    [
        ("milestones", "INV-1/1", ("milestone", "C-1/1/M1"), "charged as"),
        ("units", "INV-1/1", ("delivery", "D1"), "charged as"),
        ("usage_graduated", "INV-1/1", ("usage_reading", "U1"), "charged as"),
        ("retainer_hours", "INV-2/1", ("time_entry", "T2"), "charged beside its price as"),
    ],
)
def test_a_line_is_traced_to_what_was_performed(
    name: str, line: str, source: tuple[str, str], via: str, engine: Engine, tmp_path: Path
) -> None:
    play(name, engine, tmp_path)
    with engine.connect() as conn:
        found = trace(conn, line)
    nodes = {node["id"]: (node["type"], node["key"]) for node in found["nodes"]}
    edges = {(nodes[edge["from"]], edge["via"]) for edge in found["edges"]}
    assert (source, via) in edges


def test_a_document_counts_items_of_a_charge_and_hours_of_an_overage(engine: Engine, tmp_path: Path) -> None:
    play("retainer_hours", engine, tmp_path)
    with engine.connect() as conn:
        fee, _ = document(conn, "INV-1")
        over, rows = document(conn, "INV-2")
    assert [(one.unit, one.description) for one in fee.lines] == [
        ("item", "Advisory, 2026-01-01 to 2026-01-31")
    ]
    assert [one.unit for one in over.lines] == ["hour"]
    assert rows[0].text
