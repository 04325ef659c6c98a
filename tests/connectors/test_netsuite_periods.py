"""NetSuite's accounting periods: a code of their own for each, and the tie-out says ours by their first day."""

from datetime import date
from decimal import Decimal

import pytest

from tieout.connectors.kit.interface import ReportedFact
from tieout.connectors.netsuite.lookups import code_of
from tieout.hub.tie_out import _fact
from tieout.model.periods import MONTHS, Calendar


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        ("2026-01-01", "2026-01-31", "2026-01"),
        ("2026-01-01", "2026-01-28", "2026-01-01"),  # two periods of four weeks begin in January:
        ("2026-01-29", "2026-02-25", "2026-01-29"),  # their months would be one code
        ("2026-01-01", "2026-03-31", "2026-01-01"),
    ],
)
def test_each_period_has_a_code_of_its_own(first: str, last: str, code: str) -> None:
    assert code_of({"startdate": first, "enddate": last}) == code


@pytest.mark.parametrize(
    ("theirs", "calendar", "ours"),
    [
        ("2026-01", MONTHS, "2026-01"),
        ("2025-12-28", Calendar("445"), "2026-P01"),
        ("2026-01-25", Calendar("445"), "2026-P02"),
        ("2026-01", Calendar("445"), "2026-01"),
    ],
)
def test_a_reported_period_is_said_in_our_code(theirs: str, calendar: Calendar, ours: str) -> None:
    said = {"document_date": date(2026, 1, 26).isoformat()}
    fact = _fact(ReportedFact("INV-1", Decimal(100), "USD", theirs, said), calendar)
    assert fact["period"] == ours
