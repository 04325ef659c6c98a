"""Costs of every kind in one shape (COSTS): what is new against the books, how it is posted, what margin it leaves."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tieout.domain.frames import (
    COST_FINDINGS,
    COSTS,
    LABOR_COSTS,
    LINE_AMOUNTS,
    MARGINS,
    MONEY,
    POSTINGS,
    SHARE,
    check_frame,
    conform,
)
from tieout.domain.rating.exchange import converted, with_exchange
from tieout.domain.subledger import accounts as a
from tieout.model.decimals import ratio, round_by_currency

LABOR, VARIANCE, PAYROLL = "labor", "variance", "payroll"
EXPENSE, SUBCONTRACT, PASS_THROUGH = "expense", "subcontract", "pass_through"
ACCOUNTS: Mapping[str, tuple[str, str]] = {
    LABOR: (a.LABOR_COST, a.LABOR_APPLIED),
    VARIANCE: (a.LABOR_COST, a.LABOR_VARIANCE),
    PAYROLL: (a.LABOR_VARIANCE, a.LABOR_APPLIED),
    EXPENSE: (a.EXPENSE_COST, a.EXPENSE_CLEARING),
    SUBCONTRACT: (a.SUBCONTRACT_COST, a.EXPENSE_CLEARING),
    PASS_THROUGH: (a.PASS_THROUGH, a.EXPENSE_CLEARING),
}
"""Per kind of cost the account it debits and the one it credits. `payroll` is what payroll cost beyond the standard: of no
contract, until `variance` hands it on to projects."""
_NO_COST = (PASS_THROUGH, PAYROLL)
"""What is passed on for a customer, and what is a cost only where a project takes it."""

_ANY_AGE = 366_000
"""Days: as old as a rate may be that only measures progress."""
_BY_SOURCE = pl.format("{}:{}:{}", "kind", "source", "version")
_TERMS = ["kind", "contract", "line", "entity", "event_date", "currency"]


def labor_as_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Labor costs (LABOR_COSTS) as COSTS; `hours` are the hours that cost."""
    check_frame("labor costs", costs, LABOR_COSTS)
    named = costs.with_columns(
        pl.col("entry").alias("source"), pl.lit(LABOR).alias("kind"), pl.col("work_date").alias("event_date"),
        pl.col("costed_hours").alias("hours"),
    )  # fmt: skip
    return conform("costs", named, COSTS).sort("event_date", "source")


def cost_changes(target: pl.DataFrame, booked: pl.DataFrame) -> pl.DataFrame:
    """What has to be booked (COSTS) so that the books, `booked` in all (COSTS), say what `target` says now (COSTS).

    Per source, kind and terms the difference in hours and amount, with the newest version: a correction reverses what
    it moves away from under the old terms and keeps that event's date, a source that is gone is reversed whole. Run
    again with its own output booked, nothing is left.
    """
    check_frame("target costs", target, COSTS)
    check_frame("booked costs", booked, COSTS)
    taken = booked.with_columns(-pl.col("hours").fill_null(0), -pl.col("amount"))
    both = pl.concat([target.with_columns(pl.col("hours").fill_null(0)), taken])
    moved = both.group_by("source", *_TERMS).agg(
        pl.col("version").max(), pl.col("project", "worker").last(), pl.col("hours", "amount").sum()
    )
    return conform("cost changes", moved.filter(pl.col("amount") != 0), COSTS).sort(
        "event_date", "source", *_TERMS[:3]
    )


def booked_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """The costs (COSTS) that are booked: those of contracts, and payroll beyond the standard."""
    return check_frame("costs", costs, COSTS).filter(
        pl.col("contract").is_not_null() | (pl.col("kind") == PAYROLL)
    )


