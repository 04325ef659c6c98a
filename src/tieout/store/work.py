"""The work table: one row per piece of work that may have to be done (again), compared with the injected clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store import clock
from tieout.store.tables import work

_REQUEST = text(
    f"""
    INSERT INTO work AS w (kind, key, due_at, requested, updated_at)
    SELECT piece.kind, piece.key, coalesce(CAST(:due_at AS timestamptz), present.moment), 1, present.moment
    FROM unnest(CAST(:kinds AS text[]), CAST(:keys AS text[])) AS piece(kind, key),
         (SELECT coalesce(CAST(:moment AS timestamptz), {clock.NOW}) AS moment) AS present
    ORDER BY piece.kind, piece.key
    ON CONFLICT (kind, key) DO UPDATE SET
      requested = w.requested + 1,
      due_at = CASE WHEN w.requested > w.done AND w.due_at IS NOT NULL
                    THEN least(w.due_at, excluded.due_at) ELSE excluded.due_at END,
      updated_at = excluded.updated_at
    """  # noqa: S608 - no value stands in it
)


def request(
    conn: Connection,
    pieces: Collection[tuple[str, str]],
    due_at: datetime | None = None,
    moment: datetime | None = None,
) -> None:
    """Ask for pieces of work (kind, key), now unless `due_at` says when; `moment` None = the clock's.

    One that is asked for already becomes due at the earlier moment.
    """
    if not pieces:
        return
    kinds, keys = zip(*sorted(pieces), strict=True)
    told = {"kinds": list(kinds), "keys": list(keys), "due_at": due_at, "moment": moment}
    conn.execute(_REQUEST, told)


_DUE = f"""
    kind = ANY(CAST(:kinds AS text[])) AND requested > done AND started = done
    AND due_at <= coalesce(CAST(:moment AS timestamptz), {clock.NOW})
"""
_IS_DUE = text(f"SELECT EXISTS (SELECT FROM work WHERE {_DUE})")  # noqa: S608 - no value stands in it
_TAKE_DUE = text(
    f"""
    WITH due AS (
      SELECT kind, key, due_at FROM work WHERE {_DUE}
      ORDER BY due_at, kind, key LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE work SET started = requested, due_at = NULL,
                    updated_at = coalesce(CAST(:moment AS timestamptz), {clock.NOW})
    FROM due WHERE work.kind = due.kind AND work.key = due.key
    RETURNING due.due_at AS was_due, work.kind, work.key, work.started AS number, work.attempts
    """  # noqa: S608 - no value stands in it
)


def is_due(conn: Connection, kinds: Collection[str]) -> bool:
    """Whether a piece that is not running is due now."""
    return bool(conn.execute(_IS_DUE, {"kinds": list(kinds), "moment": None}).scalar_one())


def take_due(
    conn: Connection, kinds: Collection[str], moment: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """Mark due pieces that are not running as started and return them {kind, key, number, attempts}, oldest first.

    `moment` None = the clock's.
    """
    rows = conn.execute(_TAKE_DUE, {"kinds": list(kinds), "moment": moment, "most": limit}).all()
    return [
        {"kind": row.kind, "key": row.key, "number": row.number, "attempts": row.attempts}
        for row in sorted(rows, key=lambda row: (row.was_due, row.kind, row.key))
    ]


_FINISH = text(
    f"""
    UPDATE work SET
      done = :number,
      requested = CASE WHEN CAST(:next_at AS timestamptz) IS NULL THEN requested
                       ELSE greatest(requested, :number + 1) END,
      due_at = CASE WHEN requested > :number THEN least(due_at, CAST(:next_at AS timestamptz))
                    ELSE CAST(:next_at AS timestamptz) END,
      attempts = 0, last_error = NULL, updated_at = coalesce(CAST(:moment AS timestamptz), {clock.NOW})
    WHERE kind = :kind AND key = :key AND started = :number AND done < :number AND attempts = :attempts
    """  # noqa: S608 - no value stands in it
)


def finish(
    conn: Connection,
    kind: str,
    key: str,
    number: int,
    attempts: int,
    next_at: datetime | None,
    moment: datetime | None = None,
) -> None:
    """The run `number` ended well. `next_at` asks for the next run; what was asked for meanwhile keeps its own time.

    A run that failed or was given up meanwhile (another `attempts`) changes nothing. `moment` None = the clock's.
    """
    told = {"kind": kind, "key": key, "number": number, "attempts": attempts}
    conn.execute(_FINISH, {**told, "next_at": next_at, "moment": moment})


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


_IS_CURRENT = text(
    "SELECT EXISTS (SELECT FROM work WHERE kind = :kind AND key = :key AND started = :number AND done < :number"
    " AND attempts = :attempts)"
)


def is_current(conn: Connection, kind: str, key: str, number: int, attempts: int) -> bool:
    """Whether this run is the one that was handed out last and has not ended."""
    told = {"kind": kind, "key": key, "number": number, "attempts": attempts}
    return bool(conn.execute(_IS_CURRENT, told).scalar_one())


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
