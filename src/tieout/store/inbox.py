"""The inbox: every version of every source record as it came, and every hint, each once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store.arrays import columns, unnest
from tieout.store.tables import connection as connection_table
from tieout.store.tables import hint, inbox, source_cursor, workspace_version

_READ = (
    inbox.c.id, inbox.c.object, inbox.c.source_id, inbox.c.source_version, inbox.c.tombstone, inbox.c.raw,
    inbox.c.document, inbox.c.attempts, inbox.c.observed_at,
)  # fmt: skip


_TYPES = {
    "connection": "text", "object": "text", "source_id": "text", "source_version": "text", "tombstone": "boolean",
    "digest": "bytea", "raw": "bytea", "document": "bytea", "state": "text", "deliveries": "int",
    "observed_at": "timestamptz", "recorded_at": "timestamptz",
}  # fmt: skip
_ADD = text(
    f"""
    INSERT INTO inbox AS i ({", ".join(_TYPES)}) SELECT * FROM {unnest(_TYPES)}
    ON CONFLICT (connection, object, source_id, source_version) DO UPDATE
      SET deliveries = i.deliveries + excluded.deliveries
    RETURNING i.id, i.object, i.source_id, i.source_version, i.digest, i.xmax = 0 AS inserted
    """  # noqa: S608 - no value stands in it
)


def add(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add versions (distinct by key); one that is there only counts its deliveries.

    Per row: {id, object, source_id, source_version, digest of the content that is kept, inserted}.
    """
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), 1000):
        told = columns(rows[start : start + 1000], _TYPES)
        found += [dict(row) for row in conn.execute(_ADD, told).mappings()]
    return found


def has_new(conn: Connection, connection: str) -> bool:
    """Whether a row of a connection is new."""
    query = select(inbox.c.id).where(inbox.c.connection == connection, inbox.c.state == "new").limit(1)
    return conn.execute(query).first() is not None


def oldest_attempts(conn: Connection, connection: str) -> int:
    """How often the longest-waiting new row was begun without an end."""
    query = select(inbox.c.attempts).where(inbox.c.connection == connection, inbox.c.state == "new")
    return int(conn.execute(query.order_by(inbox.c.attempts.desc(), inbox.c.id).limit(1)).scalar() or 0)


def begin(conn: Connection, connection: str, limit: int, attempts: int) -> list[int]:
    """Count one more attempt on up to `limit` new rows that had at least `attempts`; their ids in order."""
    chosen = (
        select(inbox.c.id)
        .where(inbox.c.connection == connection, inbox.c.state == "new", inbox.c.attempts >= attempts)
        .order_by(inbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(conn.execute(chosen).scalars())
    if ids:
        conn.execute(update(inbox).where(inbox.c.id.in_(ids)).values(attempts=inbox.c.attempts + 1))
    return ids


def take(conn: Connection, connection: str, limit: int, ids: Collection[int] | None) -> list[dict[str, Any]]:
    """Lock up to `limit` new rows (or those of `ids`) that no one else holds, in order of arrival."""
    query = (
        select(*_READ)
        .where(inbox.c.connection == connection, inbox.c.state == "new")
        .order_by(inbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if ids is not None:
        query = query.where(inbox.c.id == func.any(list(ids)))
    return [dict(row) for row in conn.execute(query).mappings()]


def settle(conn: Connection, outcomes: Sequence[tuple[int, str, str | None]], moment: datetime) -> None:
    """Set state and detail of rows (id, state, detail); `applied` rows get their moment."""
    if not outcomes:
        return
    statement = text(
        "UPDATE inbox SET state = v.state, detail = v.detail,"
        " applied_at = CASE WHEN v.state = 'applied' THEN CAST(:moment AS timestamptz) ELSE inbox.applied_at END"
        " FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:details AS text[]))"
        " AS v(id, state, detail) WHERE inbox.id = v.id"
    )
    ids, states, details = zip(*outcomes, strict=True)
    conn.execute(
        statement, {"ids": list(ids), "states": list(states), "details": list(details), "moment": moment}
    )


def applied_versions(
    conn: Connection, connection: str, sources: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, bool]]:
    """Highest applied version of each source record and whether it is a tombstone (a tombstone wins a tie)."""
    if not sources:
        return {}
    objects, ids = zip(*sorted(sources), strict=True)
    rows = conn.execute(
        text(
            "SELECT DISTINCT ON (i.object, i.source_id) i.object, i.source_id, i.source_version, i.tombstone"
            " FROM inbox i JOIN unnest(CAST(:objects AS text[]), CAST(:ids AS text[])) AS w(object, source_id)"
            " ON i.object = w.object AND i.source_id = w.source_id"
            " WHERE i.connection = :connection AND i.state = 'applied'"
            ' ORDER BY i.object, i.source_id, i.source_version COLLATE "C" DESC, i.tombstone DESC'
        ),
        {"objects": list(objects), "ids": list(ids), "connection": connection},
    )
    return {(r.object, r.source_id): (r.source_version, r.tombstone) for r in rows}


def supersede_older(conn: Connection, connection: str, applied: Mapping[tuple[str, str], str]) -> int:
    """Mark versions as superseded that were held or refused and are lower than what was applied since; how many."""
    if not applied:
        return 0
    statement = text(
        "UPDATE inbox SET state = 'superseded', detail = 'a later version was applied'"
        " FROM unnest(CAST(:objects AS text[]), CAST(:ids AS text[]), CAST(:versions AS text[]))"
        " AS w(object, source_id, source_version)"
        " WHERE inbox.connection = :connection AND inbox.object = w.object AND inbox.source_id = w.source_id"
        " AND inbox.state IN ('held', 'refused')"
        ' AND inbox.source_version COLLATE "C" < w.source_version COLLATE "C"'
    )
    sources = sorted(applied)
    arrays = {
        "objects": [object for object, _ in sources],
        "ids": [source_id for _, source_id in sources],
        "versions": [applied[source] for source in sources],
    }
    return int(conn.execute(statement, {**arrays, "connection": connection}).rowcount)


def lock_links(conn: Connection, connection: str) -> None:
    """Let one transaction at a time decide what waits for a record of this connection, or make one known.

    Otherwise a row may begin to wait just when what it waits for becomes known, and nobody wakes it.
    """
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"links/{connection}", 7469))))


