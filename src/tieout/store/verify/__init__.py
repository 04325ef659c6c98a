"""What breaks an invariant, found in our own tables: one query each, over all rows at once, never changing any.

A query gives the `key` a person would type and what was `seen` there; no row means that the invariant holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from tieout.store import tables
from tieout.store.verify.control import CONTROL
from tieout.store.verify.delivery import DELIVERY
from tieout.store.verify.money import MONEY

QUERIES: Mapping[str, str] = {**MONEY, **DELIVERY, **CONTROL}
SHOWN = 5


@dataclass(frozen=True)
class Found:
    """How many keys break an invariant, and the first of them with what was seen."""

    total: int
    first: tuple[tuple[str, str], ...]


def violations(conn: Connection, invariant: str, params: Mapping[str, Any]) -> Found:
    """What breaks one invariant now; `params` may hold more than its query names."""
    statement = text(
        f"SELECT key, seen, count(*) OVER () AS total FROM ({QUERIES[invariant]}) AS found"  # noqa: S608 - no input
        f" ORDER BY key, seen LIMIT {SHOWN}"
    )
    wanted = {name: params[name] for name in statement.compile().params}
    rows = conn.execute(statement, wanted).all()
    return Found(rows[0].total if rows else 0, tuple((str(row.key), str(row.seen)) for row in rows))


def currencies(conn: Connection) -> list[str]:
    """Currencies of events, documents and journals."""
    query = "SELECT currency FROM billing_event UNION SELECT currency FROM invoice UNION SELECT currency FROM journal_line"
    return sorted(conn.execute(text(query)).scalars())


def documents(conn: Connection, size: int = 1000) -> Iterator[list[dict[str, Any]]]:
    """Approved and released documents in order of drafting, so many at a time."""
    table, after = tables.invoice, 0
    while True:
        query = (
            select(table)
            .where(table.c.draft_number > after, table.c.approved_hash.is_not(None), table.c.state != "void")
            .order_by(table.c.draft_number)
            .limit(size)
        )
        rows = [dict(row) for row in conn.execute(query).mappings()]
        if not rows:
            return
        yield rows
        after = rows[-1]["draft_number"]


def content(
    conn: Connection, ids: Collection[str]
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]:
    """Lines and linked events of documents, by document."""
    return _by_invoice(conn, tables.invoice_line, ids), _by_invoice(conn, tables.invoice_line_event, ids)


def _by_invoice(conn: Connection, table: Any, ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    query = select(table).where(table.c.invoice.in_(list(ids))).order_by(*table.primary_key.columns)
    for row in conn.execute(query).mappings():
        found.setdefault(str(row["invoice"]), []).append(dict(row))
    return found


def intents(conn: Connection) -> list[dict[str, Any]]:
    """What was to be written outside, by connector and external key: {system, external_key, sends, done_at, open}."""
    query = """
        SELECT c.connector AS system, i.external_key, max(i.done_at) AS done_at,
               bool_or(i.state IN ('pending', 'unknown')) AS open, sum(coalesce(a.sends, 0)) AS sends
        FROM intent i JOIN connection c ON c.name = i.connection
        LEFT JOIN (SELECT intent, count(*) AS sends FROM attempt WHERE action = 'send' GROUP BY intent) a
            ON a.intent = i.id
        GROUP BY c.connector, i.external_key
    """
    return [dict(row) for row in conn.execute(text(query)).mappings()]


def secret_references(conn: Connection) -> list[str]:
    """Where the secrets of the connections are kept: references, never secrets."""
    query = (
        "SELECT DISTINCT s.value FROM connection c, jsonb_each_text(c.config->'secrets') AS s(name, value)"
    )
    return sorted(conn.execute(text(query)).scalars())
