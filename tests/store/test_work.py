"""The work table: many requests are one run, a request during a run makes another, nothing runs twice at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.hub.builders import MOMENT
from tieout.hub import work as hub
from tieout.store import clock
from tieout.store import work as store
from tieout.store.work import Piece

SOON = timedelta(minutes=1)


@pytest.fixture
def conn(conn: Connection) -> Connection:
    """A connection at a set moment."""
    clock.set_now(conn, MOMENT)
    return conn


def take(conn: Connection, moment: datetime = MOMENT) -> list[tuple[str, int, int]]:
    """What is handed out: (key, number, attempts)."""
    taken = store.take(conn, store.due(conn, {"rate": None}, 10, moment), moment)
    return [(piece.key, piece.number, piece.attempts) for piece in taken]


def row(conn: Connection, key: str = "K-1") -> dict[str, Any]:
    """The whole row of a piece of work."""
    return store.read(conn, [("rate", key)])[0]


def end(conn: Connection, number: int, attempts: int = 0, next_at: datetime | None = None) -> None:
    """The run ended well."""
    store.finish(conn, [Piece("rate", "K-1", number, attempts)], next_at, MOMENT)


def fail(conn: Connection, number: int, attempts: int = 0) -> int:
    """The run failed; it is due again in a minute."""
    return store.fail(conn, "rate", "K-1", number, attempts, "no rate", MOMENT + SOON, MOMENT)


def test_many_requests_before_a_run_are_one_run(conn: Connection) -> None:
    hub.request_all(conn, [("rate", "K-1"), ("rate", "K-2")])
    hub.request(conn, "rate", "K-1")
    assert take(conn) == [("K-1", 2, 0), ("K-2", 1, 0)]
    assert take(conn) == [], "what runs is not handed out again"
    end(conn, 2)
    assert take(conn) == []
    assert store.outstanding(conn, MOMENT) == {"running": 1, "due": 0, "later": 0, "next_at": None}


def test_a_request_during_a_run_makes_another_run(conn: Connection) -> None:
    hub.request(conn, "rate", "K-1")
    assert take(conn) == [("K-1", 1, 0)]
    hub.request(conn, "rate", "K-1")
    assert take(conn) == []
    end(conn, 1, next_at=MOMENT + SOON)
    assert take(conn) == [("K-1", 2, 0)], "what was asked for meanwhile is due at once"


def test_the_earlier_moment_wins(conn: Connection) -> None:
    hub.request(conn, "rate", "K-1", MOMENT + SOON)
    hub.request(conn, "rate", "K-1", MOMENT + 2 * SOON)
    assert (take(conn), row(conn)["due_at"]) == ([], MOMENT + SOON)
    hub.request(conn, "rate", "K-1")
    assert take(conn) == [("K-1", 3, 0)]


def test_later_is_one_more_run_at_its_moment(conn: Connection) -> None:
    hub.request(conn, "rate", "K-1")
    take(conn)
    end(conn, 1, next_at=MOMENT + SOON)
    assert take(conn) == []
    assert take(conn, MOMENT + SOON) == [("K-1", 2, 0)]


def test_a_failed_run_is_due_again_with_its_failures_counted(conn: Connection) -> None:
    hub.request(conn, "rate", "K-1")
    take(conn)
    assert fail(conn, 1) == 1
    assert (take(conn), row(conn)["last_error"]) == ([], "no rate")
    assert take(conn, MOMENT + SOON) == [("K-1", 1, 1)]
    assert fail(conn, 1, attempts=1) == 2
    hub.request(conn, "rate", "K-1")
    assert take(conn) == [("K-1", 2, 2)], "asked for anew it runs at once, the failures still counted"
    end(conn, 2, attempts=2)
    assert (row(conn)["attempts"], row(conn)["last_error"]) == (0, None)


def test_a_run_that_failed_while_it_was_asked_for_is_due_at_once(conn: Connection) -> None:
    hub.request(conn, "rate", "K-1")
    take(conn)
    hub.request(conn, "rate", "K-1")
    fail(conn, 1)
    assert take(conn) == [("K-1", 2, 1)]


def test_a_run_that_was_given_up_can_end_nothing(conn: Connection) -> None:
    hub.request(conn, "rate", "K-1")
    take(conn)
    assert fail(conn, 1) == 1, "given up by the sweeper"
    assert take(conn, MOMENT + SOON) == [("K-1", 1, 1)]
    end(conn, 1, attempts=0)
    assert fail(conn, 1, attempts=0) == 0
    assert [piece.attempts for piece, _ in store.running(conn)] == [1], "only the newest run counts"
    newest, older = Piece("rate", "K-1", 1, 1), Piece("rate", "K-1", 1, 0)
    assert store.current(conn, [newest, older]) == [newest]
    end(conn, 1, attempts=1)
    assert store.running(conn) == []
    assert store.current(conn, [newest]) == []


def test_pieces_carried_together_name_their_run_until_they_are_taken_anew(conn: Connection) -> None:
    hub.request_all(conn, [("rate", "K-1"), ("rate", "K-2")])
    pieces = store.take(conn, store.due(conn, {"rate": None}, 10, MOMENT), MOMENT)
    store.carry(conn, pieces, "rate/K-1/1.0")
    assert store.running(conn) == [(piece, "rate/K-1/1.0") for piece in pieces]
    store.finish(conn, pieces, None, MOMENT)
    hub.request(conn, "rate", "K-2")
    assert take(conn) == [("K-2", 2, 0)]
    assert [carrier for _, carrier in store.running(conn)] == [None]


def test_scheduling_leaves_alone_what_is_asked_for(conn: Connection) -> None:
    assert store.schedule(conn, {("rate", "K-1")}, MOMENT + SOON, MOMENT) == 1
    assert store.schedule(conn, {("rate", "K-1"), ("rate", "K-2")}, MOMENT, MOMENT) == 1
    assert row(conn)["due_at"] == MOMENT + SOON
    assert store.schedule(conn, set(), MOMENT, MOMENT) == 0


def test_what_a_run_asks_of_itself_for_later_waits_until_then(conn: Connection) -> None:
    """A run that requests its own next run at a later day is not due at once when it ends."""
    now = datetime(2026, 1, 5, tzinfo=MOMENT.tzinfo)
    later = now + timedelta(days=10)
    store.request(conn, {("rate", "C-1")}, now, now)
    [run] = store.take(conn, store.due(conn, {"rate": None}, 10, now), now)
    store.request(conn, {("rate", "C-1")}, later, now)
    store.finish(conn, [run], None, now)
    assert store.due(conn, {"rate": None}, 10, now) == []
    assert [piece.key for piece in store.due(conn, {"rate": None}, 10, later)] == ["C-1"]
