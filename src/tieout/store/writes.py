"""Write-downs and write-offs of unbilled work, one row for each entry that a decision takes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, insert, select, update

from tieout.store.copying import read_frame
from tieout.store.tables import billing_write

_COLUMNS = {
    "write": pl.String, "kind": pl.String, "contract": pl.String, "line": pl.String, "entry": pl.String,
    "amount": pl.Decimal(20, 4), "day": pl.Date, "reason": pl.String, "proposer": pl.String, "approver": pl.String,
}  # fmt: skip


def add(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """The shares of a decision."""
    conn.execute(insert(billing_write), [dict(row) for row in rows])


def read(conn: Connection, write: str) -> list[dict[str, Any]]:
    """The shares of one decision, by entry."""
    query = select(billing_write).where(billing_write.c.write == write).order_by(billing_write.c.entry)
    return [dict(row) for row in conn.execute(query).mappings()]


def approve(conn: Connection, write: str, approver: str, moment: datetime) -> None:
    """The decision takes effect."""
    chosen = (billing_write.c.write == write, billing_write.c.effective_at.is_(None))
    conn.execute(update(billing_write).where(*chosen).values(approver=approver, effective_at=moment))


def listed(conn: Connection, contract: str | None, *, waiting: bool) -> list[dict[str, Any]]:
    """Shares of one contract or of all, oldest decision first; `waiting`: only those without their approval."""
    query = select(billing_write)
    if contract is not None:
        query = query.where(billing_write.c.contract == contract)
    if waiting:
        query = query.where(billing_write.c.effective_at.is_(None))
    rows = conn.execute(
        query.order_by(billing_write.c.proposed_at, billing_write.c.write, billing_write.c.entry)
    )
    return [dict(row) for row in rows.mappings()]


def of_contracts(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What takes effect on these contracts: columns of WRITES, one row a share."""
    query = (
        "SELECT id, kind, contract, line, entry, amount, (effective_at AT TIME ZONE 'UTC')::date, reason, proposer, approver"
        " FROM billing_write WHERE effective_at IS NOT NULL AND contract = ANY(%(contracts)s) ORDER BY effective_at, id"
    )
    return read_frame(conn, query, {"contracts": list(contracts)}, _COLUMNS)
