"""Holidays of a country stand in where no calendar is stated, and are not loaded before they are asked for."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from tieout.hub.holidays import calendars, of_country
from tieout.hub.policies import parse

COUNTRIES = {"US01": "US", "DE01": "DE", "ZZ01": "ZZ", "NN01": None}


@pytest.mark.parametrize(
    ("stated", "of"),
    [
        ({}, {"US01", "DE01"}),
        ({"entities": {"US01": {"holidays": ["2026-03-02"]}}}, {"US01", "DE01"}),
        ({"entities": {"US01": {"holidays": []}}}, {"DE01"}),
        ({"billing": {"holidays": ["2026-03-02"]}}, set()),
    ],
)
def test_a_stated_calendar_wins_over_the_country(stated: dict[str, object], of: set[str]) -> None:
    found = calendars(parse(stated), COUNTRIES, [2026])
    assert set(found["entity"]) == of
    days = set(found.filter(entity="US01")["day"])
    national = {date(2026, 6, 19), date(2026, 7, 3)}
    assert days >= national if stated == {} else not days & national


def test_unknown_countries_have_no_holidays() -> None:
    assert of_country("ZZ", 2026) == ()


def test_rating_does_not_load_the_package_by_itself() -> None:
    asked = "import sys, tieout.hub.rating, tieout.cli; sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0
