"""What an entity says of its invoices is checked by file and line, and is kept with the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.hub import policies
from tieout.workspace.loading import load


def folder(path: Path, text: str) -> Path:
    """A workspace with the entity DE01."""
    (path / "tieout.yaml").write_text("name: test\n")
    (path / "entities").mkdir()
    (path / "entities" / "DE01.yaml").write_text(f"time_zone: Europe/Berlin\n{text}")
    return path


def test_an_entity_states_its_invoices(tmp_path: Path) -> None:
    text = (
        "invoices:\n  electronic: true\n  country: DE\n  tax_id: DE136695976\n  self_billed: [C-100]\n"
        '  postal_code: "10117"\n'
    )
    seller = policies.parse(load(folder(tmp_path, text), {}).document).seller("DE01")
    assert seller.electronic
    assert seller.self_billed == {"C-100"}
    assert seller.facts == {"country": "DE", "tax_id": "DE136695976", "postal_code": "10117"}


def test_without_it_nothing_is_electronic_and_nothing_is_added(tmp_path: Path) -> None:
    document = load(folder(tmp_path, ""), {}).document
    assert document["entities"] == {"DE01": {"time_zone": "Europe/Berlin"}}
    assert not policies.parse(document).seller("DE01").electronic


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (
            "invoices:\n  country: DE\n  tax_id: DE136695977\n",
            "entities/DE01.yaml:4",
            "its check digits do not fit",
        ),
        ("invoices:\n  electronic: maybe\n", "entities/DE01.yaml:3", "maybe"),
        ("invoices:\n  vat: DE136695976\n", "entities/DE01.yaml:3", "this key is not known"),
        ("invoices:\n  country: Germany\n", "entities/DE01.yaml:3", "Germany"),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(tmp_path: Path, text: str, place: str, said: str) -> None:
    [finding] = load(folder(tmp_path, text), {}).findings
    assert str(finding).startswith(place)
    assert said in str(finding)
