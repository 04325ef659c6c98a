"""The firm's calendar: working days, weeks and moments in New York."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

START = date(2026, 1, 1)
ZONE = ZoneInfo("America/New_York")
HOLIDAYS = frozenset({date(2026, 1, 1), date(2026, 1, 19), date(2026, 5, 25), date(2026, 7, 3), date(2026, 9, 7),
                      date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1)})  # fmt: skip
_DAY = timedelta(days=1)


def moment(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A wall-clock moment in New York, in UTC."""
    return datetime.combine(day, time(hour, minute, second), ZONE).astimezone(UTC)


def month_start(number: int) -> date:
    """The first day of the n-th month after the firm's start (0 is the first, -1 the one before)."""
    index = START.year * 12 + START.month - 1 + number
    return date(index // 12, index % 12 + 1, 1)


def month_end(number: int) -> date:
    """The last day of the n-th month."""
    return month_start(number + 1) - _DAY


def days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def is_working(day: date) -> bool:
    """Whether people work on a day."""
    return day.weekday() < 5 and day not in HOLIDAYS


def working_days(first: date, last: date) -> list[date]:
    """The working days from first to last."""
    return [day for day in days(first, last) if is_working(day)]


def next_working(day: date) -> date:
    """The day itself, or the first working day after it."""
    while not is_working(day):
        day += _DAY
    return day


def monday_after(day: date) -> date:
    """The Monday that follows the week of a day: when its time is approved."""
    return day + timedelta(days=7 - day.weekday())
