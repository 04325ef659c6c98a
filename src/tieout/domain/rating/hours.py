"""Billable hours: increments and the daily minimum. Worked hours never change; these are a second quantity.

Order inside a worker's day is (date, entry id); a day is that of one worker on one contract line. Domain rules §2.2.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.rating.runs import (
    MILLION,
    ends_run,
    in_runs,
    millionths,
    of_run,
    running,
    to_hours,
    without_runs,
)

WORKER_DAY = ["contract", "line", "worker", "work_date"]
_TICKS = 10_000  # of a minute: hours carry six decimals, so minutes are read to four


def apply_increments(entries: pl.DataFrame) -> pl.DataFrame:
    """Adds `billable_hours` (hours): worked hours rounded per entry or per worker-day, topped up to the minimum.

    The day's difference goes to its last entry; what is rounded down beyond that entry goes on to the one before it.
    A minimum counts for days with any hours, after the increment. Rows come back in any order.
    """
    step = pl.col("increment_minutes") > 0
    by_day = (step & (pl.col("increment_per") == "day")).fill_null(False)
    whole_day = by_day | (pl.col("minimum_hours_per_day") > 0).fill_null(False)
    per_entry = (step & ~by_day).fill_null(False)
    worked = millionths("worked_hours")
    billable = pl.when(per_entry).then(_rounded(_ticks(worked))).otherwise(worked)
    counted = entries.with_columns(billable.alias("counted"), whole_day.alias("whole_day"))
    if counted["whole_day"].any():
        alone = counted.filter(~pl.col("whole_day"))
        days = _spread_over_day(counted.filter("whole_day"), by_day)
        counted = pl.concat([alone, days[alone.columns]])
    return counted.with_columns(to_hours(pl.col("counted")).alias("billable_hours")).drop(
        "counted", "whole_day"
    )


def _ticks(count: pl.Expr) -> pl.Expr:
    """Millionths of an hour in ticks of a minute, nearest: three times 0.333333 h are 60 minutes."""
    return (count * 6 + 5) // 10


def _rounded(ticks: pl.Expr) -> pl.Expr:
    """Ticks in whole increments of the row's minutes and mode (`nearest` takes half up), in millionths of an hour."""
    step = pl.col("increment_minutes") * _TICKS
    steps = (
        pl.when(pl.col("increment_mode") == "down")
        .then(ticks // step)
        .when(pl.col("increment_mode") == "nearest")
        .then((2 * ticks + step) // (2 * step))
        .otherwise(-((-ticks) // step))
    )
    minutes = steps * pl.col("increment_minutes")
    return (minutes * (2 * MILLION) + 60) // 120  # minutes ÷ 60, nearest millionth


def _spread_over_day(entries: pl.DataFrame, by_day: pl.Expr) -> pl.DataFrame:
    """`counted` of each entry so that the day adds up to its rounded, topped-up total."""
    days = in_runs(entries, WORKER_DAY, ["entry"]).with_columns(of_run(pl.col("counted")).alias("day"))
    ticks = of_run(_ticks(pl.col("counted")))
    target = pl.when(by_day).then(_rounded(ticks)).otherwise(pl.col("day"))
    topped = pl.max_horizontal(target, millionths("minimum_hours_per_day").fill_null(0))
    days = days.with_columns(pl.when(pl.col("day") > 0).then(topped).otherwise(target).alias("target"))
    total = running(pl.col("counted"))
    before = pl.min_horizontal(total - pl.col("counted"), "target")
    upto = pl.when(ends_run()).then("target").otherwise(pl.min_horizontal(total, "target"))
    return without_runs(days.with_columns((upto - before).alias("counted")).drop("day", "target"))
