"""Calendar months and the booking date of late facts."""

from datetime import date

import pytest

from tieout.model.periods import booking_date, next_period, period_bounds, period_of


def test_a_period_is_a_calendar_month_inclusive_at_both_ends() -> None:
    assert period_of(date(2026, 2, 28)) == "2026-02"
    assert period_bounds("2028-02") == (date(2028, 2, 1), date(2028, 2, 29))
    assert next_period("2026-12") == "2027-01"
    with pytest.raises(ValueError, match="2026-13"):
        period_bounds("2026-13")


def test_a_late_fact_books_on_the_first_day_of_the_first_open_period_after_it() -> None:
    closed = {"2026-01", "2026-02"}
    assert booking_date(date(2026, 1, 15), closed) == date(2026, 3, 1)
    assert booking_date(date(2026, 3, 15), closed) == date(2026, 3, 15)
