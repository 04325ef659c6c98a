"""Recognition by plan in a rating run: what earns by a measure of progress, from all facts anew, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from decimal import Decimal

import polars as pl
from sqlalchemy import Connection

from tieout.hub import events, work
from tieout.hub.revenue import booking, contract_costs, findings, losses, positions
from tieout.hub.revenue.plan import Facts, Planned, gather, planned
from tieout.model.periods import period_end_after
from tieout.store import revenue as store
from tieout.telemetry.failpoints import fp

_NOT_IMPAIRED = pl.Schema([("contract", pl.String()), ("day", pl.Date()), ("impairment", pl.Decimal(20, 4))])


@dataclass(frozen=True)
class Recognised:
    """What a run booked: all zero when it ran again on its own output.

    `waiting` are the contracts and days of what waits for an exchange rate.
    """

    journals: int = 0
    positions: int = 0
    opened: int = 0
    resolved: int = 0
    waiting: Sequence[tuple[str, date]] = ()


def recognise_contracts(conn: Connection, contracts: Collection[str]) -> Recognised:
    """Bring revenue, positions and findings of contracts that earn by a plan to what the facts say today.

    Contracts combined with them go along; those that only invoice by right cost two questions, and what obtaining them
    cost is booked. The caller holds the contracts' locks and commits.
    """
    facts = gather(conn, contracts)
    if facts is None or not facts.units:
        costs = contract_costs.stated(conn, contracts)
        return Recognised(journals=contract_costs.book(conn, contracts, costs, _NOT_IMPAIRED.to_frame()))
    keys = sorted({*contracts, *facts.keys})
    costs = contract_costs.stated(conn, keys)
    whole = planned(facts)
    days = facts.rated_days
    found = replace(
        whole, to_date=whole.to_date.join(days, on=["unit", "day"], how="semi", maintain_order="left")
    )
    known = days.join(whole.to_date.select("unit", "contract").unique(), on="unit").select("contract", "day")
    waiting = booking.waiting(whole.to_date, known)
    new = booking.book(conn, facts, found)
    expected = losses.expected(facts, found, costs)
    moved = positions.book(conn, facts, found) + losses.book(conn, facts, expected)
    impaired = expected.select(pl.col("unit").alias("contract"), "day", "impairment")
    moved += contract_costs.book(conn, keys, costs, impaired)
    opened, resolved = findings.settle(conn, facts, found)
    _tell(conn, facts, new)
    _ask_again(conn, facts, found)
    fp("revenue.done")
    return Recognised(
        new.select("contract", "line", "event_date").n_unique(), moved, opened, resolved, waiting
    )


def affected(conn: Connection, contract: str) -> set[tuple[str, str]]:
    """The work that billing or cash of a contract asks for: its positions follow, where it earns by a plan."""
    return {("rate", key) for key in store.planned(conn, [contract])}


def _tell(conn: Connection, facts: Facts, new: pl.DataFrame) -> None:
    keys = ["contract", "currency"]
    sums: list[tuple[str, str, int, Decimal]] = (
        new.group_by(keys).agg(pl.struct("line", "event_date").n_unique(), pl.col("amount").sum()).sort(keys).rows()
    )  # fmt: skip
    events.emit(
        conn,
        [
            events.NewEvent(events.REVENUE_RECOGNISED, key, facts.contracts[key]["legal_entity"],
                            {"events": count, "amount": amount, "currency": currency})
            for key, currency, count, amount in sums
        ],
    )  # fmt: skip


def _ask_again(conn: Connection, facts: Facts, found: Planned) -> None:
    """Ask for the next run of units in which something is earned, begins or falls due by date alone."""
    later: dict[date, list[tuple[str, str]]] = {}
    for unit in facts.units:
        ahead = _days_ahead(facts, unit.key)
        if ahead:
            later.setdefault(min(ahead), []).append(("rate", unit.key))
    for day, pieces in sorted(later.items()):
        work.request_all(conn, pieces, datetime.combine(day, time(), tzinfo=timezone.utc))


def _days_ahead(facts: Facts, key: str) -> list[date]:
    unit = next(one for one in facts.units if one.key == key)
    today = facts.today
    lines = unit.changes[-1].lines
    days = [change.day for change in unit.changes]
    days += [row["end"] for row in lines if row["method"] == "point_in_time" and row["end"] is not None]
    if any(
        row["method"] == "straight_line" and row["end"] is not None and row["end"] > today for row in lines
    ):
        days += [period_end_after(today, facts.calendars[key]) for key in unit.contracts]
    due = facts.documents.filter(pl.col("contract").is_in(unit.contracts))["due_on"].to_list()
    days += [day for day in due if day is not None]
    days += [facts.contracts[c][name] for c in unit.contracts for name in ("signed_on", "collectible_from")
             if facts.contracts[c][name] is not None]  # fmt: skip
    return [day for day in days if day > today]
