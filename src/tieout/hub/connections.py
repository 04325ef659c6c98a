"""How each connection fares: read to its end, waiting for its budget, or in need of attention."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, complaints, events, exceptions, work
from tieout.hub.actors import SYSTEM
from tieout.hub.audit import plain
from tieout.hub.exceptions import NewException
from tieout.hub.refusals import NotFound
from tieout.store import clock, inbox
from tieout.store import connections as store
from tieout.telemetry.failpoints import fp

DEFAULT_POLL_SECONDS = 60


def read(conn: Connection, name: str) -> dict[str, Any] | None:
    """The row of a connection, with references to its secrets and never the secrets; None when there is none."""
    return store.read(conn, name)


def request_sync(conn: Connection, name: str) -> list[str]:
    """Ask for every object of a connection that is read at all to be read now; the objects."""
    row = store.read(conn, name)
    if row is None or not row["enabled"]:
        raise NotFound(f"There is no enabled connection {name!r}.")
    objects = store.objects_read(conn, name)
    work.request_all(conn, [("sync", f"{name}/{object}") for object in objects])
    return objects


def may_call(conn: Connection, name: str) -> tuple[dict[str, Any] | None, datetime | None]:
    """The connection if it is in use, and the moment before which it may not be called (None: call now)."""
    row = store.read(conn, name)
    if row is None or not row["enabled"]:
        return None, None
    until = row["blocked_until"]
    return row, until if until is not None and until > clock.now(conn) else None


def block(conn: Connection, name: str, seconds: int) -> datetime:
    """No call for that long (business time); the moment from which it may be called again."""
    until = clock.now(conn) + timedelta(seconds=max(1, seconds))
    store.block(conn, name, until)
    return until


def paused(conn: Connection, name: str, seconds: int, why: str) -> datetime:
    """The source says that its budget is spent: no call for that long; the audit says why nothing came meanwhile."""
    until = block(conn, name, seconds)
    complaints.budget(conn, name, until, plain(why))
    said = {"until": until.isoformat(), "why": plain(why)[:300]}
    audit.record(conn, SYSTEM, "pause", "connection", name, detail=said)
    return until


def failed(conn: Connection, name: str, why: str) -> None:
    """The connection needs attention; announced when it was fine before."""
    if store.set_state(conn, name, "attention", plain(why)[:500]):
        events.emit(conn, [events.NewEvent(events.SYNC_FAILED, name, None, {"why": plain(why)[:500]})])


def refused(conn: Connection, name: str, why: str, kind: str, key: str) -> None:
    """The credential was refused: a person must renew it; then the work (kind, key) is asked for again."""
    failed(conn, name, why)
    exceptions.open_exceptions(
        conn,
        [NewException("credential", name, f"{name} refused our credential: {why}",
                      evidence={"connection": name, "work": {"kind": kind, "key": key}})],
    )  # fmt: skip


def succeeded(conn: Connection, name: str) -> None:
    """The connection answered as it should; announced when it had needed attention."""
    if store.set_state(conn, name, "ok", None):
        events.emit(conn, [events.NewEvent(events.SYNC_RECOVERED, name, None, {})])
        exceptions.resolve(conn, "credential", [name], "the connection answers again")
    exceptions.resolve(conn, "budget-exhausted", [name], "the connection answers again")


def answered(conn: Connection, name: str) -> None:
    """A write succeeded: a credential that was refused before is good again, a budget that was spent is back."""
    held = store.read(conn, name)
    if held is not None and str(held["state_detail"] or "").startswith(complaints.NOTED):
        succeeded(conn, name)


def save_cursor(conn: Connection, name: str, object: str, read_from: str | None, cursor: str) -> bool:
    """Move the cursor on from where the page was read, in the transaction that received the page.

    False, and nothing moved, when another run moved it meanwhile: it never goes back.
    """
    moved = inbox.move_cursor(conn, name, object, read_from, cursor, clock.now(conn))
    fp("connections.cursor_saved")
    return moved


def read_to_the_end(conn: Connection, name: str) -> datetime:
    """The connection was read to its end now; the moment of its next poll."""
    moment = clock.now(conn)
    store.synced(conn, name, moment)
    row = store.read(conn, name)
    seconds = DEFAULT_POLL_SECONDS if row is None else row["config"].get("poll_seconds", DEFAULT_POLL_SECONDS)
    return moment + timedelta(seconds=max(1, int(seconds)))
