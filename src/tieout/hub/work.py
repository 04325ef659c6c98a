"""What must be done, remembered in our own table: requested in the transaction of its cause, carried out by the flows.

A piece of work has a kind (which flow) and a key (a business key). Many requests before a run starts are one run; a
request during a run makes another run after it, so nothing that was asked for is lost and nothing runs twice at once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from tieout.store import work as store
from tieout.telemetry.failpoints import fp


def request(conn: Connection, kind: str, key: str, due_at: datetime | None = None) -> None:
    """Ask for one piece of work, now or at a moment of business time."""
    request_all(conn, [(kind, key)], due_at)


def request_all(
    conn: Connection, pieces: Collection[tuple[str, str]], due_at: datetime | None = None
) -> None:
    """Ask for pieces of work (kind, key) in one statement."""
    if not pieces:
        return
    store.request(conn, set(pieces), due_at)
    fp("work.requested")
