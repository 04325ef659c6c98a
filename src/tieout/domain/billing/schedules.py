"""Fixed fees: by dated schedule of amounts or shares, or in equal parts; and a changed fee over what is unbilled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from tieout.domain.billing.amounts import WHOLE, millionths, rounded_parts
from tieout.domain.billing.charges import Planned, charge_key, in_charge_order, nothing_planned, trail
from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    ends_after_start,
    in_minor_unit,
    in_order,
    known_currency,
    line_record,
    missing,
    not_negative,
    one_of,
    plain,
    sound,
)
from tieout.domain.billing.periods import CALENDAR, MONTHS, with_periods
from tieout.domain.billing.plans import MISMATCH, item_record, judge_items, judge_sums
from tieout.domain.frames import (
    BILLED_ITEMS,
    BILLING_FINDINGS,
    CHARGES,
    FIXED_ITEMS,
    FIXED_PLANS,
    MONEY,
    check_frame,
    conform,
)
from tieout.domain.revenue.shares import scale, whole

KIND = "fixed"


def fixed_fee_charges(
    plans: pl.DataFrame,
    items: pl.DataFrame,
    *,
    through: date,
    share_tolerance: Decimal = Decimal("0.0001"),
) -> Planned:
    """The parts of fixed fees (FIXED_PLANS, FIXED_ITEMS), due on or before `through` and later.

    A line has dated items, all with an amount or all with a share of the plan's amount; or `every` (month, quarter,
    year) and no items: equal parts over the calendar's periods from start to end, each due on its period's last day
    within them. Parts of an amount are spread in order of date and item by one rounding of the running total, so they
    add up to it (domain rules §1; scenario format, `fixed_fee`). Of a line that was terminated (`ended_on`) nothing
    falls due after that day: it is in neither frame; `start` and `end` stay those the fee was agreed for. Shares that miss 1 by more than `share_tolerance`, or
    amounts that do not add up to the plan's, are `billing-plan-mismatch`; stated amounts bill all the same.
    """
    check_frame("fixed plans", plans, FIXED_PLANS)
    check_frame("fixed items", items, FIXED_ITEMS)
    if plans.is_empty() and items.is_empty():
        return nothing_planned()
    told = items.join(plans.select(*LINE, "currency", pl.col("amount").alias("fee")), on=LINE, how="left")
    judged = in_order(
        pl.concat([_judge_plans(plans, items), judge_items(told, plans, "a fixed fee"), _judge_dates(told)])
    )
    unshared, uneven = judge_sums(sound(told, judged), share_tolerance)
    stopped = pl.concat([judged, unshared])
    good = sound(told, stopped)
    parts = [
        _stated(good.filter(pl.col("amount").is_not_null())),
        _by_share(good.filter(pl.col("share").is_not_null())),
        _equal(sound(plans, stopped).join(items.select(LINE).unique(), on=LINE, how="anti")),
    ]
    charges = _standing(in_charge_order(pl.concat(parts)), plans)
    due = pl.col("due_on") <= through
    return Planned(charges.filter(due), charges.filter(~due), in_order(pl.concat([stopped, uneven])))


def _standing(charges: pl.DataFrame, plans: pl.DataFrame) -> pl.DataFrame:
    """The charges that a termination leaves standing."""
    ends = plans.drop_nulls("ended_on").select(*LINE, "ended_on").unique(LINE)
    ended = charges.join(ends, on=LINE, how="left", maintain_order="left")
    over = (pl.col("due_on") > pl.col("ended_on")).fill_null(False)
    return ended.filter(~over).drop("ended_on")


def _judge_plans(plans: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    listed = items.select(LINE).unique().with_columns(pl.lit(True).alias("listed"))
    rows = plans.join(listed, on=LINE, how="left").with_columns(pl.col("listed").fill_null(False))
    equal = ~pl.col("listed")
    twice = Check(
        "invalid-contract", "a line has one fixed fee", pl.len().over(LINE) > 1, pl.lit("several plans")
    )
    both = Check(
        "invalid-contract", "a fixed fee has dated items or equal parts, not both",
        pl.col("listed") & pl.col("every").is_not_null(), pl.format("items, and parts every {}", "every"),
    )  # fmt: skip
    spread = [
        missing("invalid-contract", "start", "first day"), missing("invalid-contract", "end", "last day"),
        missing("invalid-contract", "amount", "amount"),
        one_of("invalid-contract", "every", list(MONTHS), "interval"),
    ]  # fmt: skip
    checks = [
        known_currency(rows), in_minor_unit(rows, "amount"), not_negative("invalid-contract", "amount", "amount"),
        ends_after_start("start", "end"), twice, both,
    ]  # fmt: skip
    return pl.concat(
        [
            complaints(rows, checks, record=line_record()),
            complaints(rows.filter(equal), spread, record=line_record()),
        ]
    )


def _judge_dates(told: pl.DataFrame) -> pl.DataFrame:
    dated = missing("invalid-contract", "due_on", "date")
    return complaints(told, [dated], record=item_record("item"))


def _stated(items: pl.DataFrame) -> pl.DataFrame:
    why = trail(amount=plain("amount"), rule=pl.lit("stated amount"))
    return _as_charges(items, pl.lit(None, pl.Date), pl.lit(None, pl.Date), why)


def _by_share(items: pl.DataFrame) -> pl.DataFrame:
    """Shares of the fee as parts of a running total; the shares' own sum counts as the whole."""
    ordered = items.sort(*LINE, "due_on", "item").with_columns(
        (whole(pl.col("fee"), scale(items)) * millionths("share")).alias("#above"),
        millionths("share").sum().over(LINE).alias("#below"),
    )
    weighed = ordered.filter(pl.col("#below") > 0)
    valued = rounded_parts(weighed, above="#above", below="#below", by=LINE)
    why = trail(amount=plain("fee"), rule=pl.lit("share of the amount"), share=plain("share"))
    return _as_charges(valued, pl.lit(None, pl.Date), pl.lit(None, pl.Date), why)