def in_own_currency(
    costs: pl.DataFrame, currencies: Mapping[str, str], rates: pl.DataFrame, *, max_age_days: int = 31
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The costs (COSTS) in the currency of their entity's books, and findings (COST_FINDINGS) of the others.

    A cost in another currency converts at the rate of its day (EXCHANGE_RATES), rounded once; without one it is
    `missing-cost-fx` and is not booked. An entity whose currency nobody has stated keeps its books in that of its costs.
    """
    check_frame("costs", costs, COSTS)
    books = pl.col("entity").replace_strict(currencies, default=None, return_dtype=pl.String)
    judged = costs.with_columns(
        pl.coalesce(books, "currency").alias("books"), pl.lit(None, pl.String).alias("wanted")
    )
    told = with_exchange(judged, rates, source="currency", target="books", day="event_date", wanted="wanted",
                         max_age_days=max_age_days)  # fmt: skip
    known = told.filter(pl.col("exchange_rate").is_not_null())
    own = known.with_columns(
        round_by_currency(converted(pl.col("amount")), "books", known["books"].unique().to_list()).cast(MONEY).alias("amount"),
        pl.col("books").alias("currency"),
    )  # fmt: skip
    said = pl.format(
        "{} {} costs in {}, entity {} keeps its books in {}: no exchange rate is known for {}",
        "kind", "source", "currency", "entity", "books", "event_date",
    )  # fmt: skip
    unknown = told.filter(pl.col("exchange_rate").is_null()).with_columns(
        pl.lit("missing-cost-fx").alias("kind"), pl.lit(None, COST_FINDINGS["amount"]).alias("amount"), said.alias("detail")
    )  # fmt: skip
    return own.select(COSTS.names()), conform("cost findings", unknown, COST_FINDINGS)


def cost_in_currency(costs: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Cost to date of lines (contract, line, day, currency, cost) in the currency that `wanted` names, by day.

    What arose on a day converts at the rate of that day (EXCHANGE_RATES), the running total is rounded once. It measures
    progress and is not booked, so the last rate known counts however old it is; what arose before any rate is known waits.
    """
    lines = ["contract", "line"]
    before = pl.col("cost").shift(1).over([*lines, "currency"], order_by="day").fill_null(0)
    arisen = costs.with_columns(
        (pl.col("cost") - before).alias("cost"), pl.lit(None, pl.String).alias("type")
    )
    told = with_exchange(arisen, rates, source="currency", target="wanted", day="day", wanted="type",
                         max_age_days=_ANY_AGE)  # fmt: skip
    known = told.filter(pl.col("exchange_rate").is_not_null())
    total = converted(pl.col("cost")).cum_sum().over(lines, order_by="day")
    named = known["wanted"].unique().to_list()
    summed = known.with_columns(round_by_currency(total, "wanted", named).cast(MONEY).alias("cost"))
    last = summed.sort("day").unique([*lines, "day"], keep="last", maintain_order=True)
    return last.select(*lines, "day", "cost").sort(*lines, "day")


def cost_postings(costs: pl.DataFrame, cause: pl.Expr = _BY_SOURCE) -> pl.DataFrame:
    """Costs (COSTS) as lines for `Books.write` (POSTINGS): debit the cost, credit what stands against it.

    `cause` names the journal of each row; unless given, each source and version has its own.

    Costs of no contract are no lines here: internal time stays in payroll, which the ERP posts. With the standard cost,
    what payroll cost beyond it makes labor applied what payroll cost for contracts.
    """
    check_frame("costs", costs, COSTS)
    unknown = set(costs["kind"].unique().to_list()) - set(ACCOUNTS)
    if unknown:
        raise ValueError(f"no account for costs of kind {', '.join(sorted(map(str, unknown)))}")
    placed = booked_costs(costs).with_columns(cause.alias("cause"))
    sides = [
        placed.with_columns(
            pl.col("kind").replace_strict({k: v[side] for k, v in ACCOUNTS.items()}, return_dtype=pl.String).alias("account"),
            (pl.col("amount") if side == 0 else -pl.col("amount")).alias("amount"),
        ).select(POSTINGS.names())
        for side in (0, 1)
    ]  # fmt: skip
    return conform("postings", pl.concat(sides), POSTINGS).sort("cause", "account")


def line_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Cost per contract line, entity and currency (LINE_AMOUNTS); what is passed through is no cost."""
    own = check_frame("costs", costs, COSTS).filter(~pl.col("kind").is_in(_NO_COST))
    sums = own.group_by("contract", "line", "entity", "currency").agg(pl.col("amount").sum())
    return conform("line costs", sums, LINE_AMOUNTS).sort("contract", "line", "entity", "currency")


def margins(revenue: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """Revenue less cost per contract line, entity and currency (MARGINS) from two LINE_AMOUNTS.

    `margin_share` = margin ÷ revenue, six decimals; null without revenue. Amounts of different currencies are never
    netted: convert them first.
    """
    keys = ["contract", "line", "entity", "currency"]
    sides = [
        check_frame(name, rows, LINE_AMOUNTS).group_by(keys).agg(pl.col("amount").sum().alias(name))
        for name, rows in (("revenue", revenue), ("cost", costs))
    ]
    joined = sides[0].join(sides[1], on=keys, how="full", nulls_equal=True, coalesce=True)
    joined = joined.with_columns(pl.col("revenue", "cost").fill_null(0))
    joined = joined.with_columns((pl.col("revenue") - pl.col("cost")).alias("margin"))
    share = pl.when(pl.col("revenue") != 0).then(ratio(pl.col("margin"), pl.lit(1), pl.col("revenue"), 6))
    return conform(
        "margins", joined.with_columns(share.cast(SHARE, strict=False).alias("margin_share")), MARGINS
    ).sort(keys)
