"""Intake: read what each source has to say, keep it, and take it into the canonical objects.

`sync` follows a source's changes, `sweep` compares what the source has with what came, `drift` compares its fields.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection

from tieout.connectors.kit.interface import (
    AuthFailed,
    Connector,
    Drift,
    RateLimited,
    Retryable,
    UnknownOutcome,
)
from tieout.flows.durable import Later, committed, environment, workflow
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
BUDGET_PAUSE_SECONDS = 60
"""What a source is left alone when it says that its budget is spent and not for how long."""
TROUBLE_PAUSE_SECONDS = 5
REFUSED_PAUSE_SECONDS = 60
UNREADABLE_PAUSE_SECONDS = 300
_MOST_HINTS = 1000

Outcome = dict[str, Any]
"""A call's answer, or {"later": moment, "why": text}, or {"gone": true} for a connection that is not in use.

`apply`: something new came or was set free.
"""


@workflow("sync", queue="intake")
def sync(key: str) -> Later | None:
    """Read one object of a connection to its end and apply what is new; due again after the poll interval."""
    connection, _, object = key.partition("/")
    return _later(read_to_the_end(connection, object))


@workflow("sweep", queue="intake", after="sync")
def sweep(key: str) -> Later | None:
    """Fetch what the last ten days of a source hold and the inbox lacks; due again in a day.

    What reading alone brings is no gap, so a poll that is due comes first: it reads in pages, this record by record.
    """
    connection, _, object = key.partition("/")
    return _later(fetch_gaps(connection, object))


@workflow("drift", queue="intake")
def drift(key: str) -> Later | None:
    """Compare a source's fields with those last seen; due again in a day."""
    return _later(compare_fields(key))


def _later(outcome: Outcome) -> Later | None:
    return Later(outcome["later"], outcome["why"]) if "later" in outcome else None


# --- what they do: several commits, of which a run that is repeated finds the last ---------------------


def read_to_the_end(connection: str, object: str) -> Outcome:
    """Read and apply page after page; when the next poll is due."""
    outside = environment()
    with outside.begin() as conn:
        begun = begin_read(conn, connection, object)
    more = True
    while more:
        page = read_page(outside, connection, object)
        if _stops(page):
            return page
        more = _applied(outside, connection, page)["more"]
    ended = committed(outside, lambda conn: end_read(conn, connection, object, begun))
    if ended.waited:
        apply_all(outside, connection)
    return {"later": ended.next, "why": "the next poll"}


def fetch_gaps(connection: str, object: str) -> Outcome:
    """Compare the source's records of the last days with the inbox, fetch what is missing and apply it."""
    outside = environment()

    def call(connector: Connector) -> Outcome:
        with outside.begin() as conn:
            now = clock.now(conn)
        swept = gaps.sweep(outside.begin, connection, connector, object, (now - SWEPT).date(), now.date())
        return {"later": now + DAY, "why": "the next sweep", "apply": swept.fetched > 0}

    outcome = guarded(outside, connection, ("sweep", f"{connection}/{object}"), call)
    return _applied(outside, connection, outcome)


def compare_fields(connection: str) -> Outcome:
    """Compare the source's description of itself with the fingerprint that is kept, and apply what that set free."""
    outside = environment()

    def call(connector: Connector) -> Outcome:
        described = connector.describe()
        with outside.begin() as conn:
            fields.check(conn, connection, described)
            later = clock.now(conn) + DAY
            return {"later": later, "why": "the next look", "apply": inbox.has_new(conn, connection)}

    return _applied(outside, connection, guarded(outside, connection, ("drift", connection), call))


# --- what they are made of ---------------------------------------------------------------------------


class Begun(NamedTuple):
    """What a read answers: the hints that came before it, and the rows (up to an id)."""

    hints: list[str]
    arrived: int


class Ended(NamedTuple):
    """An object was read to its end: how many rows that named what did not come are judged again; the next poll."""

    waited: int
    next: datetime


def begin_read(conn: Connection, connection: str, object: str) -> Begun:
    """What the read that follows answers."""
    hints = [row["event_id"] for row in store.open_hints(conn, connection, object, _MOST_HINTS)]
    return Begun(hints, store.last_id(conn))


