"""Exceptions: one open row per kind and key, lists by money and urgency."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import approval, exception, intent

_OPEN = text("exception.state NOT IN ('waived', 'resolved')")
"""In literals: a statement with parameters here, once prepared, no longer matches the partial index."""
_URGENCY = case((exception.c.severity == "blocking", 10), else_=1)
row_score: ColumnElement[Decimal] = func.coalesce(func.abs(exception.c.amount), 0) * _URGENCY
"""Money at stake times urgency (blocking weighs ten warnings); currencies are compared by number."""

_CONTENT = ("amount", "currency", "cause", "evidence", "contract", "legal_entity")


def upsert(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Open the rows (distinct by kind and key) or refresh those that are open; ids of the new ones.

    One that was marked fixed or replayed and occurs again is open again; the notes of its fixes are kept.
    """
    created: list[str] = []
    for start in range(0, len(rows), 1000):
        added = insert(exception).values(list(rows[start : start + 1000]))
        fresh = added.excluded
        notes = func.jsonb_strip_nulls(func.jsonb_build_object("fixes", exception.c.evidence["fixes"]))
        content = {name: getattr(fresh, name) for name in _CONTENT} | {
            "evidence": fresh.evidence.op("||")(notes)
        }
        changed = or_(
            *(getattr(exception.c, name).is_distinct_from(value) for name, value in content.items()),
            exception.c.state.in_(("fixed", "replayed")),
        )
        statement = added.on_conflict_do_update(
            index_elements=["kind", "key"],
            index_where=text("state NOT IN ('waived', 'resolved')"),
            set_=content
            | {
                "updated_at": fresh.updated_at,
                "state": case(
                    (exception.c.state.in_(("fixed", "replayed")), "open"), else_=exception.c.state
                ),
            },
            where=changed,
        ).returning(exception.c.id, literal_column("xmax = 0").label("inserted"))
        created += [row.id for row in conn.execute(statement) if row.inserted]
    return created


def close(
    conn: Connection,
    condition: ColumnElement[bool],
    *,
    state: str,
    moment: datetime,
    actor: str,
    resolution: str,
) -> list[dict[str, Any]]:
    """Close the open exceptions that meet the condition; the closed rows."""
    statement = (
        update(exception)
        .where(_OPEN, condition)
        .values(state=state, closed_at=moment, closed_by=actor, resolution=resolution, updated_at=moment)
        .returning(exception)
    )
    return [dict(row) for row in conn.execute(statement).mappings()]


def by_keys(kind: str, keys: Collection[str]) -> ColumnElement[bool]:
    """Condition: of one kind with one of the keys."""
    return and_(exception.c.kind == kind, exception.c.key == func.any(list(keys)))


def by_ids(ids: Collection[str]) -> ColumnElement[bool]:
    """Condition: one of these rows."""
    return exception.c.id.in_(list(ids))


