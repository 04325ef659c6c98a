"""Fiscal periods (calendar months, code `2026-01`) and the booking date of a late fact."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, timedelta

_CODE = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def period_of(day: date) -> str:
    """The code of the period that contains the day: 2026-01."""
    return f"{day.year:04d}-{day.month:02d}"


def period_bounds(code: str) -> tuple[date, date]:
    """First and last day of the period, both inclusive."""
    match = _CODE.fullmatch(code)
    if not match:
        raise ValueError(f"{code!r} is not a period code such as 2026-01")
    year, month = int(match[1]), int(match[2])
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    return first, following - timedelta(days=1)


def next_period(code: str) -> str:
    """The code of the period that follows."""
    return period_of(period_bounds(code)[1] + timedelta(days=1))


def booking_date(event_date: date, closed: Collection[str]) -> date:
    """The event date, or the first day of the first open period after it when its own period is closed."""
    code = period_of(event_date)
    if code not in closed:
        return event_date
    while code in closed:
        code = next_period(code)
    return period_bounds(code)[0]
