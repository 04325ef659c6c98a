"""Costs of obtaining and of fulfilling contracts: expensed, capitalised, amortised, booked as what the books lack.

Domain rules §4; IFRS 15.91-104, ASC 340-40.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timezone
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import (
    CONTRACT_COSTS,
    COSTS_TO_DATE,
    MONEY,
    POSITION_MOVES,
    POSITION_TARGETS,
    conform,
    frame,
)
from tieout.domain.revenue import contract_costs_to_date
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger import journal_for_contract_costs, unbooked_moves
from tieout.hub import books, policies, work
from tieout.hub.policies import Policies
from tieout.model.periods import period_end_after, period_ends
from tieout.store import clock
from tieout.store import revenue as store
from tieout.telemetry.failpoints import fp

_OF = ["contract", "line", "entity", "currency", "day"]


def stated(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """The costs of the contracts, one row each."""
    return store.contract_costs(conn, contracts)


def assets(costs: list[dict[str, Any]], days: pl.DataFrame, unit_of: dict[str, str]) -> pl.DataFrame:
    """What of the costs is capitalised and not amortised, per unit and day of `days` (unit, day)."""
    found = _to_date(costs, sorted(set(days["day"])))
    unit = pl.col("unit").replace_strict(unit_of, default=None, return_dtype=pl.String)
    sums = (
        found.with_columns(unit).group_by("unit", "day").agg(pl.col("asset_amount").sum().alias("cost_asset"))
    )
    return days.join(sums, on=["unit", "day"], how="left")


def book(
    conn: Connection, contracts: Collection[str], costs: list[dict[str, Any]], impaired: pl.DataFrame
) -> int:
    """Bring what is expensed, capitalised and amortised to what the costs say on each day; how many journals.

    `impaired` (contract, day, impairment) is what price to come does not recover of an asset from a day on (IFRS 15.101):
    it is amortised at once. Asks for the next run of costs that are amortised as time passes.
    """
    if not costs:
        return 0
    today, policy = clock.now(conn).date(), policies.load(conn)
    days = sorted({today, *(d for one in costs for d in _days(one, today, policy)), *impaired["day"]})
    targets = _targets(costs, _to_date(costs, days), impaired)
    booked = conform("contract costs", store.contract_cost_moves(conn, contracts), POSITION_MOVES)
    _ask_again(conn, costs, today, policy)
    lacking = unbooked_moves(targets, booked)
    if lacking.is_empty():
        return 0
    heads = lacking.select("contract", "event_date").unique().sort(pl.all())
    causes = books.numbered(conn, heads, "contract_cost", list(contracts))
    places = {row["contract"]: (row["entity"], row["currency"]) for row in lacking.iter_rows(named=True)}
    known = books.open_books(conn, places).assuming(dict(places.values()))
    ids = books.write_journals(
        conn, journal_for_contract_costs(lacking.join(causes, on=heads.columns), known)
    )
    fp("revenue.contract_costs")
    return len(ids)


def _to_date(costs: list[dict[str, Any]], days: list[date]) -> pl.DataFrame:
    rows = [one | {"unit": one["contract"]} for one in costs]
    return contract_costs_to_date(frame(rows, CONTRACT_COSTS), days=days)


def _days(cost: dict[str, Any], today: date, policy: Policies) -> list[date]:
    first, last = cost["incurred_on"], cost["service_end"]
    days = [first, *period_ends(first, today, policy.calendar(cost["entity"])), *([last] if last else [])]
    return [day for day in days if first <= day <= today]


def _targets(costs: list[dict[str, Any]], found: pl.DataFrame, impaired: pl.DataFrame) -> pl.DataFrame:
    """POSITION_TARGETS of what is expensed, amortised and an asset, on the first line of each contract."""
    places = pl.DataFrame(
        [(one["cost"], one["contract"], one["line"], one["entity"]) for one in costs],
        schema=dict.fromkeys(("cost", "contract", "line", "entity"), pl.String), orient="row",
    )  # fmt: skip
    names = list(COSTS_TO_DATE.names())
    sums = found.select(names).join(places, on="cost").group_by(_OF).agg(
        pl.col("expensed_amount", "amortised_amount", "asset_amount").sum()
    ).sort("day").join_asof(impaired.sort("day"), on="day", by="contract", check_sortedness=False)  # fmt: skip
    lost = pl.min_horizontal(pl.col("impairment").fill_null(0), "asset_amount")
    told = sums.with_columns(
        (pl.col("amortised_amount") + lost).cast(MONEY), (pl.col("asset_amount") - lost).cast(MONEY)
    )
    parts = [
        told.select(*_OF, pl.lit(account).alias("account"), pl.col(name).alias("balance"))
        for account, name in (
            (a.EXPENSE_COST, "expensed_amount"), (a.CONTRACT_COST_AMORTISATION, "amortised_amount"),
            (a.CONTRACT_COST_ASSET, "asset_amount"),
        )
    ]  # fmt: skip
    return conform("contract cost targets", pl.concat(parts), POSITION_TARGETS)


def _ask_again(conn: Connection, costs: list[dict[str, Any]], today: date, policy: Policies) -> None:
    for one in costs:
        if one["service_end"] is not None and one["service_end"] > today:
            due = min(period_end_after(today, policy.calendar(one["entity"])), one["service_end"])
            work.request_all(
                conn, [("rate", one["contract"])], datetime.combine(due, time(), tzinfo=timezone.utc)
            )
