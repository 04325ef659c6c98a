"""Fiscal calendars against published ones, and the booking date of late facts."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.model.periods import (
    MONTHS,
    Calendar,
    booking_date,
    next_period,
    period_bounds,
    period_end_after,
    period_ends,
    period_of,
)

APPLE = Calendar("544", fiscal_year_start=10, week_53=3)
"""Form 10-K of Apple Inc.: the 52- or 53-week year ends on the last Saturday of September; a 14th week goes into the
first quarter. Months of five, four and four weeks (its published fiscal calendar)."""
RETAIL = Calendar("454", fiscal_year_start=2, year_end="nearest")
"""The 4-5-4 calendar of the National Retail Federation: the year ends on the Saturday nearest to 31 January, week 53 is
added at its end. It names a year after the one in which it begins, so its fiscal 2023 is 2024 here."""


def test_a_period_is_a_calendar_month_inclusive_at_both_ends() -> None:
    assert period_of(date(2026, 2, 28), MONTHS) == "2026-02"
    assert period_bounds("2028-02", MONTHS) == (date(2028, 2, 1), date(2028, 2, 29))
    assert next_period("2026-12", MONTHS) == "2027-01"
    for wrong in ("2026-13", "2026-P01"):
        with pytest.raises(ValueError, match=wrong):
            period_bounds(wrong, MONTHS)


def test_a_calendar_month_is_named_after_the_month_whatever_the_fiscal_year() -> None:
    april = Calendar(fiscal_year_start=4)
    assert period_of(date(2026, 1, 15), april) == "2026-01"
    assert next_period("2026-03", april) == "2026-04"


@pytest.mark.parametrize(
    ("year", "first", "last", "weeks"),
    [
        (2016, date(2015, 9, 27), date(2016, 9, 24), 52),
        (2017, date(2016, 9, 25), date(2017, 9, 30), 53),
        (2018, date(2017, 10, 1), date(2018, 9, 29), 52),
        (2022, date(2021, 9, 26), date(2022, 9, 24), 52),
        (2023, date(2022, 9, 25), date(2023, 9, 30), 53),
        (2024, date(2023, 10, 1), date(2024, 9, 28), 52),
    ],
)
def test_years_that_end_on_the_last_saturday_of_september(
    year: int, first: date, last: date, weeks: int
) -> None:
    """Fiscal years of Apple Inc. as its annual reports state them."""
    assert period_bounds(f"{year}-P01", APPLE)[0] == first
    assert period_bounds(f"{year}-P12", APPLE)[1] == last
    assert (last - first).days + 1 == weeks * 7


def test_quarters_of_a_year_of_53_weeks_whose_first_quarter_takes_the_last_week() -> None:
    """Quarters of Apple's fiscal 2023: 31 December 2022 (14 weeks), 1 April, 1 July, 30 September 2023 (its 10-Qs)."""
    ends = [period_bounds(f"2023-P{number:02d}", APPLE)[1] for number in (3, 6, 9, 12)]
    assert ends == [date(2022, 12, 31), date(2023, 4, 1), date(2023, 7, 1), date(2023, 9, 30)]
    assert period_bounds("2023-P03", APPLE) == (date(2022, 11, 27), date(2022, 12, 31))  # 4 + 1 weeks


def test_the_retail_calendar() -> None:
    """Fiscal 2012, 2017 and 2023 of the retail calendar have 53 weeks; 2023 is 29 January 2023 to 3 February 2024."""
    long = [
        year
        for year in range(2007, 2025)
        if (RETAIL.last_day_of(year) - RETAIL.last_day_of(year - 1)).days > 364
    ]
    assert long == [2007, 2013, 2018, 2024]
    assert period_bounds("2024-P01", RETAIL) == (date(2023, 1, 29), date(2023, 2, 25))
    assert period_bounds("2024-P02", RETAIL) == (date(2023, 2, 26), date(2023, 4, 1))
    assert period_bounds("2024-P12", RETAIL) == (date(2023, 12, 31), date(2024, 2, 3))  # 4 + 1 weeks
    assert next_period("2024-P12", RETAIL) == "2025-P01"
    assert period_of(date(2024, 2, 3), RETAIL) == "2024-P12"


def test_a_year_that_ends_in_january_keeps_the_name_of_its_last_month() -> None:
    """31 December 2026 is a Thursday: the nearest Saturday is 2 January 2027, and the year is still 2026."""
    nearest = Calendar("445", year_end="nearest")
    assert period_bounds("2026-P12", nearest)[1] == date(2027, 1, 2)
    assert period_of(date(2027, 1, 2), nearest) == "2026-P12"
    assert period_of(date(2027, 1, 3), nearest) == "2027-P01"


def test_thirteen_periods_of_four_weeks() -> None:
    weeks = Calendar("4-week", week_53=13)
    assert period_of(date(2022, 12, 31), weeks) == "2022-P13"
    assert next_period("2022-P13", weeks) == "2023-P01"
    with pytest.raises(ValueError, match="2023-P14"):
        period_bounds("2023-P14", weeks)


CALENDARS = st.builds(
    Calendar, st.sampled_from(["445", "454", "544", "4-week"]), st.integers(1, 12), st.sampled_from(["last", "nearest"]),
    st.sampled_from(["friday", "saturday", "sunday"]), st.one_of(st.none(), st.integers(1, 12)),
)  # fmt: skip


@given(CALENDARS | st.just(MONTHS), st.dates(date(1990, 1, 1), date(2090, 12, 31)))
def test_every_day_lies_in_one_period_and_periods_follow_each_other(calendar: Calendar, day: date) -> None:
    code = period_of(day, calendar)
    first, last = period_bounds(code, calendar)
    assert first <= day <= last
    assert period_of(first, calendar) == period_of(last, calendar) == code
    assert period_bounds(next_period(code, calendar), calendar)[0] == last + timedelta(days=1)
    assert code < next_period(code, calendar)
    assert period_end_after(day, calendar) == (last if day < last else period_end_after(last, calendar))


def test_ends_of_periods_between_two_days() -> None:
    assert period_ends(date(2026, 1, 31), date(2026, 3, 30), MONTHS) == [date(2026, 1, 31), date(2026, 2, 28)]
    assert period_ends(date(2022, 12, 31), date(2023, 1, 30), APPLE) == [date(2022, 12, 31)]


@pytest.mark.parametrize(
    "stated",
    [
        {"month_end": "455"}, {"fiscal_year_start": 13}, {"week_53": 3}, {"month_end": "445", "week_53": 13},
        {"month_end": "445", "year_ends_on": "someday"}, {"month_end": "445", "year_end": "first"},
    ],
)  # fmt: skip
def test_a_calendar_that_cannot_be_is_refused(stated: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"month_end|fiscal year|week_53"):
        Calendar(**stated)  # type: ignore[arg-type]


def test_a_late_fact_books_on_the_first_day_of_the_first_open_period_after_it() -> None:
    closed = [period_bounds(code, MONTHS) for code in ("2026-02", "2026-01")]
    assert booking_date(date(2026, 1, 15), closed) == date(2026, 3, 1)
    assert booking_date(date(2026, 3, 15), closed) == date(2026, 3, 15)
