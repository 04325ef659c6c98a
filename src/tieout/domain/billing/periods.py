"""Billing periods: months, quarters and years from an anchor day that a short month moves and gives back."""

from __future__ import annotations

from datetime import date

import polars as pl

MONTHS = {"month": 1, "quarter": 3, "year": 12}
"""Length of each interval in months."""

CALENDAR = date(2000, 1, 1)
"""The anchor where none is stated: periods are calendar months, quarters and years."""


def with_periods(rows: pl.DataFrame, *, first: str, last: str) -> pl.DataFrame:
    """Each row once per period that it touches, with the whole period's `period_start` and `period_end`, inclusive.

    `every` is month, quarter or year, `anchor` a day on which a period begins (null: the calendar's); `first` and
    `last` name the row's own days, both stated. An anchor on day 29–31 falls on the last day of a month that is
    shorter and returns to its own day after it (domain rules §2.12).
    """
    months = pl.col("every").replace_strict(MONTHS, return_dtype=pl.Int64)
    anchor = pl.col("anchor").fill_null(CALENDAR)
    sized = rows.with_columns(
        months.alias("#months"), _index(anchor).alias("#base"), anchor.dt.day().alias("#day")
    )
    number = pl.int_ranges(
        (_index(pl.col(first)) - pl.col("#base")) // pl.col("#months") - 1,
        (_index(pl.col(last)) - pl.col("#base")) // pl.col("#months") + 1,
    )
    numbered = sized.with_columns(number.alias("#number")).explode("#number", empty_as_null=False)
    begin = pl.col("#base") + pl.col("#number") * pl.col("#months")
    dated = numbered.with_columns(
        _day(begin).alias("period_start"),
        _day(begin + pl.col("#months")).dt.offset_by("-1d").alias("period_end"),
    )
    touched = (pl.col("period_end") >= pl.col(first)) & (pl.col("period_start") <= pl.col(last))
    return dated.filter(touched).drop("#months", "#base", "#day", "#number")


def days(first: str | pl.Expr, last: str | pl.Expr) -> pl.Expr:
    """Days from the first to the last, both counted."""
    begin = pl.col(first) if isinstance(first, str) else first
    end = pl.col(last) if isinstance(last, str) else last
    return (end - begin).dt.total_days() + 1


def _index(day: pl.Expr) -> pl.Expr:
    return day.dt.year().cast(pl.Int64) * 12 + day.dt.month().cast(pl.Int64) - 1


def _day(index: pl.Expr) -> pl.Expr:
    """The anchor's day in the month of that index, or the month's last."""
    first = pl.date(index // 12, index % 12 + 1, 1)
    length = first.dt.month_end().dt.day()
    return pl.date(index // 12, index % 12 + 1, pl.min_horizontal(length, pl.col("#day")))
