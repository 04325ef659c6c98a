"""Our keys and each system's ids."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import crosswalk


def upsert(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Add links, or revive retired ones; (object, source id) of those that were added or revived."""
    written: set[tuple[str, str]] = set()
    for start in range(0, len(rows), 2000):
        added = insert(crosswalk).values(list(rows[start : start + 2000]))
        fresh = added.excluded
        statement = added.on_conflict_do_update(
            index_elements=["connection", "object", "source_id"],
            set_={"key": fresh.key, "type": fresh.type, "retired_at": None, "retired_reason": None},
            where=crosswalk.c.retired_at.is_not(None),
        ).returning(crosswalk.c.object, crosswalk.c.source_id)
        written |= {(row.object, row.source_id) for row in conn.execute(statement)}
    return written


def of_sources(
    conn: Connection, connection: str, sources: Collection[tuple[str, str]], *, retired: bool = True
) -> dict[tuple[str, str], str]:
    """Key of each (object, source id) that is linked; `retired` links count too unless told otherwise."""
    if not sources:
        return {}
    query = select(crosswalk.c.object, crosswalk.c.source_id, crosswalk.c.key).where(
        crosswalk.c.connection == connection, _among(sources)
    )
    if not retired:
        query = query.where(crosswalk.c.retired_at.is_(None))
    return {(row.object, row.source_id): row.key for row in conn.execute(query)}


def _among(sources: Collection[tuple[str, str]]) -> Any:
    by_object: dict[str, list[str]] = {}
    for object, source_id in sources:
        by_object.setdefault(object, []).append(source_id)
    return or_(
        *(
            and_(crosswalk.c.object == object, crosswalk.c.source_id.in_(ids))
            for object, ids in sorted(by_object.items())
        )
    )


def of_keys(conn: Connection, connection: str, object: str, keys: Collection[str]) -> dict[str, str]:
    """Live source id of each key that is linked."""
    if not keys:
        return {}
    query = select(crosswalk.c.key, crosswalk.c.source_id).where(
        crosswalk.c.connection == connection,
        crosswalk.c.object == object,
        crosswalk.c.key.in_(list(keys)),
        crosswalk.c.retired_at.is_(None),
    )
    return {row.key: row.source_id for row in conn.execute(query)}


def holders(
    conn: Connection, connection: str, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Live source id of each (object, key) that is linked."""
    if not pairs:
        return {}
    query = select(crosswalk.c.object, crosswalk.c.key, crosswalk.c.source_id).where(
        crosswalk.c.connection == connection,
        crosswalk.c.retired_at.is_(None),
        tuple_(crosswalk.c.object, crosswalk.c.key).in_(list(pairs)),
    )
    return {(row.object, row.key): row.source_id for row in conn.execute(query)}


def retire(
    conn: Connection, connection: str, object: str, source_ids: Collection[str], reason: str, moment: datetime
) -> int:
    """Retire live links with the reason; how many."""
    statement = (
        update(crosswalk)
        .where(
            crosswalk.c.connection == connection,
            crosswalk.c.object == object,
            crosswalk.c.source_id.in_(list(source_ids)),
            crosswalk.c.retired_at.is_(None),
        )
        .values(retired_at=moment, retired_reason=reason)
    )
    return int(conn.execute(statement).rowcount)
