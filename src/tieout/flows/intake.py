"""Intake: read what each source has to say, keep it, and take it into the canonical objects.

`sync` follows a source's changes, `sweep` compares what the source has with what came, `drift` compares its fields.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tieout.connectors.kit.interface import (
    AuthFailed,
    Connector,
    Drift,
    RateLimited,
    Retryable,
    UnknownOutcome,
)
from tieout.flows.durable import Later, committed, environment, step, transaction, workflow
from tieout.flows.environment import Environment
from tieout.flows.reactions import react
from tieout.hub import connections, exceptions, inbox, work
from tieout.hub import drift as fields
from tieout.hub import sweep as gaps
from tieout.hub.exceptions import NewException
from tieout.hub.refusals import Refusal
from tieout.store import clock
from tieout.store import connections as connection_store
from tieout.store import inbox as store
from tieout.store import work as work_store
from tieout.telemetry.failpoints import fp

SWEPT = timedelta(days=10)
DAY = timedelta(days=1)
AFTER_POLL = timedelta(minutes=1)
BUDGET_PAUSE_SECONDS = 60
"""What a source is left alone when it says that its budget is spent and not for how long."""
TROUBLE_PAUSE_SECONDS = 5
REFUSED_PAUSE_SECONDS = 60
UNREADABLE_PAUSE_SECONDS = 300
_MOST_HINTS = 1000

Outcome = dict[str, Any]
"""A call's answer, or {"later": moment, "why": text}, or {"gone": true} for a connection that is not in use."""


@workflow("sync", queue="intake")
def sync(key: str) -> Later | None:
    """Read one object of a connection to its end and apply what is new; due again after the poll interval."""
    connection, _, object = key.partition("/")
    begun = begin_read(connection, object)
    page = read_on(connection, object)
    if _stops(page):
        return _later(page)
    ended = end_read(connection, object, begun)
    if ended["waited"]:
        apply_all(connection)
    return Later(datetime.fromisoformat(ended["next"]), "the next poll")


@workflow("sweep", queue="intake")
def sweep(key: str) -> Later | None:
    """Fetch what the last ten days of a source hold and the inbox lacks; due again in a day.

    What reading alone brings is no gap, so a poll that is due comes first: it reads in pages, this record by record.
    """
    connection, _, object = key.partition("/")
    after_poll = poll_first(key)
    if after_poll is not None:
        return Later(datetime.fromisoformat(after_poll), "the poll that is due comes first")
    swept = fetch_gaps(connection, object)
    if _stops(swept):
        return _later(swept)
    apply_all(connection)
    return Later(datetime.fromisoformat(swept["next"]), "the next sweep")


@workflow("drift", queue="intake")
def drift(key: str) -> Later | None:
    """Compare a source's fields with those last seen; due again in a day."""
    described = compare_fields(key)
    if _stops(described):
        return _later(described)
    apply_all(key)
    return Later(datetime.fromisoformat(described["next"]), "the next look")


def read_on(connection: str, object: str) -> Outcome:
    """Read and apply page after page to the end; the last call's answer."""
    while True:
        page = read_page(connection, object)
        if page.get("apply", True):
            apply_all(connection)
        if _stops(page) or not page["more"]:
            return page


def _stops(outcome: Outcome) -> bool:
    return "later" in outcome or "gone" in outcome


def _later(outcome: Outcome) -> Later | None:
    return Later(datetime.fromisoformat(outcome["later"]), outcome["why"]) if "later" in outcome else None


def apply_all(connection: str) -> None:
    """Apply everything new of a connection, also what another object's arrival set free."""
    while apply_page(connection)["more"]:
        pass


# --- steps -------------------------------------------------------------------------------------------


@step
def begin_read(connection: str, object: str) -> dict[str, Any]:
    """What the read that follows answers: the hints that came, and the rows that came before it (up to an id)."""
    with environment().begin() as conn:
        hints = [row["event_id"] for row in store.open_hints(conn, connection, object, _MOST_HINTS)]
        return {"hints": hints, "arrived": store.last_id(conn)}


@step
def read_page(connection: str, object: str) -> Outcome:
    """Fetch the next page and keep it; the cursor moves in the same commit, so it is never ahead of the inbox."""
    outside = environment()

    def call(connector: Connector) -> Outcome:
        with outside.begin() as conn:
            cursor = store.cursor_of(conn, connection, object)
        page = connector.changes(object, cursor)
        fp("intake.page_fetched")

        def keep(conn: Connection) -> Outcome:
            received = inbox.receive(conn, connection, page.changes)
            moved = connections.save_cursor(conn, connection, object, cursor, page.cursor)
            connections.succeeded(conn, connection)
            _readable_again(conn, connection, object)
            to_apply = inbox.has_new(conn, connection)
            return {"new": received.new, "more": page.more and moved, "apply": to_apply}

        kept = committed(outside, keep)
        fp("intake.page_kept")
        return kept

    return guarded(outside, connection, ("sync", f"{connection}/{object}"), call)


@step
def apply_page(connection: str) -> Outcome:
    """Take a batch of new rows into the canonical objects and request what follows, in one commit; whether more wait.

    The attempt is counted in a commit before, so that rows which end the process are found and set aside.
    """
    outside = environment()
    ids = committed(outside, lambda conn: inbox.begin_apply(conn, connection))
    if not ids:
        return {"more": False}
    fp("intake.apply_begun")

    def apply(conn: Connection) -> bool:
        applied = inbox.apply_new(conn, connection, ids=ids)
        react(conn, applied.events)
        fp("intake.applying")
        return applied.taken > 0 and inbox.has_new(conn, connection)

    more = committed(outside, apply)
    fp("intake.applied")
    return {"more": more}


