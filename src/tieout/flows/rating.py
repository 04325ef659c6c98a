"""Rating: contracts that are due together in one run, and all time that belongs to none; run again it changes nothing."""

from __future__ import annotations

from sqlalchemy import Connection

from tieout.flows.durable import batch_workflow, transaction
from tieout.hub import rating
from tieout.hub.events import UNASSIGNED


@batch_workflow("rate", queue="runs")
def rate(keys: list[str]) -> None:
    """Bring events, revenue and exceptions of contracts to what the facts say now; `unassigned`: time without one."""
    contracts = sorted(set(keys) - {UNASSIGNED})
    if contracts:
        rate_contracts(contracts)
    if UNASSIGNED in keys:
        judge_unassigned()


@transaction
def rate_contracts(conn: Connection, contracts: list[str]) -> None:
    """These contracts, with those they share a purchase order or an entry with."""
    rating.rate_contracts(conn, contracts)


@transaction
def judge_unassigned(conn: Connection) -> None:
    """Time that belongs to no contract."""
    rating.rate_unassigned(conn)
