"""What hours cost: worked hours × the worker's cost rate of that date × (1 + burden), salaried hours within capacity.

Domain rules §4 (costs). Worked, billable and costed hours are three quantities: this is the third.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.costing.policies import CAPACITY, CostPolicies
from tieout.domain.frames import (
    COST_FINDINGS,
    COST_HOURS,
    COST_RATES,
    LABOR_COSTS,
    MONEY,
    PRICE,
    check_frame,
    conform,
)
from tieout.domain.rating.overtime import first_of_week
from tieout.domain.rating.runs import in_runs, millionths, of_run, running, to_hours, without_runs
from tieout.model.decimals import WIDE, ratio, round_by_currency, widen
from tieout.model.money import is_currency, minor_unit

_ONE = pl.lit(1).cast(WIDE)


@dataclass(frozen=True)
class LaborCost:
    """`costs` (LABOR_COSTS) of the hours that have a cost rate; `findings` of the others, which cost nothing yet."""

    costs: pl.DataFrame
    findings: pl.DataFrame


def cost_labor(hours: pl.DataFrame, rates: pl.DataFrame, *, policies: CostPolicies) -> LaborCost:
    """Cost each entry (COST_HOURS, COST_RATES), in the currency of its worker's cost rate, rounded once.

    `hours` holds all work of each worker's week, for whatever contract or none: capacity is used in order of
    (date, entry). Who is not salaried, or has no stated capacity, costs every hour. Under `effective_rate` a week over
    capacity costs what the capacity costs, shared over its hours (running totals rounded, so the week adds up).
    Of the rates that cover a date those of the last statement stand, of these the one that starts last; two that start
    on one day are `ambiguous-cost-rate`, none is `missing-cost-rate`; never zero.
    """
    check_frame("cost hours", hours, COST_HOURS)
    check_frame("cost rates", rates, COST_RATES)
    if hours["entry"].n_unique() != hours.height:
        raise ValueError("hours hold two versions of one entry")
    rated = _with_rate(hours, rates)
    kind = (
        pl.when(pl.col("found").is_null())
        .then(pl.lit("missing-cost-rate"))
        .when(pl.col("found") > 1)
        .then(pl.lit("ambiguous-cost-rate"))
    )
    judged = rated.with_columns(kind.alias("kind"))
    weeks = _in_weeks(judged.filter(pl.col("kind").is_null()), policies.week_start)
    costed = _within_capacity(weeks) if policies.overtime_cost == CAPACITY else _at_effective_rate(weeks)
    costs = conform("labor costs", without_runs(costed), LABOR_COSTS).sort("work_date", "entry")
    result = LaborCost(costs, _findings(judged.filter(pl.col("kind").is_not_null())))
    _check_conservation(hours, result)
    return result


def _with_rate(hours: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Each entry with the rate that stands on its date; `found` counts rates of one statement and start."""
    asked = hours.select("worker", "work_date").unique()
    day = pl.col("work_date")
    known = [code for code in rates["currency"].drop_nulls().unique().to_list() if is_currency(code)]
    usable = rates.filter(pl.col("currency").is_in(known) & pl.col("rate").is_not_null())
    held = asked.join(usable, on="worker").filter(
        (pl.col("effective_from") <= day)
        & (pl.col("effective_to").is_null() | (pl.col("effective_to") >= day))
    )
    last = held
    for name in ("heard", "effective_from"):
        last = last.filter(pl.col(name) == pl.col(name).max().over("worker", "work_date"))
    one = last.group_by("worker", "work_date").agg(
        pl.col("rate", "currency").first(), pl.col("burden").fill_null(0).first(), pl.len().alias("found")
    )
    return hours.join(one, on=["worker", "work_date"], how="left", maintain_order="left")


