"""Minimum commitments: what a period's charges fall short of the minimum is charged at the period's end."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from tieout.domain.billing.amounts import WHOLE, halves_away
from tieout.domain.billing.charges import Charged, charge_key, in_charge_order, nothing_charged, trail
from tieout.domain.billing.complaints import (
    LINE,
    complaints,
    ends_after_start,
    in_minor_unit,
    in_order,
    known_currency,
    line_record,
    missing,
    no_overlap,
    not_negative,
    one_of,
    plain,
    sound,
)
from tieout.domain.billing.periods import MONTHS, days, with_periods
from tieout.domain.frames import CHARGES, MINIMUMS, MONEY, USED, check_frame
from tieout.domain.revenue.shares import amount, scale, whole

KIND = "minimum"
_INVALID = "invalid-contract"
_LONGEST = timedelta(days=366)
_PERIOD = [*LINE, "whole_start", "whole_end"]


def minimum_charges(
    charges: pl.DataFrame, minimums: pl.DataFrame, waiting: pl.DataFrame, *, through: date
) -> Charged:
    """max(0, minimum − charges) of every period of a minimum (MINIMUMS) that ended on or before `through`.

    `charges` (CHARGES) are those that count: each belongs to the period that holds its first day. Periods are cut by
    the row's dates; `proration` daily asks the minimum × days active ÷ days of the period, none asks all of it. A
    period with usage still `waiting` (USED: in dispute or not yet read) trues up when that is decided; usage that
    comes late lowers the true-up, and `adjust_charges` credits it. Domain rules §2.12.
    """
    check_frame("charges", charges, CHARGES)
    check_frame("minimums", minimums, MINIMUMS)
    check_frame("waiting", waiting, USED)
    if minimums.is_empty():
        return nothing_charged()
    findings = _judge(minimums)
    periods = _committed(sound(minimums, findings), through).filter(pl.col("due_on") <= through)
    charged = _within(charges.with_columns(pl.coalesce("period_start", "due_on").alias("day")), periods)
    spent = charged.group_by(_PERIOD).agg(pl.col("amount").sum().alias("charged"))
    undecided = (
        _within(waiting.with_columns(pl.col("period_start").alias("day")), periods).select(_PERIOD).unique()
    )
    open_amount = pl.col("committed") - pl.col("charged").fill_null(0)
    short = periods.join(spent, on=_PERIOD, how="left").join(undecided, on=_PERIOD, how="anti")
    short = short.with_columns(open_amount.cast(MONEY).alias("amount")).filter(pl.col("amount") > 0)
    return Charged(in_charge_order(_told(short)), in_order(findings))


def _judge(minimums: pl.DataFrame) -> pl.DataFrame:
    checks = [
        known_currency(minimums), in_minor_unit(minimums, "amount"), missing(_INVALID, "amount", "minimum"),
        not_negative(_INVALID, "amount", "minimum"), one_of(_INVALID, "every", list(MONTHS), "interval"),
        one_of(_INVALID, "proration", ("daily", "none"), "proration"),
        missing(_INVALID, "effective_from", "first day of the minimum"),
        ends_after_start("effective_from", "effective_to"), no_overlap(LINE, "minimums of a line"),
    ]  # fmt: skip
    return complaints(minimums, checks, record=line_record(), day="effective_from")


def _committed(minimums: pl.DataFrame, through: date) -> pl.DataFrame:
    """Per period what is committed, its active days and the day on which it trues up."""
    horizon = min(through, date.max - _LONGEST) + _LONGEST
    last = pl.min_horizontal(pl.col("effective_to").fill_null(horizon), pl.lit(horizon))
    near = minimums.filter(pl.col("effective_from") <= horizon).with_columns(last.alias("#last"))
    split = with_periods(near, first="effective_from", last="#last").rename(
        {"period_start": "whole_start", "period_end": "whole_end"}
    )
    told = split.with_columns(
        pl.max_horizontal("effective_from", "whole_start").alias("active_from"),
        pl.min_horizontal("#last", "whole_end").alias("active_to"),
        days("whole_start", "whole_end").alias("of_days"),
    ).sort(*_PERIOD, "active_from")
    by_days = pl.col("proration") == "daily"
    first = pl.col("active_from") == pl.col("active_from").min().over(_PERIOD)
    counted = pl.when(by_days).then(days("active_from", "active_to")).otherwise("of_days")
    kept = told.with_columns(pl.when(by_days | first).then(counted).otherwise(0).alias("counted_days"))
    sized = kept.with_columns(
        (whole(pl.col("amount"), scale(kept)) * pl.col("counted_days").cast(WHOLE)).alias("#above")
    )
    pooled = sized.group_by(_PERIOD).agg(
        pl.col("#above").sum(), pl.col("of_days").first(), pl.col("active_from").min(),
        pl.col("active_to").max().alias("due_on"), pl.col("currency").first(), pl.col("counted_days").sum(),
    )  # fmt: skip
    units = halves_away(pl.col("#above"), pl.col("of_days").cast(WHOLE))
    return pooled.with_columns(amount(units, scale(pooled)).cast(MONEY).alias("committed")).drop("#above")


def _within(rows: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """The rows beside the period of their line that holds their day."""
    joined = rows.join(periods.select(_PERIOD), on=LINE, how="inner")
    return joined.filter(pl.col("day").is_between("whole_start", "whole_end"))


def _told(short: pl.DataFrame) -> pl.DataFrame:
    why = trail(
        charged=plain("charged"), committed=plain("committed"), days=pl.format("{} of {}", "counted_days", "of_days"),
        rule=pl.lit("minimum commitment"),
    )  # fmt: skip
    return short.with_columns(
        charge_key(KIND, "active_from"), pl.lit(KIND).alias("kind"), pl.lit(None, pl.String).alias("item"),
        pl.col("active_from").alias("period_start"), pl.col("due_on").alias("period_end"),
        pl.lit(1).cast(CHARGES["quantity"]).alias("quantity"), pl.col("amount").cast(CHARGES["price"]).alias("price"),
        why,
    )  # fmt: skip
