"""Which billable hours are premium: whole days by policy, then the daily, then the weekly threshold; each once.

Domain rules §2.3. Hours are counted per worker and contract line in order of (date, entry id).
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import HOURS
from tieout.domain.rating.hours import WORKER_DAY
from tieout.domain.rating.policies import RatingPolicies
from tieout.domain.rating.runs import in_runs, millionths, running, to_hours, without_runs
from tieout.model.periods import WEEKDAYS


def apply_overtime(entries: pl.DataFrame, policies: RatingPolicies) -> pl.DataFrame:
    """Adds `premium_hours` (hours, at most the billable hours). Rows come back in any order.

    All hours of a day whose type the line (else the policy) names as overtime; of other days what lies above the daily
    threshold; of what is still regular what lies above the weekly one. With basis `work` the worked hours are counted,
    whether or not they are billed; what an increment adds to them stays regular.
    """
    zero = pl.lit(0).cast(HOURS)
    named = pl.col("overtime_day_types").fill_null(list(policies.overtime_day_types))
    whole = named.list.contains(pl.col("day_type"))
    any_rule = (
        pl.col("overtime_daily_after").is_not_null() | pl.col("overtime_weekly_after").is_not_null() | whole
    )
    marked = entries.with_columns(any_rule.alias("any_rule"), whole.alias("whole"))
    if not marked["any_rule"].any():
        return entries.with_columns(zero.alias("premium_hours"))
    none = marked.filter(~pl.col("any_rule")).with_columns(zero.alias("premium_hours"))
    some = _premium(marked.filter("any_rule"), policies.week_start)
    return pl.concat([none, some[none.columns]]).drop("any_rule", "whole")


def _premium(entries: pl.DataFrame, week_start: str) -> pl.DataFrame:
    basis = pl.when(pl.col("overtime_basis") == "work").then(millionths("worked_hours"))
    counted = entries.with_columns(
        basis.otherwise(millionths("billable_hours")).alias("counted"),
        first_of_week(pl.col("week_start").fill_null(week_start)),
    )
    days = in_runs(counted, WORKER_DAY, ["entry"])
    daily = _above(pl.col("counted"), "overtime_daily_after")
    daily = pl.when("whole").then("counted").otherwise(daily)
    days = without_runs(days.with_columns(daily.alias("daily")))
    days = days.with_columns((pl.col("counted") - pl.col("daily")).alias("regular"))
    weeks = in_runs(days, ["contract", "line", "worker", "week"], ["work_date", "entry"])
    weekly = _above(pl.col("regular"), "overtime_weekly_after")
    premium = pl.min_horizontal(pl.col("daily") + weekly, millionths("billable_hours"))
    weeks = weeks.with_columns(to_hours(premium).alias("premium_hours"))
    return without_runs(weeks.drop("counted", "daily", "regular", "week"))


def _above(count: pl.Expr, threshold: str) -> pl.Expr:
    """The part of each row that lies above the threshold of its run, in row order."""
    over = running(count) - millionths(threshold)
    part = pl.max_horizontal(pl.lit(0, pl.Int64), pl.min_horizontal(over, count))
    # the horizontal functions skip nulls, so a missing threshold must be asked for
    return pl.when(pl.col(threshold).is_null()).then(pl.lit(0, pl.Int64)).otherwise(part)


def first_of_week(starts_on: pl.Expr) -> pl.Expr:
    """First day of the week of `work_date`, weeks starting on the weekday named."""
    number = starts_on.replace_strict({day: i for i, day in enumerate(WEEKDAYS)})
    back = (pl.col("work_date").dt.weekday().cast(pl.Int64) - 1 - number.cast(pl.Int64)) % 7
    return (pl.col("work_date") - pl.duration(days=back)).alias("week")
