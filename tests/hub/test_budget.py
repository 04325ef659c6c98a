"""A spent call budget passes by itself; when it lasts a person hears of it, once, until the system answers again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from tests.hub.builders import MOMENT, prepare
from tests.hub.target import bench
from tieout.connectors.kit.interface import RateLimited
from tieout.hub import connections, exceptions
from tieout.store import clock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def hub(conn: Connection) -> Connection:
    prepare(conn)
    return conn


def opened(conn: Connection) -> list[tuple[str, str]]:
    return [(row["kind"], row["key"]) for row in exceptions.listed(conn).rows]


def pause_at(conn: Connection, minute: int, seconds: int) -> None:
    clock.set_now(conn, MOMENT + minute * MINUTE)
    connections.paused(conn, "kantata", seconds, "429")


def test_a_short_pause_is_nobodys_work(hub: Connection) -> None:
    pause_at(hub, 0, 899)
    assert opened(hub) == []
    connections.succeeded(hub, "kantata")
    pause_at(hub, 30, 60)  # another one, later: what passed in between does not count
    assert opened(hub) == []


@pytest.mark.parametrize("pauses", [[(0, 900)], [(0, 60), (5, 60), (14, 60)]])
def test_a_budget_that_stays_spent_for_a_quarter_of_an_hour_is_shown_until_calls_succeed(
    hub: Connection, pauses: list[tuple[int, int]]
) -> None:
    """One pause of 15 minutes, or refusals from minute 0 on with the next call allowed at minute 15: 14 + 1."""
    for minute, seconds in pauses:
        pause_at(hub, minute, seconds)
    assert opened(hub) == [("budget-exhausted", "kantata")]
    (row,) = exceptions.listed(hub).rows
    assert "since 2026-" in row["cause"]
    held = connections.read(hub, "kantata")
    assert held is not None
    assert held["state"] == "ok"
    connections.succeeded(hub, "kantata")
    assert opened(hub) == []


def test_a_target_whose_budget_stays_spent_is_shown_too(engine: Engine) -> None:
    """An hour is stated; the command goes out afterwards and closes it."""
    ledger = bench(engine)
    one = ledger.put()
    ledger.target.script = [RateLimited("daily limit", after_seconds=3600)]
    ledger.deliver(one)
    assert ledger.open() == {("budget-exhausted", "ledger")}
    assert ledger.until_ended(one).state == "done"
    assert ledger.open() == set()
