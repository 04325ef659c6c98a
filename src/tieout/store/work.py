"""The work table: one row per piece of work that may have to be done (again), compared with the injected clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text, tuple_, update
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


class Piece(NamedTuple):
    """One run of a piece of work: `number` is the request it answers, `attempts` how often it failed in a row."""

    kind: str
    key: str
    number: int
    attempts: int


_DUE = f"""
    requested > done AND started = done AND due_at <= coalesce(CAST(:moment AS timestamptz), {clock.NOW})
"""
_LIST_DUE = text(
    f"""
    SELECT kind, key, requested AS number, attempts FROM work
    JOIN unnest(CAST(:kinds AS text[]), CAST(:firsts AS text[])) AS wanted(kind, first) USING (kind)
    WHERE {_DUE} AND NOT EXISTS (
      SELECT FROM work AS before WHERE before.kind = wanted.first AND before.key = work.key
      AND (before.started > before.done OR before.requested > before.done
           AND before.due_at <= coalesce(CAST(:moment AS timestamptz), {clock.NOW}))
    )
    ORDER BY due_at, kind, key LIMIT :most
    """  # noqa: S608 - no value stands in it
)
_TAKE = text(
    f"""
    WITH wanted AS (
      SELECT kind, key FROM work
      JOIN unnest(CAST(:kinds AS text[]), CAST(:keys AS text[])) AS piece(kind, key) USING (kind, key)
      WHERE {_DUE} ORDER BY kind, key FOR UPDATE OF work SKIP LOCKED
    )
    UPDATE work SET started = requested, due_at = NULL, carrier = NULL,
                    updated_at = coalesce(CAST(:moment AS timestamptz), {clock.NOW})
    FROM wanted WHERE work.kind = wanted.kind AND work.key = wanted.key
    RETURNING work.kind, work.key, work.started AS number, work.attempts
    """  # noqa: S608 - no value stands in it
)


def due(
    conn: Connection, kinds: Mapping[str, str | None], limit: int, moment: datetime | None = None
) -> list[Piece]:
    """Pieces of these kinds that are due and not running, oldest first; `moment` None = the clock's.

    `kinds`: each with the kind that comes first. A piece waits while that kind's piece of the same key runs or is due.
    """
    told = {"kinds": list(kinds), "firsts": list(kinds.values()), "moment": moment, "most": limit}
    return [Piece(*row) for row in conn.execute(_LIST_DUE, told)]


def take(conn: Connection, pieces: Collection[Piece], moment: datetime | None = None) -> list[Piece]:
    """Mark pieces as started, as far as they are still due and nobody else is taking them; as they stand now."""
    told = {"kinds": [p.kind for p in pieces], "keys": [p.key for p in pieces], "moment": moment}
    taken = {row[:2]: Piece(*row) for row in conn.execute(_TAKE, told)}
    return [taken[p[:2]] for p in pieces if p[:2] in taken]


def carry(conn: Connection, pieces: Collection[Piece], carrier: str) -> None:
    """Note the engine's run that carries out several pieces together."""
    chosen = tuple_(work.c.kind, work.c.key).in_([piece[:2] for piece in pieces])
    conn.execute(update(work).where(chosen).values(carrier=carrier))


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
    conn: Connection, pieces: Sequence[Piece], next_at: datetime | None, moment: datetime | None = None
) -> None:
    """These runs ended well. `next_at` asks for the next run; what was asked for meanwhile keeps its own time.

    A run that failed or was given up meanwhile (another `attempts`) changes nothing. `moment` None = the clock's.
    """
    told = {"next_at": next_at, "moment": moment}
    conn.execute(_FINISH, [{**piece._asdict(), **told} for piece in sorted(pieces)])


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


_CURRENT = text(
    """
    SELECT kind, key, number, attempts FROM work
    JOIN unnest(CAST(:kinds AS text[]), CAST(:keys AS text[]), CAST(:numbers AS bigint[]), CAST(:attempts AS int[]))
      AS piece(kind, key, number, attempts) USING (kind, key, attempts)
    WHERE started = number AND done < number
    """
)


def current(conn: Connection, pieces: Sequence[Piece]) -> list[Piece]:
    """Those of these runs that were handed out last and have not ended."""
    names = ("kinds", "keys", "numbers", "attempts")
    told = dict(zip(names, map(list, zip(*pieces, strict=True)), strict=True))
    return sorted(Piece(*row) for row in conn.execute(_CURRENT, told))


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


def running(conn: Connection, limit: int = 500) -> list[tuple[Piece, str | None]]:
    """Pieces that were handed out and have not ended, oldest first, each with its carrier."""
    query = (
        select(work.c.kind, work.c.key, work.c.started, work.c.attempts, work.c.carrier)
        .where(work.c.started > work.c.done)
        .order_by(work.c.updated_at, work.c.kind, work.c.key)
        .limit(limit)
    )
    return [(Piece(*row[:4]), row.carrier) for row in conn.execute(query)]


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