def _equal(plans: pl.DataFrame) -> pl.DataFrame:
    """Equal parts over the periods from start to end, each due on the last day of its part of the span."""
    anchored = plans.with_columns(pl.lit(CALENDAR).alias("anchor"))
    split = with_periods(anchored, first="start", last="end").sort(*LINE, "period_start")
    cut = split.with_columns(
        pl.max_horizontal("period_start", "start").alias("period_start"),
        pl.min_horizontal("period_end", "end").alias("period_end"),
        whole(pl.col("amount"), scale(split)).alias("#above"),
        pl.len().over(LINE).cast(WHOLE).alias("#below"),
        pl.len().over(LINE).alias("parts"),
        pl.col("amount").alias("fee"),
    ).with_columns(
        pl.col("period_end").alias("due_on"), pl.col("period_start").dt.strftime("%Y-%m").alias("item")
    )
    valued = rounded_parts(cut, above="#above", below="#below", by=LINE)
    why = trail(amount=plain("fee"), parts=pl.col("parts"), rule=pl.lit("equal parts"))
    return _as_charges(valued, pl.col("period_start"), pl.col("period_end"), why)


def _as_charges(rows: pl.DataFrame, first: pl.Expr, last: pl.Expr, why: pl.Expr) -> pl.DataFrame:
    told = rows.with_columns(
        charge_key(KIND, "item"), pl.lit(KIND).alias("kind"), first.alias("period_start"), last.alias("period_end"),
        pl.lit(1).cast(CHARGES["quantity"]).alias("quantity"), pl.col("amount").cast(CHARGES["price"]).alias("price"),
        why,
    )  # fmt: skip
    return conform("charges", told, CHARGES)


@dataclass(frozen=True)
class Respread:
    """`items`: the schedule with its new amounts (FIXED_ITEMS); `findings`: fees that no item can carry."""

    items: pl.DataFrame
    findings: pl.DataFrame


def respread_fee(items: pl.DataFrame, fees: pl.DataFrame) -> Respread:
    """The schedule of lines whose fee changed (BILLED_ITEMS; `fees`: contract, line, amount: the new fee).

    What is billed stays. The rest of the new fee goes over the unbilled part of each item in proportion to it, in
    order of date and item by one rounding of the running total (scenario format: a changed amount spreads its
    difference over the unbilled part in proportion). A fee below what is billed leaves the unbilled part at zero, and
    with nothing unbilled no item can carry the change: both are `billing-plan-mismatch` with the amount left over.
    """
    check_frame("billed items", items, BILLED_ITEMS)
    told = items.join(fees.select(*LINE, pl.col("amount").cast(MONEY).alias("fee")), on=LINE, how="left")
    open_amount = pl.col("amount") - pl.col("billed_amount")
    sized = told.sort(*LINE, "due_on", "item").with_columns(
        pl.coalesce("fee", pl.col("amount").sum().over(LINE)).alias("fee"),
        whole(open_amount.clip(lower_bound=0), scale(told)).alias("#open"),
    )
    rest = pl.col("fee") - pl.col("billed_amount").sum().over(LINE)
    sized = sized.with_columns(
        rest.alias("rest"), pl.col("#open").sum().over(LINE).alias("#below"),
    ).with_columns((whole(pl.col("rest").clip(lower_bound=0), scale(told)) * pl.col("#open")).alias("#above"))  # fmt: skip
    stuck = sized.filter(pl.col("#below") == 0).with_columns(pl.col("billed_amount").alias("amount"))
    spread = rounded_parts(
        sized.filter(pl.col("#below") > 0).with_columns(pl.col("billed_amount").alias("base")),
        above="#above", below="#below", by=LINE,
    ).with_columns((pl.col("base") + pl.col("amount")).cast(MONEY).alias("amount"))  # fmt: skip
    chosen = [
        part.select(*LINE, "item", "due_on", "amount", "fee", "currency", "rest") for part in (spread, stuck)
    ]
    placed = pl.concat(chosen).with_columns(pl.lit(None, FIXED_ITEMS["share"]).alias("share"))
    return Respread(conform("items", placed, FIXED_ITEMS).sort(*LINE, "due_on", "item"), _left_over(placed))


def _left_over(placed: pl.DataFrame) -> pl.DataFrame:
    sums = placed.group_by(LINE).agg(
        pl.col("amount").sum().alias("placed"), pl.col("fee").first(), pl.col("currency").first()
    )
    off = Check(
        MISMATCH, "a changed fee is spread over what is unbilled", pl.col("placed") != pl.col("fee"),
        pl.format("fee {}, schedule {} {}", plain("fee"), plain("placed"), "currency"),
    )  # fmt: skip
    found = complaints(sums, [off], record=line_record())
    left = sums.select(*LINE, (pl.col("fee") - pl.col("placed")).cast(MONEY).alias("left"))
    told = found.join(left, on=LINE, how="left").with_columns(pl.col("left").alias("amount"))
    return conform("findings", told, BILLING_FINDINGS)
