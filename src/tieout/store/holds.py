"""Billing holds: what people keep back from billing, entry by entry or a whole line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, insert, select, text, update

from tieout.store.copying import read_frame
from tieout.store.tables import billing_event, billing_hold

_COLUMNS = {"hold": pl.String, "contract": pl.String, "line": pl.String, "entry": pl.String, "day": pl.Date}


def _is(contract: str, line: str, entry: str | None) -> list[ColumnElement[bool]]:
    row = billing_hold.c
    return [
        row.contract == contract,
        row.line == line,
        row.entry.is_not_distinct_from(entry),
        row.ended_at.is_(None),
    ]


def live(conn: Connection, contract: str, line: str, entry: str | None) -> str | None:
    """The id of the hold on exactly this that stands now."""
    found = conn.execute(select(billing_hold.c.id).where(*_is(contract, line, entry))).scalar()
    return None if found is None else str(found)


def add(conn: Connection, row: Mapping[str, Any]) -> None:
    """A new hold."""
    conn.execute(insert(billing_hold).values(**row))


def end(conn: Connection, contract: str, line: str, entry: str | None, by: str, at: datetime) -> bool:
    """End the hold on exactly this; false when there is none."""
    ended = update(billing_hold).where(*_is(contract, line, entry)).values(ended_by=by, ended_at=at)
    return bool(conn.execute(ended).rowcount)


def listed(conn: Connection, contract: str | None) -> list[dict[str, Any]]:
    """Holds that stand, of one contract or of all, oldest first."""
    query = select(billing_hold).where(billing_hold.c.ended_at.is_(None))
    if contract is not None:
        query = query.where(billing_hold.c.contract == contract)
    return [
        dict(row)
        for row in conn.execute(query.order_by(billing_hold.c.held_at, billing_hold.c.id)).mappings()
    ]


def of_contracts(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Holds that stand on these contracts: hold, contract, line, entry, day."""
    query = (
        "SELECT id, contract, line, entry, (held_at AT TIME ZONE 'UTC')::date FROM billing_hold"
        " WHERE ended_at IS NULL AND contract = ANY(%(contracts)s) ORDER BY held_at, id"
    )
    return read_frame(conn, query, {"contracts": list(contracts)}, _COLUMNS)


def place_of(conn: Connection, entry: str) -> tuple[str, str] | None:
    """Contract and line on which an entry was rated last."""
    query = select(billing_event.c.contract, billing_event.c.line).where(
        billing_event.c.entry == entry, billing_event.c.kind.in_(("time", "expense", "subcontract"))
    )
    row = conn.execute(query.order_by(billing_event.c.sequence.desc()).limit(1)).first()
    return None if row is None else (row.contract, row.line)


def has_line(conn: Connection, contract: str, line: str) -> bool:
    """Whether any version of the contract's terms has the line."""
    query = text(
        "SELECT EXISTS (SELECT FROM contract_terms c WHERE c.contract = :contract AND (c.lines IS NULL AND :line = '1'"
        " OR EXISTS (SELECT FROM jsonb_array_elements(c.lines) AS one WHERE one->>'line' = :line)))"
    )
    return bool(conn.execute(query, {"contract": contract, "line": line}).scalar_one())
