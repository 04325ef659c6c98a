"""The outbox: intents with their frozen bytes, and every attempt that was made for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import attempt, connection, exception, intent

OPEN = ("pending", "unknown")
UNCERTAIN = ("started", "unknown", "drift")
"""Outcomes of a send after which the target may hold the record: no answer, or one that proves nothing."""


def add(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Insert intents whose (connection, operation, key, revision) is new; their ids."""
    added: set[str] = set()
    for start in range(0, len(rows), 1000):
        statement = insert(intent).values(list(rows[start : start + 1000])).on_conflict_do_nothing(
            index_elements=["connection", "operation", "key", "revision"]
        )  # fmt: skip
        added |= {str(one) for one in conn.execute(statement.returning(intent.c.id)).scalars()}
    return added


def by_identity(
    conn: Connection, identities: Collection[tuple[str, str, str, int]]
) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    """{(connection, operation, key, revision): {id, digest, external_key}}."""
    columns = (intent.c.connection, intent.c.operation, intent.c.key, intent.c.revision)
    found: dict[tuple[str, str, str, int], dict[str, Any]] = {}
    wanted = sorted(identities)
    for start in range(0, len(wanted), 1000):
        query = select(*columns, intent.c.id, intent.c.digest, intent.c.external_key).where(
            tuple_(*columns).in_(wanted[start : start + 1000])
        )
        for row in conn.execute(query):
            identity = (row.connection, row.operation, row.key, row.revision)
            found[identity] = {
                "id": str(row.id),
                "digest": bytes(row.digest),
                "external_key": row.external_key,
            }
    return found


def lock(conn: Connection, ids: Collection[str]) -> list[dict[str, Any]]:
    """Intents, held until the transaction ends, in one order (no deadlock)."""
    query = select(intent).where(intent.c.id.in_(list(ids))).order_by(intent.c.id).with_for_update()
    return [dict(row) for row in conn.execute(query).mappings()]


def read(conn: Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Intents by id."""
    query = select(intent).where(intent.c.id.in_(list(ids)))
    return {str(row["id"]): dict(row) for row in conn.execute(query).mappings()}


def change(conn: Connection, intent_id: str, values: Mapping[str, Any]) -> None:
    """Change one intent."""
    conn.execute(update(intent).where(intent.c.id == intent_id).values(**values))


def lock_connection(conn: Connection, name: str) -> dict[str, Any] | None:
    """A connection, held so that its budget is counted by one at a time."""
    query = select(connection).where(connection.c.name == name).with_for_update()
    row = conn.execute(query).mappings().first()
    return None if row is None else dict(row)


def calls_since(conn: Connection, name: str, since: datetime) -> tuple[int, datetime | None]:
    """Calls counted after a moment, and when the first of them was."""
    query = select(func.coalesce(func.sum(attempt.c.calls), 0), func.min(attempt.c.recorded_at)).where(
        attempt.c.connection == name, attempt.c.recorded_at > since
    )
    row = conn.execute(query).one()
    return int(row[0]), row[1]


def add_attempts(
    conn: Connection, name: str, ids: Sequence[str], action: str, moment: datetime
) -> dict[str, int]:
    """Note one call that is about to be made for these intents: {intent id: attempt id}."""
    rows = [
        {"intent": one, "connection": name, "action": action, "calls": 0 if place else 1, "outcome": "started",
         "recorded_at": moment}
        for place, one in enumerate(ids)
    ]  # fmt: skip
    statement = insert(attempt).values(rows).returning(attempt.c.id, attempt.c.intent)
    return {str(row.intent): int(row.id) for row in conn.execute(statement)}


def end_attempt(
    conn: Connection, attempt_id: int, outcome: str, code: str | None, detail: str | None
) -> None:
    """Note how a call ended."""
    conn.execute(
        update(attempt).where(attempt.c.id == attempt_id).values(outcome=outcome, code=code, detail=detail)
    )


def last_attempt(conn: Connection, intent_id: str) -> int | None:
    """The newest attempt of an intent: what an older one says later no longer counts."""
    return conn.execute(select(func.max(attempt.c.id)).where(attempt.c.intent == intent_id)).scalar()


def last_uncertain(conn: Connection, intent_id: str) -> datetime | None:
    """When bytes were last sent without proof of what became of them; None: nothing can be in the target."""
    query = select(func.max(attempt.c.recorded_at)).where(
        attempt.c.intent == intent_id, attempt.c.action == "send", attempt.c.outcome.in_(UNCERTAIN)
    )
    moment: datetime | None = conn.execute(query).scalar()
    return moment


def attempts(conn: Connection, intent_id: str) -> list[dict[str, Any]]:
    """Every attempt in order."""
    query = select(attempt).where(attempt.c.intent == intent_id).order_by(attempt.c.id)
    return [dict(row) for row in conn.execute(query).mappings()]


def other_revisions(conn: Connection, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The other revisions of the same operation and key: {id, revision, state, due_at}."""
    query = select(intent.c.id, intent.c.revision, intent.c.state, intent.c.due_at).where(
        intent.c.connection == row["connection"],
        intent.c.operation == row["operation"],
        intent.c.key == row["key"],
        intent.c.id != row["id"],
    )
    return [dict(found) for found in conn.execute(query).mappings()]


def holder_of(conn: Connection, row: Mapping[str, Any], target_id: str) -> str | None:
    """The external key under which another done intent of the operation already holds this target id."""
    query = select(intent.c.external_key).where(
        intent.c.connection == row["connection"],
        intent.c.target_id == target_id,
        intent.c.operation == row["operation"],
        intent.c.state == "done",
        intent.c.external_key != row["external_key"],
    )
    return conn.execute(query.limit(1)).scalar()


def compensation_of(conn: Connection, intent_id: str) -> str | None:
    """The intent that undoes this one."""
    query = select(intent.c.id).where(intent.c.compensates == intent_id).order_by(intent.c.id.desc())
    found = conn.execute(query.limit(1)).scalar()
    return None if found is None else str(found)


def next_revision(conn: Connection, connection_name: str, operation: str, key: str) -> int:
    """The first free revision of an operation on a key."""
    query = select(func.coalesce(func.max(intent.c.revision), 0) + 1).where(
        intent.c.connection == connection_name, intent.c.operation == operation, intent.c.key == key
    )
    return int(conn.execute(query).scalar_one())


def due(conn: Connection, moment: datetime, overdue: timedelta, limit: int) -> list[str]:
    """Open intents that have been due for longer than `overdue`, longest first."""
    query = (
        select(intent.c.id)
        .where(intent.c.state.in_(OPEN), intent.c.due_at <= moment - overdue)
        .order_by(intent.c.due_at, intent.c.id)
        .limit(limit)
    )
    return [str(one) for one in conn.execute(query).scalars()]


def open_exception_kinds(conn: Connection, row: Mapping[str, Any], kinds: Collection[str]) -> list[str]:
    """Those of the kinds that are open for this key because of this very operation."""
    evidence = exception.c.evidence
    query = select(exception.c.kind).where(
        exception.c.state.not_in(("waived", "resolved")),
        exception.c.kind.in_(list(kinds)),
        exception.c.key == row["key"],
        evidence["connection"].astext == row["connection"],
        evidence["operation"].astext == row["operation"],
    )
    return list(conn.execute(query).scalars())
