"""The work table: one row per piece of work that may have to be done (again), compared with the injected clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import work


def request(
    conn: Connection, pieces: Collection[tuple[str, str]], due_at: datetime, moment: datetime
) -> None:
    """Ask for pieces of work (kind, key); one that is asked for already becomes due at the earlier moment."""
    rows = [
        {"kind": kind, "key": key, "due_at": due_at, "requested": 1, "updated_at": moment}
        for kind, key in sorted(pieces)
    ]
    if not rows:
        return
    added = insert(work).values(rows)
    statement = added.on_conflict_do_update(
        index_elements=["kind", "key"],
        set_={
            "requested": work.c.requested + 1,
            "due_at": text(
                "CASE WHEN work.requested > work.done AND work.due_at IS NOT NULL"
                " THEN least(work.due_at, excluded.due_at) ELSE excluded.due_at END"
            ),
            "updated_at": added.excluded.updated_at,
        },
    )
    conn.execute(statement)


def take_due(conn: Connection, kinds: Collection[str], moment: datetime, limit: int) -> list[dict[str, Any]]:
    """Mark due pieces that are not running as started and return them {kind, key, number, attempts}, oldest first."""
    due = (
        select(work.c.kind, work.c.key)
        .where(
            work.c.kind.in_(list(kinds)),
            work.c.requested > work.c.done,
            work.c.started == work.c.done,
            work.c.due_at <= moment,
        )
        .order_by(work.c.due_at, work.c.kind, work.c.key)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = [(row.kind, row.key) for row in conn.execute(due)]
    if not keys:
        return []
    started = (
        update(work)
        .where(tuple_(work.c.kind, work.c.key).in_(keys))
        .values(started=work.c.requested, due_at=None, updated_at=moment)
        .returning(work.c.kind, work.c.key, work.c.started.label("number"), work.c.attempts)
    )
    found = {(row["kind"], row["key"]): dict(row) for row in conn.execute(started).mappings()}
    return [found[key] for key in keys]


def finish(
    conn: Connection,
    kind: str,
    key: str,
    number: int,
    attempts: int,
    next_at: datetime | None,
    moment: datetime,
) -> None:
    """The run `number` ended well. `next_at` asks for the next run; what was asked for meanwhile keeps its own time.

    A run that failed or was given up meanwhile (another `attempts`) changes nothing.
    """
    conn.execute(
        update(work)
        .where(_is_run(kind, key, number), work.c.attempts == attempts)
        .values(
            done=number,
            requested=work.c.requested if next_at is None else func.greatest(work.c.requested, number + 1),
            due_at=text(
                "CASE WHEN work.requested > :number THEN least(work.due_at, CAST(:next_at AS timestamptz))"
                " ELSE CAST(:next_at AS timestamptz) END"
            ).bindparams(number=number, next_at=next_at),
            attempts=0,
            last_error=None,
            updated_at=moment,
        )
    )


def fail(
    conn: Connection,
    kind: str,
    key: str,
    number: int,
    attempts: int,
    error: str,
    due_at: datetime,
    moment: datetime,
) -> int:
    """The run `number` failed: it is due again at `due_at`, sooner when it was asked for meanwhile.

    Failures in a row so far; 0 when the run had ended or was given up before.
    """
    row = conn.execute(
        update(work)
        .where(_is_run(kind, key, number), work.c.attempts == attempts)
        .values(
            started=work.c.done,
            attempts=work.c.attempts + 1,
            last_error=error,
            due_at=func.least(work.c.due_at, due_at),
            updated_at=moment,
        )
        .returning(work.c.attempts)
    ).first()
    return 0 if row is None else int(row.attempts)


def is_current(conn: Connection, kind: str, key: str, number: int, attempts: int) -> bool:
    """Whether this run is the one that was handed out last and has not ended."""
    query = select(work.c.key).where(_is_run(kind, key, number), work.c.attempts == attempts)
    return conn.execute(query).first() is not None


def _is_run(kind: str, key: str, number: int) -> ColumnElement[bool]:
    return and_(work.c.kind == kind, work.c.key == key, work.c.started == number, work.c.done < number)


def schedule(
    conn: Connection, pieces: Collection[tuple[str, str]], due_at: datetime, moment: datetime
) -> int:
    """Ask for pieces of work (kind, key) that are not asked for already; how many."""
    rows = [
        {"kind": kind, "key": key, "due_at": due_at, "requested": 1, "updated_at": moment}
        for kind, key in sorted(pieces)
    ]
    if not rows:
        return 0
    added = insert(work).values(rows)
    statement = added.on_conflict_do_update(
        index_elements=["kind", "key"],
        set_={"requested": work.c.requested + 1, "due_at": added.excluded.due_at, "updated_at": moment},
        where=work.c.requested == work.c.done,
    ).returning(work.c.key)
    return len(conn.execute(statement).all())


def read(conn: Connection, pieces: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Whole rows of these pieces."""
    if not pieces:
        return []
    query = select(work).where(or_(*(and_(work.c.kind == kind, work.c.key == key) for kind, key in pieces)))
    return [dict(row) for row in conn.execute(query).mappings()]


def running(conn: Connection, limit: int = 500) -> list[dict[str, Any]]:
    """Pieces that were handed out and have not ended, oldest first: {kind, key, number, attempts}."""
    query = (
        select(work.c.kind, work.c.key, work.c.started.label("number"), work.c.attempts)
        .where(work.c.started > work.c.done)
        .order_by(work.c.updated_at, work.c.kind, work.c.key)
        .limit(limit)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def outstanding(conn: Connection, moment: datetime) -> Mapping[str, Any]:
    """{running, due, later, next_at}: what runs, what could run now, what waits for its time and the first such time."""
    waiting = and_(work.c.requested > work.c.done, work.c.started == work.c.done)
    query = select(
        func.count().filter(work.c.started > work.c.done).label("running"),
        func.count().filter(waiting, work.c.due_at <= moment).label("due"),
        func.count().filter(waiting, work.c.due_at > moment).label("later"),
        func.min(work.c.due_at).filter(waiting, work.c.due_at > moment).label("next_at"),
    )
    return dict(conn.execute(query).mappings().one())