def read_page(outside: Environment, connection: str, object: str) -> Outcome:
    """Fetch the next page and keep it; the cursor moves in the same commit, so it is never ahead of the inbox."""

    def call(connector: Connector) -> Outcome:
        with outside.begin() as conn:
            cursor = store.cursor_of(conn, connection, object)
        page = connector.changes(object, cursor)
        fp("intake.page_fetched")

        def keep(conn: Connection) -> Outcome:
            inbox.receive(conn, connection, page.changes)
            moved = connections.save_cursor(conn, connection, object, cursor, page.cursor)
            _readable_again(conn, connection, object)
            return {"more": page.more and moved, "apply": inbox.has_new(conn, connection)}

        kept = committed(outside, keep)
        fp("intake.page_kept")
        return kept

    return guarded(outside, connection, ("sync", f"{connection}/{object}"), call)


def end_read(conn: Connection, connection: str, object: str, begun: Begun) -> Ended:
    """The object was read to its end: its hints are answered, and what named something that did not come is judged."""
    waited = store.note_read(conn, connection, object, begun.arrived)
    store.close_hints(conn, connection, begun.hints)
    if len(begun.hints) == _MOST_HINTS:
        work.request(conn, "sync", f"{connection}/{object}")
    return Ended(waited, connections.read_to_the_end(conn, connection))


def apply_all(outside: Environment, connection: str) -> None:
    """Apply everything new of a connection, also what another object's arrival set free."""
    while apply_page(outside, connection):
        pass


def apply_page(outside: Environment, connection: str) -> bool:
    """Take a batch of new rows into the canonical objects and request what follows, in one commit; whether more wait.

    The attempt is counted in a commit before, so that rows which end the process are found and set aside.
    """
    ids = committed(outside, lambda conn: inbox.begin_apply(conn, connection))
    if not ids:
        return False
    fp("intake.apply_begun")

    def apply(conn: Connection) -> bool:
        applied = inbox.apply_new(conn, connection, ids=ids)
        react(conn, applied.events)
        fp("intake.applying")
        return applied.taken > 0 and inbox.has_new(conn, connection)

    more = committed(outside, apply)
    fp("intake.applied")
    return more


def _applied(outside: Environment, connection: str, outcome: Outcome) -> Outcome:
    if outcome.get("apply"):
        apply_all(outside, connection)
    return outcome


def _stops(outcome: Outcome) -> bool:
    return "later" in outcome or "gone" in outcome


# --- calling a source --------------------------------------------------------------------------------


def guarded(
    outside: Environment, connection: str, piece: tuple[str, str], call: Callable[[Connector], Outcome]
) -> Outcome:
    """Call a source unless it may not be called now; what it refuses or cannot do becomes a moment to try again.

    Passing trouble with no stated moment is raised: the work backs off, and after enough failures a person sees it.
    """
    with outside.begin() as conn:
        row, until = connections.may_call(conn, connection)
    if row is None:
        return {"gone": True}
    if until is not None:
        return {"later": until, "why": f"{connection} may not be called before"}
    try:
        outcome = call(outside.opened(row))
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
    if row["state"] != "ok" or row["state_detail"] is not None:
        with outside.begin() as conn:
            connections.succeeded(conn, connection)
    return outcome


def _pause(outside: Environment, connection: str, seconds: int, why: str) -> Outcome:
    with outside.begin() as conn:
        until = connections.paused(conn, connection, seconds, why)
    return {"later": until, "why": why}


def _trouble(outside: Environment, connection: str, why: str) -> None:
    with outside.begin() as conn:
        connections.block(conn, connection, TROUBLE_PAUSE_SECONDS)
        connections.failed(conn, connection, why)


def _refused(outside: Environment, connection: str, piece: tuple[str, str], why: str) -> Outcome:
    outside.forget(connection)
    with outside.begin() as conn:
        connections.refused(conn, connection, why, *piece)
        until = connections.block(conn, connection, REFUSED_PAUSE_SECONDS)
    return {"later": until, "why": why}


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
    return {"later": at, "why": why}


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
