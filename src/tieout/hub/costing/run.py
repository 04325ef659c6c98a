"""One costing run of contracts: lock, gather, cost, book the difference. One transaction, no statement per entry."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import labor_as_costs
from tieout.domain.costing.costs import EXPENSE, LABOR, PASS_THROUGH, SUBCONTRACT
from tieout.domain.frames import COST_FINDINGS
from tieout.hub import audit, policies, work
from tieout.hub.actors import SYSTEM
from tieout.hub.costing import booking, facts, findings
from tieout.store import billing_events, revenue
from tieout.store import costing as store
from tieout.telemetry.failpoints import fp

KIND = "cost"


@dataclass(frozen=True)
class Costed:
    """What a run changed, in rows: all zero when it ran again on its own output."""

    entries: int = 0
    transfers: int = 0
    journals: int = 0
    opened: int = 0
    resolved: int = 0


def cost_contracts(conn: Connection, contracts: Collection[str]) -> Costed:
    """Book what the contracts' time and purchases cost as known now, and what other entities charge; the caller commits.

    Recorded time costs, approved or not; withdrawn time costs nothing. Contracts that a project left are costed with it.
    """
    keys = sorted(store.widened(conn, contracts))
    billing_events.lock_contracts(conn, keys)
    stated = policies.load(conn)
    chosen = stated.costing
    labor = facts.labor_of_contracts(conn, keys, chosen)
    target = pl.concat([labor_as_costs(labor.costs), facts.purchases(conn, keys, stated.rating)])
    rates = labor.costs.select(pl.col("entry").alias("source"), "rate", "burden")
    scope = booking.Scope((LABOR, EXPENSE, SUBCONTRACT, PASS_THROUGH), "contract", keys)
    booked = booking.book(conn, target, facts.owners(conn, keys), scope, chosen, rates)
    found = pl.concat([labor.findings, booked.findings]).select(COST_FINDINGS.names())
    opened, resolved = findings.settle(conn, KIND, keys, found, "contract")
    if booked.journals:
        _ask_payroll(conn, booked)
    fp("costing.done")
    return told(conn, "cost", "contract", keys, booked, opened, resolved)


def told(
    conn: Connection, action: str, type: str, keys: Collection[str], booked: booking.Booked, opened: int, resolved: int
) -> Costed:  # fmt: skip
    """The outcome of a run, with its audit row where it booked anything."""
    done = Costed(booked.costs.height, booked.transfers.height, booked.journals, opened, resolved)
    if done.journals:
        _ask_revenue(conn, booked)
        subject = next(iter(keys)) if len(keys) == 1 else f"{len(keys)} {type}s"
        digest = audit.digest_of([*booked.costs.to_dicts(), *booked.transfers.to_dicts()])
        audit.record(conn, SYSTEM, action, type, subject, rows=done.entries + done.transfers, digest=digest,
                     detail=vars(done))  # fmt: skip
    return done


def _ask_revenue(conn: Connection, booked: booking.Booked) -> None:
    """Revenue by a measure of progress may follow cost."""
    contracts = {*booked.costs["contract"].drop_nulls(), *booked.transfers["contract"]}
    work.request_all(conn, [("rate", key) for key in sorted(revenue.planned(conn, contracts))])


def _ask_payroll(conn: Connection, booked: booking.Booked) -> None:
    """What a worker's hours cost by the standard changed, or where: payroll is compared again."""
    workers = {*booked.costs["worker"].drop_nulls(), *booked.transfers["worker"].drop_nulls()}
    work.request_all(conn, [("payroll", worker) for worker in sorted(store.paid_workers(conn, workers))])
