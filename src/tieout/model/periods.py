"""Fiscal periods of a legal entity (calendar months, or whole weeks) and the booking date of a late fact.

Domain rules §5: calendar months have codes such as `2026-01`, periods of weeks such as `2026-P01`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_WEEKS = re.compile(r"(\d{4})-P(\d{2})", re.ASCII)
_PATTERNS = {"445": (4, 4, 5) * 4, "454": (4, 5, 4) * 4, "544": (5, 4, 4) * 4, "4-week": (4,) * 13}
_DAY = timedelta(days=1)

MONTH_ENDS = ("calendar", *_PATTERNS)
YEAR_ENDS = ("last", "nearest")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Calendar:
    """How the fiscal periods of a legal entity are cut; calendar months unless stated.

    Calendar months are named after the month, whatever the first month of the fiscal year (1 to 12): 2026-01 is
    January 2026. Periods of weeks (`445`, `454`, `544`, `4-week`) are counted in their fiscal year, which has 52 or 53
    weeks, ends on the weekday `year_ends_on` that is the `last` in its last month or the `nearest` to that month's end,
    and is named after the calendar year of that month. `week_53` is the period that takes the 53rd week, the year's
    last unless stated.
    """

    month_end: str = "calendar"
    fiscal_year_start: int = 1
    year_end: str = "last"
    year_ends_on: str = "saturday"
    week_53: int | None = None

    def __post_init__(self) -> None:
        if self.month_end not in MONTH_ENDS:
            raise ValueError(f"month_end is one of {', '.join(MONTH_ENDS)}, not {self.month_end!r}")
        if not 1 <= self.fiscal_year_start <= 12:
            raise ValueError(f"a fiscal year starts in a month from 1 to 12, not {self.fiscal_year_start}")
        if self.year_end not in YEAR_ENDS or self.year_ends_on not in WEEKDAYS:
            raise ValueError(
                f"a fiscal year ends on the last or nearest weekday, not {self.year_end} {self.year_ends_on}"
            )
        by_weeks = self.month_end in _PATTERNS
        if not by_weeks and (self.year_end, self.year_ends_on, self.week_53) != ("last", "saturday", None):
            raise ValueError(
                "year_end, year_ends_on and week_53 are of periods of weeks, not of calendar months"
            )
        if self.week_53 is not None and not 1 <= self.week_53 <= len(_PATTERNS[self.month_end]):
            raise ValueError(
                f"a year by {self.month_end} has {len(_PATTERNS[self.month_end])} periods, week_53 is {self.week_53}"
            )

    def last_day_of(self, year: int) -> date:
        """The last day of the fiscal year of that name, of periods of weeks."""
        end = _month_last(year, (self.fiscal_year_start - 2) % 12 + 1)
        back = (end.weekday() - WEEKDAYS.index(self.year_ends_on)) % 7
        return end + (7 - back) * _DAY if self.year_end == "nearest" and back > 3 else end - back * _DAY

    def periods_of(self, year: int) -> list[tuple[date, date]]:
        """First and last day of each period of weeks of a fiscal year, in order."""
        first, last = self.last_day_of(year - 1) + _DAY, self.last_day_of(year)
        weeks = list(_PATTERNS[self.month_end])
        weeks[(self.week_53 or len(weeks)) - 1] += ((last - first).days + 1) // 7 - 52
        found = []
        for count in weeks:
            found.append((first, first + (7 * count - 1) * _DAY))
            first += 7 * count * _DAY
        return found


MONTHS = Calendar()
"""The calendar of who states none."""


def calendar_of(stated: Mapping[str, Any]) -> Calendar:
    """The calendar that the configuration of a legal entity states; other keys are not looked at."""
    names = (field.name for field in fields(Calendar))
    return Calendar(**{name: stated[name] for name in names if stated.get(name) is not None})


def period_of(day: date, calendar: Calendar) -> str:
    """The code of the period that contains the day: 2026-01, or of weeks 2026-P01."""
    if calendar.month_end == "calendar":
        return f"{day.year:04d}-{day.month:02d}"
    year = next(y for y in range(day.year - 1, day.year + 2) if day <= calendar.last_day_of(y))
    number = next(n for n, (_, last) in enumerate(calendar.periods_of(year), 1) if day <= last)
    return f"{year:04d}-P{number:02d}"


def period_bounds(code: str, calendar: Calendar) -> tuple[date, date]:
    """First and last day of the period, both inclusive. ValueError where the calendar has no such period."""
    if calendar.month_end == "calendar":
        match = _MONTH.fullmatch(code)
        if match:
            year, month = int(match[1]), int(match[2])
            return date(year, month, 1), _month_last(year, month)
        raise ValueError(f"{code!r} is not a period code such as 2026-01")
    match = _WEEKS.fullmatch(code)
    if match and 1 <= int(match[2]) <= len(_PATTERNS[calendar.month_end]):
        return calendar.periods_of(int(match[1]))[int(match[2]) - 1]
    raise ValueError(f"{code!r} is not a period code of a calendar by {calendar.month_end}, such as 2026-P01")


def period_around(day: date, calendar: Calendar) -> tuple[date, date]:
    """First and last day of the period that contains the day."""
    return period_bounds(period_of(day, calendar), calendar)


def next_period(code: str, calendar: Calendar) -> str:
    """The code of the period that follows."""
    return period_of(period_bounds(code, calendar)[1] + _DAY, calendar)


def period_end_after(day: date, calendar: Calendar) -> date:
    """The first last day of a period after a day."""
    return period_bounds(period_of(day + _DAY, calendar), calendar)[1]


def period_ends(first: date, last: date, calendar: Calendar) -> list[date]:
    """The last days of periods from one day to another, both inclusive."""
    found, end = [], period_end_after(first - _DAY, calendar)
    while end <= last:
        found.append(end)
        end = period_end_after(end, calendar)
    return found


def booking_date(event_date: date, closed: Collection[tuple[date, date]]) -> date:
    """The event date, or the first day of the first open period after it when its own period is closed.

    `closed` are the first and last days of closed periods.
    """
    booked = event_date
    for first, last in sorted(closed):
        if first <= booked <= last:
            booked = last + _DAY
    return booked


def _month_last(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - _DAY
