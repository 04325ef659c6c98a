"""Pages of rows for the doors: keyset paging, equality filters, legal entities; one statement a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, func, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import (
    CANONICAL,
    approval,
    audit,
    billing_balance,
    billing_event,
    contract,
    event,
    idempotency,
    journal,
    journal_line,
    project,
    rate,
    workspace_version,
)

LISTED: dict[str, Table] = {
    **CANONICAL, "rate": rate, "billing_event": billing_event, "journal": journal, "event": event,
    "approval": approval, "audit": audit,
}  # fmt: skip
"""What can be listed, by the name of its table."""

KEY_OF = {
    "billing_event": "sequence",
    "event": "position",
    "rate": "id",
    "audit": "id",
    "journal": "id",
    "approval": "id",
}
"""The column that orders a table and identifies a row; canonical objects have their `key`."""


@dataclass(frozen=True)
class Wanted:
    """What a page is asked for. `after` is the last key of the page before; `entities` None = every legal entity."""

    filters: Mapping[str, Any]
    after: Any
    limit: int
    entities: Collection[str] | None
    known_at: datetime | None = None


def columns_of(name: str) -> dict[str, type]:
    """Columns of a listed table with their Python types."""
    return {column.name: column.type.python_type for column in LISTED[name].columns}


@dataclass(frozen=True)
class Kept:
    """How a column is kept. `kind` is its Python type; JSON columns hold objects."""

    name: str
    kind: type
    nullable: bool


def kept(name: str) -> list[Kept]:
    """The columns of a listed table in order."""
    return [Kept(column.name, _kind(column), bool(column.nullable)) for column in LISTED[name].columns]


def _kind(column: Column[Any]) -> type:
    if isinstance(column.type, postgresql.UUID):
        return UUID
    return dict if isinstance(column.type, postgresql.JSONB) else column.type.python_type


def page(conn: Connection, name: str, wanted: Wanted) -> list[dict[str, Any]]:
    """Rows in the order of their key."""
    table = LISTED[name]
    key = table.c[KEY_OF.get(name, "key")]
    conditions = [*_versions(name, table, wanted.known_at), *_visible(name, table, wanted.entities)]
    conditions += [table.c[column] == value for column, value in wanted.filters.items()]
    if wanted.after is not None:
        conditions.append(key > wanted.after)
    query = select(table).where(*conditions).order_by(key).limit(wanted.limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def one(
    conn: Connection, name: str, key: Any, entities: Collection[str] | None, known_at: datetime | None = None
) -> dict[str, Any] | None:
    """One row by its key, if these legal entities may see it."""
    table = LISTED[name]
    column = table.c["id"] if name == "billing_event" else table.c[KEY_OF.get(name, "key")]
    conditions = [column == key, *_versions(name, table, known_at), *_visible(name, table, entities)]
    row = conn.execute(select(table).where(*conditions).limit(1)).mappings().first()
    return None if row is None else dict(row)


def _versions(name: str, table: Table, known_at: datetime | None) -> list[ColumnElement[bool]]:
    if "superseded_at" not in table.c:
        return []
    if known_at is None:
        return [table.c.superseded_at.is_(None)]
    return [
        table.c.recorded_at <= known_at,
        or_(table.c.superseded_at.is_(None), table.c.superseded_at > known_at),
    ]


def _visible(name: str, table: Table, entities: Collection[str] | None) -> list[ColumnElement[bool]]:
    """A record without a legal entity of its own belongs to that of its contract; without any, everyone sees it."""
    if entities is None:
        return []
    allowed = list(entities)
    if name in ("project", "time_entry", "expense"):
        projects = select(project.c.key).join(
            contract, and_(contract.c.key == project.c.contract, contract.c.superseded_at.is_(None))
        )
        foreign = projects.where(project.c.superseded_at.is_(None), contract.c.legal_entity.not_in(allowed))
        own = table.c.key if name == "project" else table.c.project
        return [or_(own.is_(None), own.not_in(foreign))]
    if "legal_entity" not in table.c:
        return []
    return [or_(table.c.legal_entity.is_(None), table.c.legal_entity.in_(allowed))]


def balances(conn: Connection, events: Collection[str]) -> dict[str, dict[str, Any]]:
    """Balances by billing event."""
    query = select(billing_balance).where(billing_balance.c.event.in_(list(events)))
    return {str(row["event"]): dict(row) for row in conn.execute(query).mappings()} if events else {}


def journal_lines(conn: Connection, journals: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Lines by journal, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    if journals:
        query = select(journal_line).where(journal_line.c.journal.in_(list(journals)))
        for row in conn.execute(query.order_by(journal_line.c.journal, journal_line.c.number)).mappings():
            found.setdefault(str(row["journal"]), []).append(dict(row))
    return found


def workspace_applied(conn: Connection) -> dict[str, Any] | None:
    """Version, digest and moment of the applied workspace."""
    columns = (workspace_version.c.version, workspace_version.c.digest, workspace_version.c.applied_by,
               workspace_version.c.recorded_at)  # fmt: skip
    row = (
        conn.execute(select(*columns).order_by(workspace_version.c.version.desc()).limit(1))
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


# --- answers that are given again to the same request --------------------------------------------------------


def claim_key(
    conn: Connection, actor: str, key: str, digest: bytes, moment: datetime
) -> dict[str, Any] | None:
    """Claim an idempotency key for this transaction; the earlier answer when it was used before.

    A second request with the key waits here until the first has committed or failed.
    """
    row = {
        "actor": actor,
        "key": key,
        "request_digest": digest,
        "status": 0,
        "response": {},
        "recorded_at": moment,
    }
    claimed = conn.execute(
        insert(idempotency).values(**row).on_conflict_do_nothing().returning(idempotency.c.key)
    )
    if claimed.first() is not None:
        return None
    query = select(idempotency).where(idempotency.c.actor == actor, idempotency.c.key == key)
    return dict(conn.execute(query).mappings().one())


def keep_answer(conn: Connection, actor: str, key: str, status: int, response: Mapping[str, Any]) -> None:
    """Keep the answer of a claimed key."""
    conn.execute(
        idempotency.update()
        .where(idempotency.c.actor == actor, idempotency.c.key == key)
        .values(status=status, response=dict(response))
    )


def newest_position(conn: Connection) -> int:
    """The position of the newest event."""
    return int(conn.execute(select(func.coalesce(func.max(event.c.position), 0))).scalar_one())


def months_of_contract(conn: Connection, contract_key: str) -> list[dict[str, Any]]:
    """Revenue recognised and documents released of a contract by period: {period, currency, recognised, billed gross}."""
    amount = journal_line.c.amount
    documents = and_(journal_line.c.account == "receivable", journal.c.cause_type.in_(("release", "credit")))
    query = (
        select(
            journal.c.period,
            journal_line.c.currency,
            func.coalesce(-func.sum(amount).filter(journal_line.c.account == "revenue"), 0).label(
                "recognised"
            ),
            func.coalesce(func.sum(amount).filter(documents), 0).label("billed"),
        )
        .join(journal, journal.c.id == journal_line.c.journal)
        .where(journal_line.c.contract == contract_key)
        .group_by(journal.c.period, journal_line.c.currency)
        .order_by(journal.c.period)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def balances_by_account(conn: Connection, entities: Collection[str] | None) -> list[dict[str, Any]]:
    """The subledger's balance by account and currency: {account, currency, amount}, debit positive."""
    query = select(
        journal_line.c.account, journal_line.c.currency, func.sum(journal_line.c.amount).label("amount")
    )
    if entities is not None:
        query = query.where(journal_line.c.legal_entity.in_(list(entities)))
    grouped = query.group_by(journal_line.c.account, journal_line.c.currency)
    return [dict(row) for row in conn.execute(grouped).mappings()]