def about_sources(conn: Connection, kinds: Collection[str], connection: str) -> list[dict[str, Any]]:
    """Open exceptions of these kinds about records of a connection: {id, object, source_id, source_version}."""
    evidence = exception.c.evidence
    names = ("object", "source_id", "source_version")
    query = select(exception.c.id, *(evidence[name].astext.label(name) for name in names)).where(
        _OPEN, exception.c.kind.in_(list(kinds)), evidence["connection"].astext == connection
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def open_keys(conn: Connection, kinds: Collection[str]) -> dict[str, set[str]]:
    """Keys of the open exceptions of each of these kinds."""
    found: dict[str, set[str]] = {kind: set() for kind in kinds}
    query = select(exception.c.kind, exception.c.key).where(_OPEN, exception.c.kind.in_(kinds))
    for kind, key in conn.execute(query):
        found[kind].add(key)
    return found


def open_in_group(conn: Connection, group: str, contracts: Collection[str]) -> list[tuple[str, str]]:
    """(kind, key) of the open exceptions of one group about these contracts."""
    query = select(exception.c.kind, exception.c.key).where(
        _OPEN, exception.c.contract.in_(list(contracts)), exception.c.evidence["group"].as_string() == group
    )
    return [(row.kind, row.key) for row in conn.execute(query)]


def open_of(conn: Connection, kind: str) -> list[dict[str, Any]]:
    """Open exceptions of one kind: {key, legal_entity, evidence}."""
    columns = (exception.c.key, exception.c.legal_entity, exception.c.evidence)
    return [
        dict(row) for row in conn.execute(select(*columns).where(_OPEN, exception.c.kind == kind)).mappings()
    ]


def open_about(conn: Connection, kind: str, contract: str) -> list[dict[str, Any]]:
    """Open exceptions of one kind about a contract: {key, amount, currency, cause}."""
    columns = (exception.c.key, exception.c.amount, exception.c.currency, exception.c.cause)
    query = select(*columns).where(_OPEN, exception.c.kind == kind, exception.c.contract == contract)
    return [dict(row) for row in conn.execute(query.order_by(exception.c.key)).mappings()]


def update_one(conn: Connection, exception_id: str, values: Mapping[str, Any]) -> int:
    """Change one open exception; 0 when it is not open any more."""
    statement = update(exception).where(_OPEN, exception.c.id == exception_id).values(**values)
    return int(conn.execute(statement).rowcount)


def mark(conn: Connection, ids: Collection[str], state: str, moment: datetime) -> None:
    """Set the state of open exceptions."""
    conn.execute(update(exception).where(_OPEN, by_ids(ids)).values(state=state, updated_at=moment))


def read(conn: Connection, ids: Collection[str], lock: bool = False) -> list[dict[str, Any]]:
    """Exceptions by id in order of opening."""
    query = select(exception).where(by_ids(ids)).order_by(exception.c.opened_at, exception.c.id)
    if lock:
        query = query.with_for_update()
    return [dict(row) for row in conn.execute(query).mappings()]


def listed(
    conn: Connection,
    *,
    filters: Mapping[str, Any],
    entities: Collection[str] | None,
    after: tuple[Decimal, datetime, str] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Exceptions by score, highest first, then oldest first; each row carries `score`."""
    query = select(exception, row_score.label("score")).where(*_conditions(filters, entities))
    if after is not None:
        score, opened_at, last = after
        same, row = row_score.is_not_distinct_from(score), exception.c
        later = or_(
            row.opened_at > opened_at,
            and_(row.opened_at == opened_at, row.id > literal(last, row.id.type)),
        )
        query = query.where(or_(row_score < score, and_(same, later)))
    query = query.order_by(row_score.desc(), exception.c.opened_at, exception.c.id).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def grouped(
    conn: Connection, *, filters: Mapping[str, Any], entities: Collection[str] | None
) -> list[dict[str, Any]]:
    """Exceptions counted by kind, cause and currency with their money; most money first."""
    money = func.coalesce(func.sum(exception.c.amount), 0)
    group = func.coalesce(exception.c.evidence["group"].astext, exception.c.cause)
    query = (
        select(
            exception.c.kind, group.label("cause"), exception.c.currency, func.count().label("open"),
            money.label("amount"), func.min(exception.c.opened_at).label("opened_at"),
        )
        .where(*_conditions(filters, entities))
        .group_by(exception.c.kind, group, exception.c.currency)
        .order_by(func.abs(money).desc(), func.count().desc(), exception.c.kind, group)
    )  # fmt: skip
    return [dict(row) for row in conn.execute(query).mappings()]


def _conditions(filters: Mapping[str, Any], entities: Collection[str] | None) -> list[ColumnElement[bool]]:
    conditions = [
        exception.c[name] == value for name, value in filters.items() if name not in ("all", "kind")
    ]
    kinds = filters.get("kind")
    if kinds:
        conditions.append(exception.c.kind.in_([kinds] if isinstance(kinds, str) else list(kinds)))
    if not filters.get("all"):
        conditions.append(_OPEN)
    if entities is not None:
        conditions.append(exception.c.legal_entity.is_(None) | exception.c.legal_entity.in_(list(entities)))
    return conditions


def insert_approval(conn: Connection, row: Mapping[str, Any]) -> None:
    """Append one decision."""
    conn.execute(insert(approval).values(**row))


def retry_intents(conn: Connection, ids: Collection[str], moment: datetime) -> int:
    """Make rejected intents pending and open ones due (what was attempted is looked up first, never sent blindly)."""
    statement = (
        update(intent)
        .where(intent.c.id.in_(list(ids)), intent.c.state.in_(("rejected", "unknown", "pending")))
        .values(state=case((intent.c.state == "rejected", "pending"), else_=intent.c.state), due_at=moment)
    )
    return int(conn.execute(statement).rowcount)