def waits_for(object: str, source_id: str) -> str:
    """The detail of a row that can go on only when this source record is known."""
    return f"waits for {object} {source_id}"


def foreign(conn: Connection, connection: str, sources: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those source records that came, but are not ours: ignored until the crosswalk knows them."""
    if not sources:
        return set()
    details = {waits_for(*source): source for source in sources}
    query = select(inbox.c.object, inbox.c.source_id).where(
        inbox.c.connection == connection,
        inbox.c.state == "ignored",
        inbox.c.detail.in_(list(details)),
        inbox.c.detail.like("waits for %"),
    )
    return {(row.object, row.source_id) for row in conn.execute(query)} & set(sources)


def last_id(conn: Connection) -> int:
    """The newest row's id; 0 before the first."""
    return int(conn.execute(select(func.coalesce(func.max(inbox.c.id), 0))).scalar_one())


def reads_to_come(conn: Connection, connection: str, objects: Collection[str]) -> dict[str, int]:
    """Those of these objects that will be read again, each with the last row that had come when it was last read."""
    rows = conn.execute(
        text(
            "SELECT named.object, coalesce(s.read_to, 0) AS read_to FROM unnest(CAST(:objects AS text[])) AS named(object)"
            " JOIN work w ON w.kind = 'sync' AND w.key = concat(CAST(:connection AS text), '/', named.object)"
            " LEFT JOIN source_cursor s ON s.connection = :connection AND s.object = named.object"
            " WHERE w.requested > w.done"
        ),
        {"objects": list(objects), "connection": connection},
    )
    return {row.object: int(row.read_to) for row in rows}


def note_read(conn: Connection, connection: str, object: str, arrived: int) -> int:
    """The object was read to its end, beginning after row `arrived` had come: rows that wait for one of its records,
    and came before that, become new and are judged again, now that it is missing; how many.

    Nothing is noted while rows of the object itself are still to be taken in: the next read will.
    """
    here = (source_cursor.c.connection == connection, source_cursor.c.object == object)
    before = conn.execute(select(source_cursor.c.read_to).where(*here)).scalar()
    if before is None or before >= arrived:
        return 0
    lock_links(conn, connection)
    mine = inbox.c.connection == connection
    if conn.execute(
        select(inbox.c.id).where(mine, inbox.c.object == object, inbox.c.state == "new").limit(1)
    ).first():
        return 0
    conn.execute(update(source_cursor).where(*here).values(read_to=arrived))
    waiting = inbox.c.detail.startswith(waits_for(object, ""), autoescape=True)
    between = inbox.c.id.between(before + 1, arrived)
    statement = update(inbox).where(mine, inbox.c.state == "held", waiting, between)
    return int(conn.execute(statement.values(state="new", detail=None, attempts=0)).rowcount)


def release_waiting(conn: Connection, connection: str, sources: Collection[tuple[str, str]]) -> int:
    """Make rows new again that waited for these source records, and time and expenses whose project they are."""
    statement = (
        update(inbox)
        .where(
            inbox.c.connection == connection,
            inbox.c.state.in_(("held", "ignored")),
            inbox.c.detail.like("waits for %"),
            inbox.c.detail.in_([waits_for(*source) for source in sources]),
        )
        .values(state="new", detail=None, attempts=0)
    )
    released = int(conn.execute(statement).rowcount)
    ids = [source_id for _, source_id in sources]
    for type in ("time_entry", "expense"):
        homeless = text(
            f"UPDATE inbox SET state = 'new', detail = NULL, attempts = 0 FROM {type} t"  # noqa: S608 - no input
            " WHERE t.superseded_at IS NULL AND t.project IS NULL AND t.source_project = ANY(:ids)"
            f" AND t.provenance->'{type}'->>'system' = :connection"
            f" AND inbox.id = CAST(t.provenance->'{type}'->>'inbox' AS bigint) AND inbox.state = 'applied'"
        )
        released += int(conn.execute(homeless, {"ids": ids, "connection": connection}).rowcount)
    return released


def release_ids(conn: Connection, ids: Collection[int]) -> int:
    """Make held and refused rows new again; how many."""
    statement = (
        update(inbox)
        .where(inbox.c.id.in_(list(ids)), inbox.c.state.in_(("held", "refused")))
        .values(state="new", detail=None, attempts=0)
    )
    return int(conn.execute(statement).rowcount) if ids else 0


def release_object(conn: Connection, connection: str, object: str, detail: str) -> int:
    """Make rows of one object new again that are held for the given detail; how many."""
    statement = (
        update(inbox)
        .where(
            inbox.c.connection == connection,
            inbox.c.object == object,
            inbox.c.state == "held",
            inbox.c.detail == detail,
        )
        .values(state="new", detail=None, attempts=0)
    )
    return int(conn.execute(statement).rowcount)


def missing(conn: Connection, connection: str, object: str, versions: Sequence[tuple[str, str]]) -> list[str]:
    """Source ids of those (source id, source version) that never came, in order."""
    if not versions:
        return []
    ids, stamps = zip(*versions, strict=True)
    rows = conn.execute(
        text(
            "SELECT DISTINCT w.source_id FROM unnest(CAST(:ids AS text[]), CAST(:stamps AS text[]))"
            " AS w(source_id, source_version) WHERE NOT EXISTS (SELECT 1 FROM inbox i"
            " WHERE i.connection = :connection AND i.object = :object AND i.source_id = w.source_id"
            ' AND i.source_version COLLATE "C" >= w.source_version COLLATE "C") ORDER BY w.source_id'
        ),
        {"ids": list(ids), "stamps": list(stamps), "connection": connection, "object": object},
    )
    return list(rows.scalars())


def read(conn: Connection, ids: Collection[int]) -> list[dict[str, Any]]:
    """Whole rows by id, raw bytes included."""
    query = select(inbox).where(inbox.c.id.in_(list(ids))).order_by(inbox.c.id)
    return [dict(row) for row in conn.execute(query).mappings()]


def of_source(conn: Connection, connection: str, object: str, source_id: str) -> list[dict[str, Any]]:
    """Every version of one source record that came, in order of arrival."""
    query = select(inbox).where(
        inbox.c.connection == connection, inbox.c.object == object, inbox.c.source_id == source_id
    )
    return [dict(row) for row in conn.execute(query.order_by(inbox.c.id)).mappings()]


def counts(conn: Connection) -> dict[str, int]:
    """Rows by state."""
    query = select(inbox.c.state, func.count()).group_by(inbox.c.state)
    return {state: int(number) for state, number in conn.execute(query)}


_HINT_TYPES = {
    "connection": "text", "event_id": "text", "object": "text", "source_id": "text", "raw": "bytea",
    "digest": "bytea", "deliveries": "int", "recorded_at": "timestamptz",
}  # fmt: skip
_ADD_HINTS = text(
    f"""
    INSERT INTO hint AS h ({", ".join(_HINT_TYPES)})
    SELECT * FROM {unnest(_HINT_TYPES)}
    ON CONFLICT (connection, event_id) DO UPDATE SET deliveries = h.deliveries + excluded.deliveries
    RETURNING h.connection, h.event_id, h.object, h.source_id, h.xmax = 0 AS inserted
    """  # noqa: S608 - no value stands in it
)


def add_hints(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add hints (distinct by event id); a repeat counts its delivery.

    Per row: {connection, event_id, object, source_id, inserted}.
    """
    return [dict(row) for row in conn.execute(_ADD_HINTS, columns(rows, _HINT_TYPES)).mappings()]


def open_hints(conn: Connection, connection: str, object: str, limit: int) -> list[dict[str, Any]]:
    """Hints of one object that were not followed yet, oldest first."""
    query = (
        select(hint.c.event_id, hint.c.source_id)
        .where(hint.c.connection == connection, hint.c.object == object, hint.c.state == "new")
        .order_by(hint.c.recorded_at, hint.c.event_id)
        .limit(limit)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def close_hints(conn: Connection, connection: str, event_ids: Collection[str]) -> int:
    """Mark hints as followed; how many."""
    statement = (
        update(hint)
        .where(hint.c.connection == connection, hint.c.event_id.in_(list(event_ids)), hint.c.state == "new")
        .values(state="done")
    )
    return int(conn.execute(statement).rowcount)


def cursor_of(conn: Connection, connection: str, object: str) -> str | None:
    """The cursor a next call continues from; None before the first page."""
    query = select(source_cursor.c.cursor).where(
        source_cursor.c.connection == connection, source_cursor.c.object == object
    )
    return conn.execute(query).scalar() or None


def move_cursor(
    conn: Connection, connection: str, object: str, expected: str | None, cursor: str, moment: datetime
) -> bool:
    """Move the cursor on in one statement; false, and nothing moved, when it is not the expected one."""
    values = {"cursor": cursor, "updated_at": moment}
    stands = source_cursor.c.cursor == (expected or "")
    if expected:
        named = (source_cursor.c.connection == connection, source_cursor.c.object == object)
        statement = update(source_cursor).where(*named, stands).values(**values)
        return conn.execute(statement.returning(source_cursor.c.object)).first() is not None
    first = insert(source_cursor).values(connection=connection, object=object, **values)
    again = first.on_conflict_do_update(index_elements=["connection", "object"], set_=values, where=stands)
    return conn.execute(again.returning(source_cursor.c.object)).first() is not None


def fingerprints(conn: Connection, connection: str) -> dict[str, list[str]]:
    """Field names last seen by object."""
    query = select(source_cursor.c.object, source_cursor.c.fingerprint).where(
        source_cursor.c.connection == connection, source_cursor.c.fingerprint.is_not(None)
    )
    return {row.object: list(row.fingerprint) for row in conn.execute(query)}


def save_fingerprint(
    conn: Connection, connection: str, object: str, names: Sequence[str], moment: datetime
) -> None:
    """Remember the field names of one object (an empty cursor until its first page)."""
    row = {"connection": connection, "object": object, "cursor": "", "updated_at": moment}
    statement = insert(source_cursor).values(**row, fingerprint=list(names))
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["connection", "object"], set_={"fingerprint": statement.excluded.fingerprint}
        )
    )


def connector_of(conn: Connection, connection: str) -> str | None:
    """Which connector a connection uses."""
    return conn.execute(
        select(connection_table.c.connector).where(connection_table.c.name == connection)
    ).scalar()


def connectors(conn: Connection) -> dict[str, str]:
    """Connector of every connection by name."""
    rows = conn.execute(select(connection_table.c.name, connection_table.c.connector))
    return {row.name: row.connector for row in rows}


def workspace(conn: Connection, parts: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Version and the named parts of the workspace that is applied; (0, {}) before the first."""
    columns = [workspace_version.c.document[name].label(name) for name in parts]
    query = (
        select(workspace_version.c.version, *columns).order_by(workspace_version.c.version.desc()).limit(1)
    )
    row = conn.execute(query).mappings().first()
    if row is None:
        return 0, {}
    return int(row["version"]), {name: row[name] for name in parts if row[name] is not None}
