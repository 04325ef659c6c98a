"""What was stated of workers' employment and cost rates: every statement ever heard is kept, none is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import cost_rate, worker_terms


def insert_terms(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Append employment by version (one that is there stays as it is); workers that got a new one."""
    return _insert(conn, worker_terms, rows)


def insert_rates(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Append the cost rates of statements (those that are there stay as they are); workers that got new ones."""
    return _insert(conn, cost_rate, rows)


def _insert(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    if not rows:
        return set()
    statement = insert(table).values(list(rows)).on_conflict_do_nothing()
    return set(conn.execute(statement.returning(table.c.worker)).scalars())
