"""What costing needs to know: hours of whole weeks with their contract lines, cost rates, purchases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import CostPolicies, LaborCost, cost_labor, cost_purchases
from tieout.domain.costing.costs import SUBCONTRACT
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
from tieout.domain.rating.policies import WEEKDAYS
from tieout.hub.rating.facts import segments, with_lines
from tieout.store import costing as store
from tieout.store import rating

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


def purchases(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Costs (COSTS) of what was bought for the contracts."""
    found = store.purchases_of(conn, contracts)
    placed = with_lines(found, segments(rating.terms_of(conn, contracts))) if found.height else found
    whole = placed.with_columns(
        pl.lit(SUBCONTRACT).alias("kind"), pl.lit(False).alias("billable"), pl.lit("approved").alias("state")
    )
    missing = [pl.lit(None, EXPENSES[name]).alias(name) for name in EXPENSES if name not in whole.columns]
    return cost_purchases(conform("purchases", whole.with_columns(missing), EXPENSES), empty(RATED_EXPENSES))
