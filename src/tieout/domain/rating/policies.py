"""The choices of a firm that change how time is rated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class RatingPolicies:
    """`week_start` is the first day of the overtime week where a line names none; `holidays` are rated as such."""

    implausible_above_hours: Decimal = Decimal(24)
    week_start: str = "monday"
    holidays: tuple[date, ...] = ()
