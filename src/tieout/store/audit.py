"""Audit rows and their sealed chain: append-only inserts and reads in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from tieout.store.tables import audit, audit_seal

SEALER_LOCK = 0x7469_6501


def insert_row(conn: Connection, row: Mapping[str, Any]) -> int:
    """Append one audit row; its id."""
    return int(conn.execute(insert(audit).values(**row).returning(audit.c.id)).scalar_one())


def has_row(conn: Connection, type: str, key: str, action: str) -> bool:
    """Whether an action on a record has been audited."""
    named = (audit.c.type == type, audit.c.key == key, audit.c.action == action)
    return conn.execute(select(audit.c.id).where(*named).limit(1)).first() is not None


def is_sealer(conn: Connection) -> bool:
    """Whether this transaction is the only sealer now (released at its end)."""
    return bool(conn.execute(select(func.pg_try_advisory_xact_lock(SEALER_LOCK))).scalar_one())


def head(conn: Connection) -> tuple[int, bytes]:
    """Position and chain of the last sealed row; (0, empty) before the first."""
    row = conn.execute(
        select(audit_seal.c.position, audit_seal.c.chain).order_by(audit_seal.c.position.desc()).limit(1)
    ).first()
    return (0, b"") if row is None else (int(row.position), bytes(row.chain))


def unsealed(conn: Connection, limit: int, window: int | None) -> list[dict[str, Any]]:
    """Committed rows without a seal in id order; `window` bounds how far behind the newest seal is searched."""
    query = (
        select(audit)
        .outerjoin(audit_seal, audit_seal.c.audit_id == audit.c.id)
        .where(audit_seal.c.audit_id.is_(None))
        .order_by(audit.c.id)
        .limit(limit)
    )
    if window is not None:
        newest = select(func.coalesce(func.max(audit_seal.c.audit_id), 0)).scalar_subquery()
        query = query.where(audit.c.id > newest - window)
    return [dict(row) for row in conn.execute(query).mappings()]


def insert_seals(conn: Connection, seals: Sequence[Mapping[str, Any]]) -> None:
    """Append seals (position, audit_id, chain) in one statement."""
    if seals:
        conn.execute(insert(audit_seal), list(seals))


def sealed_rows(conn: Connection, page: int = 5000) -> Iterator[dict[str, Any]]:
    """Every seal in order of position with its audit row (its columns null where the row is gone)."""
    after = 0
    while True:
        query = (
            select(audit_seal.c.position, audit_seal.c.audit_id, audit_seal.c.chain, audit)
            .outerjoin(audit, audit.c.id == audit_seal.c.audit_id)
            .where(audit_seal.c.position > after)
            .order_by(audit_seal.c.position)
            .limit(page)
        )
        rows = [dict(row) for row in conn.execute(query).mappings()]
        yield from rows
        if len(rows) < page:
            return
        after = rows[-1]["position"]


def count_unsealed(conn: Connection) -> int:
    """Committed rows that have no seal yet."""
    return int(
        conn.execute(
            text(
                "SELECT count(*) FROM audit a"
                " WHERE NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.audit_id = a.id)"
            )
        ).scalar_one()
    )


def listed(
    conn: Connection, *, type: str | None, key: str | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Audit rows in order, of one record or of all."""
    query = select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
    if type is not None:
        query = query.where(audit.c.type == type)
    if key is not None:
        query = query.where(audit.c.key == key)
    return [dict(row) for row in conn.execute(query).mappings()]
