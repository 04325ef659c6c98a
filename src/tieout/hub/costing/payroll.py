"""One run of workers' payroll: what it cost beyond the standard cost of their hours, to projects or kept in the period."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import labor_variance
from tieout.domain.costing.costs import PAYROLL, VARIANCE
from tieout.domain.frames import COST_FINDINGS, PERIOD_DAYS, frame
from tieout.domain.frames import PAYROLL as PAYROLL_ROWS
from tieout.hub import policies
from tieout.hub.costing import booking, facts, findings
from tieout.hub.costing.run import Costed, told
from tieout.hub.policies import Policies
from tieout.model.periods import period_bounds
from tieout.store import billing_events
from tieout.store import costing as store
from tieout.telemetry.failpoints import fp

KIND = "payroll"


def cost_payroll(conn: Connection, workers: Collection[str]) -> Costed:
    """Book what payroll of the workers cost beyond the standard as known now; the caller commits."""
    stated = policies.load(conn)
    chosen = stated.costing
    paid = _paid(conn, workers, stated)
    periods = _periods(paid, stated)
    costs = facts.labor_of_workers(conn, _spans(paid, periods), chosen)
    variance = labor_variance(paid, costs, periods, policies=chosen)
    contracts = {*variance.costs["contract"].drop_nulls(), *store.contracts_with_variance(conn, workers)}
    entities = {f"payroll/{entity}" for entity in paid["entity"].unique()}
    billing_events.lock_contracts(conn, contracts | entities)
    scope = booking.Scope((VARIANCE, PAYROLL), "worker", sorted(workers))
    owners = facts.owners(conn, contracts)
    booked = booking.book(conn, variance.costs, owners, scope, chosen, booking.RATES.to_frame())
    found = pl.concat([variance.findings, booked.findings]).select(COST_FINDINGS.names())
    opened, resolved = findings.settle(conn, KIND, workers, found, "worker")
    fp("costing.payroll")
    return told(conn, "cost payroll", "worker", sorted(workers), booked, opened, resolved)


def _paid(conn: Connection, workers: Collection[str], stated: Policies) -> pl.DataFrame:
    """The payroll (PAYROLL) of the workers; who states no employer was paid by that of the period's last day."""
    employers = store.employers_of(conn, workers)
    rows = [
        {**row, "entity": row["entity"] or _employer(employers.get(row["worker"], []), row["period"], stated)}
        for row in store.payroll_of(conn, workers).iter_rows(named=True)
    ]
    return frame(rows, PAYROLL_ROWS)


def _employer(employers: list[tuple[str | None, date]], period: str, stated: Policies) -> str:
    """The first of the statements that held by the period's last day, in the calendar of who is stated."""
    for entity, first in employers:
        try:
            holds = first <= period_bounds(period, stated.calendar(entity))[1]
        except ValueError:
            holds = True
        if holds:
            return entity or "-"
    return "-"


def _periods(paid: pl.DataFrame, stated: Policies) -> pl.DataFrame:
    """First and last day (PERIOD_DAYS) of the periods that are some."""
    rows = []
    for entity, code in paid.select("entity", "period").unique().iter_rows():
        try:
            first, last = period_bounds(code, stated.calendar(entity))
        except ValueError:
            continue
        rows.append({"entity": entity, "period": code, "first_day": first, "last_day": last})
    return frame(rows, PERIOD_DAYS)


def _spans(paid: pl.DataFrame, periods: pl.DataFrame) -> dict[str, tuple[date, date]]:
    """First and last day of the payroll of each worker."""
    dated = paid.join(periods, on=["entity", "period"])
    spans = dated.group_by("worker").agg(pl.col("first_day").min(), pl.col("last_day").max()).sort("worker")
    return {worker: (first, last) for worker, first, last in spans.iter_rows()}
