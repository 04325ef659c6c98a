"""Time elapsed as whole numbers: days, or months in which each day earns its share of the month (IFRS 15.B15, B18).

A month is 377,580 parts, divisible by 28, 29, 30 and 31, so elapsed ÷ total is exact whatever months are cut.
"""

from __future__ import annotations

import polars as pl

MONTH_PARTS = 377_580


def elapsed(start: pl.Expr, end: pl.Expr, through: pl.Expr, basis: pl.Expr) -> pl.Expr:
    """Parts of the span [start, end] that lie on or before `through`, all inclusive; 0 before the start.

    `basis` is `daily` (a part is a day) or `monthly` (whole months are equal, a month that is not whole counts by its
    days). Null where the span is open or ends before it starts.
    """
    last = pl.min_horizontal(through, end)
    before = start.dt.offset_by("-1d")
    days = (last - before).dt.total_days()
    months = _position(last) - _position(before)
    parts = pl.when(basis == "monthly").then(months).otherwise(days).clip(lower_bound=0)
    return pl.when((end >= start) & through.is_not_null()).then(parts)


def _position(day: pl.Expr) -> pl.Expr:
    """The end of the day counted in parts of a month since year 0."""
    length = day.dt.month_end().dt.day().cast(pl.Int64)
    month = day.dt.year().cast(pl.Int64) * 12 + day.dt.month().cast(pl.Int64)
    return month * MONTH_PARTS + day.dt.day().cast(pl.Int64) * (pl.lit(MONTH_PARTS) // length)
