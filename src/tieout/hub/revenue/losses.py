"""Contracts that will lose money: the provision of each accounting contract, booked as the difference to the books.

A contract is judged where the cost at completion of its lines is estimated; lines without an estimate stay out, with
their price. Domain rules §4; IAS 37.66-69, ASC 605-35-25-45.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import BALANCE_CAUSES, LOSS_INPUT, POSITION_MOVES, POSITION_TARGETS, conform
from tieout.domain.revenue import costs_at_completion, expected_losses
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger import journal_for_balances, unbooked_moves
from tieout.hub import books
from tieout.hub.revenue import contract_costs
from tieout.hub.revenue.booking import books_of
from tieout.hub.revenue.plan import Facts, Planned
from tieout.hub.revenue.terms import Unit
from tieout.store import revenue as store
from tieout.telemetry.failpoints import fp

_LINE = ["contract", "line"]


def book(conn: Connection, facts: Facts, losses: pl.DataFrame) -> int:
    """Bring the loss provisions of the units to what is expected on each day (LOSSES); how many journals."""
    targets = _targets(facts, losses)
    booked = conform("provisions", store.provisions(conn, facts.keys), POSITION_MOVES)
    lacking = unbooked_moves(targets, booked)
    if lacking.is_empty():
        return 0
    unit = pl.col("contract").replace_strict(facts.unit_of, return_dtype=pl.String).alias("unit")
    rows = lacking.with_columns(unit, pl.col("amount").alias("balance"), pl.lit(0).alias("booked"))
    heads = rows.select("unit", "event_date").unique().sort(pl.all())
    causes = books.numbered(conn, heads, "adjustment", facts.keys, head=("unit", "event_date"))
    named = conform("causes", rows.join(causes, on=heads.columns), BALANCE_CAUSES)
    ids = books.write_journals(conn, journal_for_balances(named, books_of(conn, facts.contracts)))
    fp("revenue.losses")
    return len(ids)


def expected(facts: Facts, planned: Planned, costs_of: list[dict[str, Any]]) -> pl.DataFrame:
    """LOSSES of the units on their days, as far as their cost at completion is estimated.

    `costs_of`: what obtaining and fulfilling the contracts cost; what of it is an asset is impaired first (IAS 37.69).
    """
    days = facts.rated_days
    costs = costs_at_completion(days, facts.performance)
    sums = planned.to_date.group_by("unit", *_LINE, "day").agg(pl.col("allocated_price", "revenue").sum())
    known = costs.join(sums, on=["unit", *_LINE, "day"], how="inner").group_by("unit", "day").agg(
        pl.col("estimated_cost", "revenue").sum(), pl.col("cost").sum().alias("cost_to_date"),
        pl.col("allocated_price").sum().alias("price"),
    )  # fmt: skip
    rules = pl.DataFrame(
        [(unit.key, *_rule(facts.contracts, unit)) for unit in facts.units],
        schema=dict.fromkeys(("unit", "framework", "loss_scope"), pl.String), orient="row",
    )  # fmt: skip
    told = known.join(rules, on="unit").join(
        contract_costs.assets(costs_of, days, facts.unit_of), on=["unit", "day"]
    )
    return expected_losses(conform("loss input", told, LOSS_INPUT))


def _rule(contracts: Mapping[str, Mapping[str, object]], unit: Unit) -> tuple[str, str | None]:
    """The framework of the unit's entity, and the scope that its contract states."""
    framework = contracts[unit.key]["framework"] or "ifrs"
    last = [version for version in unit.versions if version.contract == unit.key][-1]
    return str(framework), last.accounting.get("loss_scope")


def _targets(facts: Facts, losses: pl.DataFrame) -> pl.DataFrame:
    """POSITION_TARGETS: the provision is of the whole; it stands on the first line that the unit ever promised."""
    places = []
    for unit in facts.units:
        contract, line = min(
            (row["contract"], row["line"]) for change in unit.changes for row in change.lines
        )
        entity = facts.contracts[contract]["legal_entity"]
        places.append((unit.key, contract, line, entity, unit.changes[0].head["currency"]))
    named = ["unit", *_LINE, "entity", "currency"]
    placed = losses.join(
        pl.DataFrame(places, schema=dict.fromkeys(named, pl.String), orient="row"), on="unit"
    )
    account = pl.lit(a.LOSS_PROVISION).alias("account")
    balance = (-pl.col("loss_provision")).alias("balance")
    return conform("provision targets", placed.with_columns(account, balance), POSITION_TARGETS)
