"""Running totals inside groups of a frame in linear time: sorted once, then whole-column arithmetic.

A window function over several text columns takes microseconds a row; a run of equal keys in a sorted frame needs none.
Hours are counted in millionths as whole numbers, which is exact: hours carry six decimals.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tieout.domain.frames import HOURS

MILLION = 1_000_000
_STARTS, RUN = "run_starts", "run"


def in_runs(df: pl.DataFrame, keys: Sequence[str], order: Sequence[str]) -> pl.DataFrame:
    """The frame sorted by keys and order; `run` numbers the groups, `run_starts` marks their first rows."""
    changed = pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift(1)) for key in keys)
    first = pl.int_range(pl.len()) == 0
    ordered = df.sort(*keys, *order).with_columns((first | changed).alias(_STARTS))
    return ordered.with_columns(pl.col(_STARTS).cum_sum().alias(RUN))


def running(value: pl.Expr) -> pl.Expr:
    """The running total of a value inside its run, the row included; the value has no nulls."""
    total = value.cum_sum()
    before = pl.when(_STARTS).then(total - value).otherwise(None).forward_fill()
    return total - before


def of_run(value: pl.Expr) -> pl.Expr:
    """The total of a value over its run."""
    return value.sum().over(RUN)


def ends_run() -> pl.Expr:
    """Whether the row is the last of its run."""
    return pl.col(_STARTS).shift(-1).fill_null(True)


def without_runs(df: pl.DataFrame) -> pl.DataFrame:
    """The frame without the two columns of `in_runs`."""
    return df.drop(_STARTS, RUN)


def millionths(hours: str) -> pl.Expr:
    """A column of hours (six decimals) as whole millionths."""
    return pl.col(hours).to_physical().cast(pl.Int64)


def to_hours(count: pl.Expr) -> pl.Expr:
    """Whole millionths as hours."""
    scale = pl.lit(MILLION).cast(pl.Decimal(20, 6))
    return (count.cast(pl.Decimal(20, 6)) / scale).cast(HOURS)
