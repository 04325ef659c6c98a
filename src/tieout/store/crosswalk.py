"""Our keys and each system's ids."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, text, update

from tieout.store.arrays import columns, unnest
from tieout.store.tables import crosswalk

_TYPES = {
    "connection": "text", "object": "text", "source_id": "text", "type": "text", "key": "text",
    "recorded_at": "timestamptz",
}  # fmt: skip
_UPSERT = text(
    f"""
    INSERT INTO crosswalk AS c ({", ".join(_TYPES)}) SELECT * FROM {unnest(_TYPES)}
    ON CONFLICT (connection, object, source_id) DO UPDATE
      SET key = excluded.key, type = excluded.type, retired_at = NULL, retired_reason = NULL
      WHERE c.retired_at IS NOT NULL
    RETURNING c.object, c.source_id
    """  # noqa: S608 - no value stands in it
)


def upsert(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Add links, or revive retired ones; (object, source id) of those that were added or revived."""
    if not rows:
        return set()
    return {(row.object, row.source_id) for row in conn.execute(_UPSERT, columns(rows, _TYPES))}


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
            and_(crosswalk.c.object == object, crosswalk.c.source_id == func.any(ids))
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


_HOLDERS = text(
    "SELECT c.object, c.key, c.source_id FROM crosswalk c"
    " JOIN unnest(CAST(:objects AS text[]), CAST(:keys AS text[])) AS wanted(object, key)"
    " ON c.object = wanted.object AND c.key = wanted.key"
    " WHERE c.connection = :connection AND c.retired_at IS NULL"
)


def holders(
    conn: Connection, connection: str, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Live source id of each (object, key) that is linked."""
    if not pairs:
        return {}
    objects, keys = zip(*pairs, strict=True)
    told = {"connection": connection, "objects": list(objects), "keys": list(keys)}
    return {(row.object, row.key): row.source_id for row in conn.execute(_HOLDERS, told)}


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