def _in_weeks(rows: pl.DataFrame, week_start: str) -> pl.DataFrame:
    dated = rows.with_columns(first_of_week(pl.lit(week_start)))
    runs = in_runs(dated, ["worker", "currency", "week"], ["work_date", "entry"])
    limit = pl.when(pl.col("salaried").fill_null(False)).then(millionths("weekly_capacity"))
    return runs.with_columns(limit.alias("limit"), millionths("worked_hours").alias("worked"))


def _within_capacity(weeks: pl.DataFrame) -> pl.DataFrame:
    total = running(pl.col("worked"))
    upto, before = (pl.min_horizontal(part, "limit") for part in (total, total - pl.col("worked")))
    within = pl.max_horizontal(upto - before, pl.lit(0, pl.Int64))
    counted = pl.when(pl.col("limit").is_null()).then("worked").otherwise(within)
    costed = weeks.with_columns(to_hours(counted).alias("costed_hours"))
    amount = widen("costed_hours") * widen("rate") * (_ONE + widen("burden"))
    rounded = round_by_currency(amount, "currency", _currencies(costed))
    return costed.with_columns(rounded.cast(MONEY).alias("amount"))


def _at_effective_rate(weeks: pl.DataFrame) -> pl.DataFrame:
    total = of_run(pl.col("worked"))
    over = ((pl.col("limit") < total) & (total > 0)).fill_null(False)
    marked = weeks.with_columns(
        pl.when(over).then("limit").otherwise(1).alias("above"),
        pl.when(over).then(total).otherwise(1).alias("below"),
    )
    gross = widen("worked_hours") * widen("rate") * (_ONE + widen("burden"))
    marked = marked.with_columns(gross.alias("gross"))
    marked = marked.with_columns(running(pl.col("gross")).alias("upto"))
    above, below = widen(to_hours(pl.col("above"))), widen(to_hours(pl.col("below")))
    value = pl.col("upto") * above
    digits = sorted({minor_unit(code) for code in _currencies(marked)} or {2})
    rounded = pl.coalesce(
        pl.when(pl.col("currency").is_in([c for c in _currencies(marked) if minor_unit(c) == count]))
        .then(ratio(value, _ONE, below, count))
        for count in digits
    )  # fmt: skip
    before = pl.when("run_starts").then(pl.lit(0).cast(WIDE)).otherwise(rounded.shift(1))
    alone = round_by_currency(pl.col("gross"), "currency", _currencies(marked))
    share = pl.col("above") != pl.col("below")
    effective = pl.when(share).then(ratio(widen("rate"), above, below, 6)).otherwise(widen("rate"))
    return marked.with_columns(
        pl.when(share).then(rounded - before).otherwise(alone).cast(MONEY).alias("amount"),
        effective.cast(PRICE).alias("rate"),
        pl.col("worked_hours").alias("costed_hours"),
    )


def _currencies(rows: pl.DataFrame) -> list[str]:
    return rows["currency"].unique().to_list()


def _findings(rows: pl.DataFrame) -> pl.DataFrame:
    said = (
        pl.when(pl.col("kind") == "missing-cost-rate")
        .then(pl.format("worker {} has no cost rate on {}", pl.col("worker").fill_null("-"), "work_date"))
        .otherwise(pl.format("worker {} has {} cost rates on {}", "worker", "found", "work_date"))
    )
    named = rows.with_columns(
        pl.col("entry").alias("source"), pl.lit(None, MONEY).alias("amount"), said.alias("detail")
    )
    return conform("cost findings", named, COST_FINDINGS).sort("source")


def _check_conservation(hours: pl.DataFrame, result: LaborCost) -> None:
    if result.costs.height + result.findings.height != hours.height:
        raise AssertionError(f"costing lost entries: in {hours.height}, out {result.costs.height}")
    off = result.costs.filter(
        (pl.col("costed_hours") > pl.col("worked_hours")) & (pl.col("worked_hours") > 0)
    )
    if not off.is_empty():
        raise AssertionError(f"entry {off['entry'][0]} costs more hours than were worked")
