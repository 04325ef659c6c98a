"""An entity's fiscal calendar is stated with its configuration; one that cannot be is found by file and line."""

from pathlib import Path

import pytest

from tests.workspace.test_entities_invoices import folder
from tieout.hub import policies
from tieout.model.periods import MONTHS, Calendar
from tieout.workspace.loading import load


def test_an_entity_states_its_calendar(tmp_path: Path) -> None:
    text = "month_end: 544\nfiscal_year_start: 10\nyear_ends_on: friday\nweek_53: 3\n"
    stated = policies.parse(load(folder(tmp_path, text), {}).document)
    assert stated.calendar("DE01") == Calendar("544", 10, "last", "friday", 3)
    assert stated.calendar("US01") == MONTHS


def test_who_states_none_has_calendar_months(tmp_path: Path) -> None:
    assert policies.parse(load(folder(tmp_path, ""), {}).document).calendar("DE01") == MONTHS


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("month_end: 455\n", "entities/DE01.yaml:2", "455"),
        ("month_end: 4-week\nweek_53: 14\n", "entities/DE01.yaml:3", "14"),
        ("month_end: 445\nweek_53: 13\n", "entities/DE01.yaml:3", "12 periods"),
        ("year_end: nearest\n", "entities/DE01.yaml:2", "periods of weeks"),
        ("fiscal_year_start: 0\n", "entities/DE01.yaml:2", "0"),
    ],
)
def test_a_calendar_that_cannot_be_is_found_where_it_stands(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    [finding] = load(folder(tmp_path, text), {}).findings
    assert str(finding).startswith(place)
    assert said in str(finding)
