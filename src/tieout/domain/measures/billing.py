"""Time-to-invoice latency, set-up lead time, billing accuracy, exception rate. Domain rules §8."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import polars as pl

_SECONDS_A_DAY = Decimal(86_400)
_SHARE = Decimal("0.000001")


@dataclass(frozen=True)
class Latency:
    """Days, two decimals, over `count` finished rows; `open_count` have not ended yet. Null without finished rows."""

    count: int
    open_count: int
    median_days: Decimal | None
    p90_days: Decimal | None


def latency_days(rows: pl.DataFrame, start: str, end: str) -> Latency:
    """Time from one moment to another: approval -> released (to invoice), signed -> active (set-up).

    Percentiles are nearest-rank, so every figure is one of the rows and can be opened.
    """
    finished = rows.filter(pl.col(end).is_not_null() & pl.col(start).is_not_null())
    seconds = sorted((finished[end] - finished[start]).dt.total_seconds().to_list())
    waiting = rows.filter(pl.col(start).is_not_null() & pl.col(end).is_null()).height
    return Latency(len(seconds), waiting, _rank(seconds, 50), _rank(seconds, 90))


def _rank(ordered: list[int], percent: int) -> Decimal | None:
    if not ordered:
        return None
    place = -(-len(ordered) * percent // 100) - 1
    return (ordered[place] / _SECONDS_A_DAY).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def billing_accuracy(billed_amount: Decimal, credited_amount: Decimal) -> Decimal | None:
    """Share of billed value that was credited or rebilled; a rebill is counted by the credit before it."""
    return _share(credited_amount, billed_amount)


def exception_rate(exceptions: int, entries: int) -> Decimal | None:
    """Billing exceptions opened ÷ approved entries of the same span."""
    return _share(Decimal(exceptions), Decimal(entries))


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(_SHARE, rounding=ROUND_HALF_UP) if whole else None
