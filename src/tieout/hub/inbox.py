"""The inbox's front: facts and hints in, canonical versions and events out.

`receive` and `receive_hints` store what came; `begin_apply` counts the attempt (commit it), `apply_new` takes the new
rows into the canonical objects. A row that fails alone is set aside with its exception; other keys go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from tieout.hub import audit, exceptions
from tieout.hub.actors import SYSTEM
from tieout.hub.applying import Page, apply_page, evidence_of
from tieout.hub.events import Event, NewEvent
from tieout.hub.receiving import Received, receive, receive_hints
from tieout.hub.settings import Settings, load_settings
from tieout.store import canonical, clock
from tieout.store import inbox as store
from tieout.telemetry.failpoints import fp

__all__ = ["Applied", "Received", "apply_new", "begin_apply", "has_new", "receive", "receive_hints"]

MOST_ATTEMPTS = 5
"""A row that was begun this often without an end, the last time alone, is set aside as poison."""


@dataclass(frozen=True)
class Applied:
    """Events to react to (also the internal, unstored ones) and rows by outcome; `taken` 0 = nothing was new."""

    events: tuple[Event | NewEvent, ...]
    counts: dict[str, int]

    @property
    def taken(self) -> int:
        """Rows that were looked at."""
        return sum(self.counts.values())


def has_new(conn: Connection, connection: str) -> bool:
    """Whether rows of a connection wait to be taken in."""
    return store.has_new(conn, connection)


def begin_apply(conn: Connection, connection: str, limit: int = 2000) -> list[int]:
    """Count an attempt on the next rows and return their ids for `apply_new`; the caller commits this first.

    Rows whose attempts ended in a crash come in ever smaller batches, at last alone; then they are `poison`.
    """
    attempts = store.oldest_attempts(conn, connection)
    size = max(1, limit // 8**attempts)
    if attempts < MOST_ATTEMPTS:
        return store.begin(conn, connection, size, attempts)
    for row in store.take(conn, connection, 1, store.begin(conn, connection, 1, attempts)):
        _poison(conn, connection, row, f"it ended the process {attempts} times")
    return store.begin(conn, connection, limit, 0) if store.oldest_attempts(conn, connection) == 0 else []


def apply_new(
    conn: Connection, connection: str, limit: int = 2000, ids: Collection[int] | None = None
) -> Applied:
    """Take new rows (those of `ids`, else up to `limit`) into the canonical objects; call until `taken` is 0."""
    store.lock_links(conn, connection)
    rows = store.take(conn, connection, limit, ids)
    if not rows:
        return Applied((), {})
    fp("inbox.applying")
    settings = load_settings(conn, connection)
    mappings = [settings.mappings.inbound(row["object"]) for row in rows]
    canonical.lock_types(conn, {mapping.canonical for mapping in mappings if mapping is not None})
    page = _apply(conn, settings, rows)
    fp("inbox.applied")
    return Applied(tuple(page.events), dict(page.counts))


def _apply(conn: Connection, settings: Settings, rows: Sequence[dict[str, Any]]) -> Page:
    """Apply the rows together; where that fails, halve until the row that fails is alone."""
    try:
        with conn.begin_nested():
            return apply_page(conn, settings, rows)
    except (OperationalError, InterfaceError):
        raise  # the database or a lock, not the rows: the whole transaction is tried again by its caller
    except Exception as error:
        if len(rows) == 1:
            _poison(conn, settings.connection, rows[0], f"{type(error).__name__}: {str(error)[:300]}")
            return Page([], Counter({"refused": 1}))
    middle = len(rows) // 2
    first, second = _apply(conn, settings, rows[:middle]), _apply(conn, settings, rows[middle:])
    return Page(first.events + second.events, first.counts + second.counts)


def _poison(conn: Connection, connection: str, row: dict[str, Any], why: str) -> None:
    store.settle(conn, [(row["id"], "refused", audit.plain(why))], clock.now(conn))
    key = f"{row['object']} {row['source_id']}"
    exceptions.open_exceptions(
        conn, [exceptions.NewException("poison", key, f"the record could not be taken in: {why}",
                                       evidence=evidence_of(connection, row))],
    )  # fmt: skip
    audit.record(conn, SYSTEM, "refuse", "inbox", key, detail={"connection": connection, "inbox": row["id"]})
