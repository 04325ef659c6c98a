"""What costing needs to know: hours of whole weeks with their contract lines, cost rates, purchases."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import CostPolicies, LaborCost, cost_labor, cost_purchases
from tieout.domain.costing.costs import EXPENSE, SUBCONTRACT
from tieout.domain.frames import (
    CONTRACT_ENTITIES,
    COST_FINDINGS,
    COST_HOURS,
    COST_RATES,
    EXPENSES,
    LABOR_COSTS,
    RATED_EXPENSES,
    check_frame,
    conform,
    empty,
    frame,
)
from tieout.domain.rating import Lookups, RatingPolicies
from tieout.domain.rating.expenses import PRINCIPAL
from tieout.hub import exchange
from tieout.hub.rating.expenses import rate as rate_spending
from tieout.hub.rating.expenses import spending_of
from tieout.hub.rating.facts import segments, with_lines
from tieout.hub.rating.plans import lines_of
from tieout.model.periods import WEEKDAYS
from tieout.store import costing as store
from tieout.store import expenses, rating

_MONDAY = date(1989, 12, 25)
"""The Monday before the first day that any fact may have."""


def owners(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """The legal entity of each contract that has one (CONTRACT_ENTITIES)."""
    known = rating.contracts_of(conn, contracts)
    owned = [
        {"contract": key, "entity": row["legal_entity"]} for key, row in known.items() if row["legal_entity"]
    ]
    return frame(owned, CONTRACT_ENTITIES)


def labor_of_contracts(conn: Connection, contracts: Collection[str], policies: CostPolicies) -> LaborCost:
    """Standard cost (LABOR_COSTS) and findings of all time of the contracts; nothing while nobody stated a cost rate."""
    if not store.labor_is_costed(conn):
        return LaborCost(empty(LABOR_COSTS), empty(COST_FINDINGS))
    hours = store.hours_of_contracts(conn, contracts, _anchor(policies))
    ours = pl.col("contract").is_in(list(contracts))
    whole = _labor(conn, hours, contracts, policies)
    return LaborCost(whole.costs.filter(ours), whole.findings.filter(ours))


def labor_of_workers(
    conn: Connection, spans: Mapping[str, tuple[date, date]], policies: CostPolicies
) -> pl.DataFrame:
    """Standard cost (LABOR_COSTS) of all time of workers, for whatever contract or none, in the weeks of their spans."""
    if not spans:
        return empty(LABOR_COSTS)
    hours = store.hours_of_workers(conn, spans, _anchor(policies))
    contracts = hours["contract"].drop_nulls().unique().to_list()
    return _labor(conn, hours, contracts, policies).costs


def _labor(
    conn: Connection, hours: pl.DataFrame, contracts: Collection[str], policies: CostPolicies
) -> LaborCost:
    terms = segments(rating.terms_of(conn, contracts))
    rates = store.rates_of(conn, hours["worker"].drop_nulls().unique().to_list())
    placed = check_frame("cost hours", with_lines(hours, terms), COST_HOURS)
    return cost_labor(placed, check_frame("cost rates", rates, COST_RATES), policies=policies)


def _anchor(policies: CostPolicies) -> date:
    return _MONDAY + timedelta(days=WEEKDAYS.index(policies.week_start) - 7)


def purchases(conn: Connection, contracts: Collection[str], policies: RatingPolicies) -> pl.DataFrame:
    """Costs (COSTS) of what was bought for the contracts: subcontract work and expenses.

    What an agent or for the customer's account passes on is no cost: the rating of the expenses says how much of it.
    """
    terms = segments(rating.terms_of(conn, contracts))
    bought = _subcontracted(conn, contracts, terms)
    ours = (pl.col("kind") == EXPENSE) & pl.col("contract").is_in(list(contracts))
    spent = with_lines(expenses.expenses_of(conn, contracts), terms).filter(ours)
    return cost_purchases(
        pl.concat([bought, check_frame("expenses", spent, EXPENSES)]),
        _rated(conn, spent, contracts, terms, policies),
    )


def _subcontracted(
    conn: Connection, contracts: Collection[str], terms: Mapping[str, Sequence[Mapping[str, Any]]]
) -> pl.DataFrame:
    found = store.purchases_of(conn, contracts)
    placed = with_lines(found, terms) if found.height else found
    whole = placed.with_columns(
        pl.lit(SUBCONTRACT).alias("kind"), pl.lit(False).alias("billable"), pl.lit("approved").alias("state")
    )
    missing = [pl.lit(None, EXPENSES[name]).alias(name) for name in EXPENSES if name not in whole.columns]
    return conform("purchases", whole.with_columns(missing), EXPENSES)


def _rated(
    conn: Connection, spent: pl.DataFrame, contracts: Collection[str], terms: Mapping[str, Sequence[Mapping[str, Any]]],
    policies: RatingPolicies,
) -> pl.DataFrame:  # fmt: skip
    """RATED_EXPENSES where anything is passed on; principals' expenses cost what they are, whatever is billed."""
    if spent.filter(pl.col("nature").fill_null(PRINCIPAL) != PRINCIPAL).is_empty():
        return empty(RATED_EXPENSES)
    rows = rating.contracts_of(conn, contracts)
    named = [row["currency"] for row in rows.values()]
    lookups = Lookups(exchange_rates=exchange.rates_between(conn, [*named, *spent["currency"].unique()]))
    plans = lines_of(rows, terms, {})
    return rate_spending(spending_of(spent, plans, rows), policies, lookups).events
