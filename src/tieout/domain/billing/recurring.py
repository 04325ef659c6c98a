"""Recurring fees: whole periods in advance or in arrears, parts of them by days, changes in the middle."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from tieout.domain.billing.amounts import (
    VALUE_BELOW,
    WHOLE,
    millionths,
    rounded_parts,
    rounded_quantity,
    too_large,
    value_above,
)
from tieout.domain.billing.charges import Charged, charge_key, in_charge_order, nothing_charged, trail
from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    ends_after_start,
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
from tieout.domain.billing.uplift import uplifted
from tieout.domain.frames import RECURRING_TERMS, check_frame

KIND = "period"
_INVALID = "invalid-contract"
_SAME = [
    "currency",
    "every",
    "anchor",
    "timing",
    "proration",
    "price",
    "quantity",
    "uplift_rate",
    "uplift_every",
]
_PERIOD = [*LINE, "period_start", "period_end"]
_LONGEST = timedelta(days=366)


def recurring_charges(terms: pl.DataFrame, *, through: date, kind: str = KIND) -> Charged:
    """Fees (RECURRING_TERMS) due on or before `through`, from the start of each line.

    A row holds from `effective_from` to `effective_to` within the line's `start` and `end`, all inclusive; days
    between rows are not active. Amount = price × quantity × days active ÷ days of the whole period, the running total
    of a period rounded once (domain rules §1, §2.12). `timing` advance: due on the first active day; arrears: on the
    last active day of the period. `proration` none: a period that is touched costs its whole fee, at the terms of its
    first active day. Periods run from `anchor` (null: the calendar's); `uplift_rate` raises the price at each
    anniversary of the start. Neighbouring rows of equal terms count as one, so splitting a row changes nothing. The
    charges are named `kind`.
    """
    check_frame("recurring terms", terms, RECURRING_TERMS)
    if terms.is_empty():
        return nothing_charged()
    findings = _judge(terms)
    horizon = min(through, date.max - _LONGEST) + _LONGEST
    spans = uplifted(_merged(_spans(sound(terms, findings))), horizon=horizon)
    near = spans.filter(pl.col("first") <= horizon).with_columns(
        pl.min_horizontal(pl.col("last").fill_null(horizon), pl.lit(horizon)).alias("#last")
    )
    active = _active(with_periods(near, first="first", last="#last"))
    valued = _valued(_prorated(active), kind)
    due = valued.filter(pl.col("due_on") <= through)
    return Charged(in_charge_order(due), in_order(findings))


def _judge(terms: pl.DataFrame) -> pl.DataFrame:
    checks = [
        known_currency(terms), one_of(_INVALID, "every", list(MONTHS), "interval"),
        one_of(_INVALID, "timing", ("advance", "arrears"), "timing"),
        one_of(_INVALID, "proration", ("daily", "none"), "proration"),
        missing(_INVALID, "effective_from", "first day of the terms"), missing(_INVALID, "price", "price"),
        missing(_INVALID, "quantity", "quantity"), not_negative(_INVALID, "price", "price"),
        not_negative(_INVALID, "quantity", "quantity"), ends_after_start("start", "end"),
        ends_after_start("effective_from", "effective_to"), no_overlap(LINE, "terms of a line"),
        Check(_INVALID, "price × quantity fits the books", too_large("price", "quantity"),
              pl.format("{} × {}", plain("price"), plain("quantity"))),
        Check(_INVALID, "an uplift is a rate between −1 and 1, every month, quarter or year",
              (pl.col("uplift_rate").abs() > 1) | ~pl.col("uplift_every").fill_null("year").is_in(list(MONTHS)),
              pl.format("{} every {}", plain("uplift_rate"), pl.col("uplift_every").fill_null("year"))),
    ]  # fmt: skip
    return complaints(terms, checks, record=line_record(), day="effective_from")


def _spans(terms: pl.DataFrame) -> pl.DataFrame:
    """The days on which each row holds: `first` to `last`, null where it is open."""
    held = terms.with_columns(
        pl.max_horizontal("effective_from", "start").alias("first"),
        pl.min_horizontal("effective_to", "end").alias("last"),
    )
    open_ended = pl.col("last").is_null()
    return held.filter(open_ended | (pl.col("first") <= pl.col("last"))).select(
        *LINE, "first", "last", "start", *_SAME
    )


def _merged(spans: pl.DataFrame) -> pl.DataFrame:
    """Neighbouring spans of equal terms as one."""
    ordered = spans.sort(*LINE, "first")
    joins = pl.col("last").shift(1).over(LINE).dt.offset_by("1d") == pl.col("first")
    same = [pl.col(name).eq_missing(pl.col(name).shift(1).over(LINE)) for name in _SAME]
    begins = ~pl.all_horizontal(joins.fill_null(False), *same)
    numbered = ordered.with_columns(begins.cum_sum().over(LINE).alias("#run"))
    kept = [pl.col(name).first() for name in ("first", "start", *_SAME)]
    merged = numbered.group_by(*LINE, "#run", maintain_order=True).agg(*kept, pl.col("last").last())
    return merged.select(spans.columns)


def _active(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the active days of each span within its period, and `due_on`."""
    told = rows.with_columns(
        pl.max_horizontal("first", "period_start").alias("active_from"),
        pl.min_horizontal("last", "period_end").alias("active_to"),
        days("period_start", "period_end").alias("of_days"),
    ).with_columns(days("active_from", "active_to").alias("active_days"))
    last = pl.col("active_to").max().over(_PERIOD)
    due = pl.when(pl.col("timing") == "advance").then("active_from").otherwise(last)
    return told.with_columns(due.alias("due_on")).sort(*LINE, "active_from")


def _prorated(active: pl.DataFrame) -> pl.DataFrame:
    """Where nothing is prorated the first span of a period stands for all of it."""
    by_days = pl.col("proration") == "daily"
    first = pl.col("active_from") == pl.col("active_from").min().over(_PERIOD)
    charged = pl.when(by_days).then("active_days").otherwise("of_days")
    return active.filter(by_days | first).with_columns(charged.alias("charged_days"))


def _valued(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    charged, of = pl.col("charged_days").cast(WHOLE), pl.col("of_days").cast(WHOLE)
    sized = rows.with_columns(
        (value_above("price", "quantity", rows) * charged).alias("#above"),
        (pl.lit(VALUE_BELOW, WHOLE) * of).alias("#below"),
        rounded_quantity(millionths("quantity") * charged, of).alias("#quantity"),
    )
    valued = rounded_parts(sized, above="#above", below="#below", by=_PERIOD)
    why = trail(
        days=pl.format("{} of {}", "charged_days", "of_days"), every=pl.col("every"), price=plain("price"),
        period=pl.format("{} to {}", "period_start", "period_end"), quantity=plain("quantity"),
        rule=pl.lit("recurring fee"), timing=pl.col("timing"),
    )  # fmt: skip
    return valued.with_columns(why).with_columns(
        charge_key(kind, "active_from"), pl.lit(kind).alias("kind"), pl.lit(None, pl.String).alias("item"),
        pl.col("active_from").alias("period_start"), pl.col("active_to").alias("period_end"),
        pl.col("#quantity").alias("quantity"),
    )  # fmt: skip
