"""Rating: one contract, or all time that belongs to none; run again it changes nothing."""

from __future__ import annotations

from sqlalchemy import Connection

from tieout.flows.durable import transaction, workflow
from tieout.hub import rating
from tieout.hub.events import UNASSIGNED


@workflow("rate", queue="runs")
def rate(key: str) -> None:
    """Bring events, revenue and exceptions of a contract to what the facts say now; `unassigned`: time without one."""
    if key == UNASSIGNED:
        judge_unassigned()
    else:
        rate_contract(key)


@transaction
def rate_contract(conn: Connection, key: str) -> None:
    """One contract, with those it shares a purchase order or an entry with."""
    rating.rate_contracts(conn, [key])


@transaction
def judge_unassigned(conn: Connection) -> None:
    """Time that belongs to no contract."""
    rating.rate_unassigned(conn)