@transaction
def poll_first(conn: Connection, key: str) -> str | None:
    """When to sweep instead, while the object's poll runs or is due."""
    if not work.is_open(conn, "sync", key):
        return None
    return (clock.now(conn) + AFTER_POLL).isoformat()


@transaction
def end_read(conn: Connection, connection: str, object: str, begun: dict[str, Any]) -> dict[str, Any]:
    """The object was read to its end: {"waited": rows to judge again that named what did not come, "next": poll}."""
    waited = store.note_read(conn, connection, object, begun["arrived"])
    store.close_hints(conn, connection, begun["hints"])
    if len(begun["hints"]) == _MOST_HINTS:
        work.request(conn, "sync", f"{connection}/{object}")
    return {"waited": waited, "next": connections.read_to_the_end(conn, connection).isoformat()}


@step
def fetch_gaps(connection: str, object: str) -> Outcome:
    """Compare the source's records of the last days with the inbox and fetch what is missing."""
    outside = environment()

    def call(connector: Connector) -> Outcome:
        with outside.begin() as conn:
            now = clock.now(conn)
        swept = gaps.sweep(outside.begin, connection, connector, object, (now - SWEPT).date(), now.date())
        return {"missing": len(swept.missing), "next": (now + DAY).isoformat()}

    return guarded(outside, connection, ("sweep", f"{connection}/{object}"), call)


@step
def compare_fields(connection: str) -> Outcome:
    """Compare the source's description of itself with the fingerprint that is kept."""
    outside = environment()

    def call(connector: Connector) -> Outcome:
        described = connector.describe()
        with outside.begin() as conn:
            fields.check(conn, connection, described)
            return {"next": (clock.now(conn) + DAY).isoformat()}

    return guarded(outside, connection, ("drift", connection), call)


# --- calling a source --------------------------------------------------------------------------------


def guarded(
    outside: Environment, connection: str, piece: tuple[str, str], call: Callable[[Connector], Outcome]
) -> Outcome:
    """Call a source unless it may not be called now; what it refuses or cannot do becomes a moment to try again.

    Passing trouble with no stated moment is raised: the work backs off, and after enough failures a person sees it.
    """
    with outside.begin() as conn:
        in_use, until = connections.may_call(conn, connection)
    if not in_use:
        return {"gone": True}
    if until is not None:
        return {"later": until.isoformat(), "why": f"{connection} may not be called before"}
    try:
        return call(outside.connector(connection))
    except RateLimited as error:
        return _pause(outside, connection, error.after_seconds or BUDGET_PAUSE_SECONDS, error.message)
    except (Retryable, UnknownOutcome) as error:
        if error.after_seconds is not None:
            return _pause(outside, connection, error.after_seconds, error.message)
        _trouble(outside, connection, error.message)
        raise
    except AuthFailed as error:
        return _refused(outside, connection, piece, error.message)
    except Refusal as error:  # a secret that cannot be read, an address that is not allowed
        return _refused(outside, connection, piece, str(error))
    except Drift as error:
        return _unreadable(outside, connection, piece, error.message)


def _pause(outside: Environment, connection: str, seconds: int, why: str) -> Outcome:
    with outside.begin() as conn:
        until = connections.paused(conn, connection, seconds, why)
    return {"later": until.isoformat(), "why": why}


def _trouble(outside: Environment, connection: str, why: str) -> None:
    with outside.begin() as conn:
        connections.block(conn, connection, TROUBLE_PAUSE_SECONDS)
        connections.failed(conn, connection, why)


def _refused(outside: Environment, connection: str, piece: tuple[str, str], why: str) -> Outcome:
    outside.forget(connection)
    with outside.begin() as conn:
        connections.refused(conn, connection, why, *piece)
        until = connections.block(conn, connection, REFUSED_PAUSE_SECONDS)
    return {"later": until.isoformat(), "why": why}


def _unreadable(outside: Environment, connection: str, piece: tuple[str, str], why: str) -> Outcome:
    """The answer has another shape: shown to a person, and the fields are compared at once."""
    kind, key = piece
    with outside.begin() as conn:
        exceptions.open_exceptions(
            conn,
            [NewException("invalid-payload", key, f"the answer to {kind} cannot be read: {why}",
                          evidence={"connection": connection, "work": {"kind": kind, "key": key}})],
        )  # fmt: skip
        if kind != "drift":
            work.request(conn, "drift", connection)
        at = clock.now(conn) + timedelta(seconds=UNREADABLE_PAUSE_SECONDS)
    return {"later": at.isoformat(), "why": why}


def _readable_again(conn: Connection, connection: str, object: str) -> None:
    exceptions.resolve(conn, "invalid-payload", [f"{connection}/{object}"], "the answer can be read again")


# --- schedules ---------------------------------------------------------------------------------------


def schedule_reads(outside: Environment) -> None:
    """See to it that every object of every enabled connection is read, swept and compared from now on."""
    with outside.begin() as conn:
        names = [row["name"] for row in connection_store.enabled(conn)]
    pieces: set[tuple[str, str]] = set()
    for name in names:
        if outside.has_connector(name):
            pieces |= _reads_of(outside, name)
    with outside.begin() as conn:
        moment = clock.now(conn)
        work_store.schedule(conn, pieces, moment, moment)


def _reads_of(outside: Environment, name: str) -> set[tuple[str, str]]:
    try:
        objects = outside.connector(name).objects()
    except Refusal:  # the daily look meets the same refusal and shows it to a person
        return {("drift", name)}
    keys = [f"{name}/{object}" for object in objects]
    return {("drift", name), *(("sync", key) for key in keys), *(("sweep", key) for key in keys)}
