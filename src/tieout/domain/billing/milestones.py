"""Milestones: billed when they are accepted (or completed), each an amount or a share of the line's amount."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl

from tieout.domain.billing.charges import Planned, charge_key, in_charge_order, nothing_planned, trail
from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    in_minor_unit,
    in_order,
    known_currency,
    line_record,
    not_negative,
    one_of,
    plain,
    sound,
)
from tieout.domain.billing.plans import item_record, judge_items, judge_sums
from tieout.domain.frames import (
    CHARGES,
    MILESTONE_PLANS,
    MILESTONE_STATES,
    MILESTONES,
    MONEY,
    check_frame,
    conform,
)
from tieout.domain.revenue.shares import largest_remainder

KIND = "milestone"
STATES = ("planned", "completed", "accepted", "rejected")
_KEY = [*LINE, "milestone"]


def milestone_charges(
    plans: pl.DataFrame,
    milestones: pl.DataFrame,
    states: pl.DataFrame,
    *,
    through: date,
    share_tolerance: Decimal = Decimal("0.0001"),
) -> Planned:
    """Charges of milestones (MILESTONE_PLANS, MILESTONES) that were reached on or before `through`.

    `states` (MILESTONE_STATES) are the facts heard so far; the last by day and sequence stands, and a milestone is due
    on the first day of the acceptance that still holds: a rejection takes it back, a repeat moves nothing. Where the
    plan's `bill_on` is `completed`, completion is enough. Shares are of one amount at one moment: largest remainder in
    the order of `position`, so they add up to it in whatever order they are accepted (domain rules §1, §2.12).
    `later` are milestones not reached, without a due date.
    """
    check_frame("milestone plans", plans, MILESTONE_PLANS)
    check_frame("milestones", milestones, MILESTONES)
    check_frame("milestone states", states, MILESTONE_STATES)
    if plans.is_empty() and milestones.is_empty() and states.is_empty():
        return nothing_planned()
    items = milestones.rename({"milestone": "item"})
    told = items.join(
        plans.select(*LINE, "currency", "bill_on", pl.col("amount").alias("fee")), on=LINE, how="left"
    )
    judged = pl.concat([_judge_plans(plans), judge_items(told, plans, "a milestone plan")])
    unshared, uneven = judge_sums(sound(told, judged), share_tolerance)
    stopped = pl.concat([judged, unshared])
    known = [in_order(part) for part in (stopped, uneven, _judge_states(states, milestones))]
    charges = _charges(_valued(sound(told, stopped)), states, through)
    reached = pl.col("due_on").is_not_null()
    return Planned(charges.filter(reached), charges.filter(~reached), in_order(pl.concat(known)))


def _judge_plans(plans: pl.DataFrame) -> pl.DataFrame:
    several = Check(
        "invalid-contract", "a line has one milestone plan", pl.len().over(LINE) > 1, pl.lit("several")
    )
    checks = [
        known_currency(plans), in_minor_unit(plans, "amount"), not_negative("invalid-contract", "amount", "amount"),
        one_of("invalid-contract", "bill_on", ("accepted", "completed"), "bill_on"), several,
    ]  # fmt: skip
    return complaints(plans, checks, record=line_record())


def _judge_states(states: pl.DataFrame, milestones: pl.DataFrame) -> pl.DataFrame:
    orphans = states.join(milestones.select(_KEY).unique(), on=_KEY, how="anti")
    unknown = Check(
        "unknown-reference", "a state names a milestone of the contract", pl.lit(True),
        pl.format("{} on {}", "state", "day"),
    )  # fmt: skip
    record = item_record("milestone")
    told = one_of("invalid-payload", "state", STATES, "state")
    return pl.concat(
        [
            complaints(orphans, [unknown], record=record, day="day"),
            complaints(states, [told], record=record, day="day"),
        ]
    )


def _valued(told: pl.DataFrame) -> pl.DataFrame:
    """Items with their amount: as stated, or the largest-remainder share of the fee."""
    ordered = told.sort(*LINE, "position", "item")
    by_share = ordered.filter(pl.col("share").is_not_null()).with_columns(pl.col("share").alias("weight"))
    shared = largest_remainder(by_share, total="fee", weight="weight", by=LINE, share="amount")
    stated = ordered.filter(pl.col("amount").is_not_null())
    return pl.concat([stated, shared.select(stated.columns)])


def _charges(valued: pl.DataFrame, states: pl.DataFrame, through: date) -> pl.DataFrame:
    """Every item as a charge, due on the day from which it counts as reached, or never yet."""
    heard = states.filter((pl.col("day") <= through) & pl.col("state").is_in(list(STATES)))
    facts = valued.join(heard, left_on=[*LINE, "item"], right_on=_KEY, how="left")
    reached = (pl.col("state") == "accepted") | (
        (pl.col("state") == "completed") & (pl.col("bill_on") == "completed")
    )
    # a later rejection or new plan takes it back; in a plan billed on acceptance a mere completion changes nothing
    undone = pl.col("state").is_in(["rejected", "planned"])
    judged = facts.with_columns(
        reached.fill_null(False).alias("reached"), undone.fill_null(False).alias("undone")
    )
    judged = judged.sort("day", "sequence", nulls_last=False).with_columns(
        pl.col("undone").cum_sum().over(*LINE, "item").alias("#era")
    )
    last_era = pl.col("#era") == pl.col("#era").max().over(*LINE, "item")
    about = [name for name in valued.columns if name not in (*LINE, "item")]
    judged = judged.with_columns(last_era.alias("last_era"))
    day = pl.col("day").filter(pl.col("reached") & pl.col("last_era")).min().alias("due_on")
    once = judged.group_by(*LINE, "item").agg(*(pl.col(name).first() for name in about), day)
    return in_charge_order(_told(once))


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    why = trail(
        amount=plain("fee"), bill_on=pl.col("bill_on"), reached=pl.col("due_on"), share=plain("share"),
        rule=pl.lit("milestone"),
    )  # fmt: skip
    nothing = pl.lit(None, pl.Date)
    told = rows.with_columns(
        charge_key(KIND, "item"), pl.lit(KIND).alias("kind"), nothing.alias("period_start"),
        nothing.alias("period_end"), pl.lit(1).cast(CHARGES["quantity"]).alias("quantity"),
        pl.col("amount").cast(MONEY).cast(CHARGES["price"]).alias("price"), why,
    )  # fmt: skip
    return conform("charges", told, CHARGES)
