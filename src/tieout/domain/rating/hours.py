"""Billable hours: increments, daily minimum, and which of them are overtime.

Order inside a worker's day and week is (date, entry id); all hours are exact decimals.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import HOURS
from tieout.domain.rating.policies import WEEKDAYS
from tieout.model.decimals import widen

_DAY = ["contract", "line", "worker", "work_date"]
_PER_MINUTE = 10_000  # hours carry six decimals, so minutes are read to four


def apply_increments(entries: pl.DataFrame) -> pl.DataFrame:
    """Adds `billable_hours`: worked hours rounded per entry or per worker-day, topped up to the daily minimum."""
    ordered = entries.sort("work_date", "entry")
    per_day = pl.col("increment_per") == "day"
    step = pl.col("increment_minutes")
    rounded = ordered.with_columns(
        pl.when(step.is_null() | per_day.fill_null(False))
        .then(pl.col("worked_hours"))
        .otherwise(_rounded(pl.col("worked_hours")))
        .alias("billable_hours")
    )
    if rounded.filter(per_day | (pl.col("minimum_hours_per_day") > 0)).is_empty():
        return rounded
    day = pl.col("billable_hours").sum().over(_DAY)
    target = pl.when(step.is_not_null() & per_day.fill_null(False)).then(_rounded(day)).otherwise(day)
    minimum = pl.col("minimum_hours_per_day").fill_null(0)
    target = pl.when(day > 0).then(pl.max_horizontal(target, minimum)).otherwise(target)
    return _spread_over_day(rounded.with_columns(target.cast(HOURS).alias("day_target")))


def _rounded(hours: pl.Expr) -> pl.Expr:
    """Hours in whole increments of the row's minutes and mode (`nearest` takes half up)."""
    ticks = (widen(hours) * pl.lit(60 * _PER_MINUTE).cast(pl.Decimal(38, 12))).round(0).cast(pl.Int64)
    step = pl.col("increment_minutes") * _PER_MINUTE
    steps = (
        pl.when(pl.col("increment_mode") == "down")
        .then(ticks // step)
        .when(pl.col("increment_mode") == "nearest")
        .then((2 * ticks + step) // (2 * step))
        .otherwise(-((-ticks) // step))
    )
    minutes = (steps * pl.col("increment_minutes")).cast(pl.Decimal(38, 12))
    return (minutes / pl.lit(60).cast(pl.Decimal(38, 12))).round(6, mode="half_away_from_zero").cast(HOURS)


def _spread_over_day(entries: pl.DataFrame) -> pl.DataFrame:
    """The day's difference goes to its last entry; a shortfall larger than that entry goes on to the one before."""
    running = pl.col("billable_hours").cum_sum().over(_DAY)
    capped = pl.min_horizontal(running, pl.col("day_target"))
    before = pl.min_horizontal(running - pl.col("billable_hours"), pl.col("day_target"))
    last = pl.int_range(pl.len()).over(_DAY) == pl.len().over(_DAY) - 1
    shared = pl.when(last).then(pl.col("day_target") - before).otherwise(capped - before)
    return entries.with_columns(shared.cast(HOURS).alias("billable_hours")).drop("day_target")


def apply_overtime(entries: pl.DataFrame, week_start: str) -> pl.DataFrame:
    """Adds `premium_hours`: the billable hours above the daily threshold, then of what is still regular the weekly.

    With basis `work` the worked hours are counted; what an increment adds to them stays regular.
    """
    zero = pl.lit(0).cast(HOURS)
    none = (
        entries["overtime_daily_after"].is_null().all() and entries["overtime_weekly_after"].is_null().all()
    )
    if none:
        return entries.with_columns(zero.alias("premium_hours"))
    counted = pl.when(pl.col("overtime_basis") == "work").then("worked_hours").otherwise("billable_hours")
    ordered = entries.sort("work_date", "entry").with_columns(counted.alias("counted"), _week(week_start))
    daily = _above("counted", "overtime_daily_after", _DAY)
    ordered = ordered.with_columns(daily.alias("daily_premium"))
    ordered = ordered.with_columns((pl.col("counted") - pl.col("daily_premium")).alias("regular"))
    weekly = _above("regular", "overtime_weekly_after", ["contract", "line", "worker", "week"])
    premium = pl.min_horizontal(pl.col("daily_premium") + weekly, pl.col("billable_hours"))
    return ordered.with_columns(premium.cast(HOURS).alias("premium_hours")).drop(
        "counted", "daily_premium", "regular", "week"
    )


def _above(column: str, threshold: str, group: list[str]) -> pl.Expr:
    """The part of each row that lies above the threshold of its group, in row order."""
    zero = pl.lit(0).cast(HOURS)
    over = pl.col(column).cum_sum().over(group) - pl.col(threshold)
    part = pl.max_horizontal(zero, pl.min_horizontal(over, pl.col(column)))
    # the horizontal functions skip nulls, so a missing threshold must be asked for
    return pl.when(pl.col(threshold).is_null()).then(zero).otherwise(part).cast(HOURS)


def _week(default: str) -> pl.Expr:
    """First day of the week the entry falls in, weeks starting on the line's or the policy's day."""
    number = pl.col("week_start").fill_null(default).replace_strict({d: i for i, d in enumerate(WEEKDAYS)})
    back = (pl.col("work_date").dt.weekday().cast(pl.Int64) - 1 - number.cast(pl.Int64)) % 7
    return (pl.col("work_date") - pl.duration(days=back)).alias("week")
