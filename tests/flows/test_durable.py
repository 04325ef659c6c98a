"""Flows run from the work table, inline and in workers: each piece once, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from tests.hub.builders import MOMENT
from tieout.bootstrap import Settings
from tieout.flows import durable
from tieout.flows.durable import Later
from tieout.flows.environment import Environment
from tieout.hub import exceptions, work
from tieout.hub.refusals import Invalid
from tieout.store import clock
from tieout.store import work as store

KIND = "test-counting"


@pytest.fixture
def outside(engine: Engine) -> Environment:
    """An environment at a set moment."""
    with engine.begin() as conn:
        clock.set_now(conn, MOMENT)
    return Environment(engine, Settings(Path("/nowhere")))


class Counting:
    """A flow for tests that notes its runs and answers as told."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.answers: dict[str, Later | Exception] = {}

    def __call__(self, key: str) -> Later | None:
        self.runs.append(key)
        answer = self.answers.get(key)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def counting() -> Iterator[Counting]:
    """The flow, registered for one test."""
    flow = Counting()
    durable.workflow(KIND, queue="flows")(flow)
    yield flow
    durable._flows.pop(KIND)


def request(outside: Environment, *keys: str) -> None:
    """Ask for work, committed."""
    with outside.begin() as conn:
        work.request_all(conn, [(KIND, key) for key in keys])


def advance(outside: Environment, by: timedelta) -> None:
    """Move business time."""
    with outside.begin() as conn:
        clock.set_now(conn, clock.now(conn) + by)


def poisons(outside: Environment) -> list[str]:
    """Keys of the open poison exceptions."""
    with outside.begin() as conn:
        return [row["key"] for row in exceptions.listed(conn, {"kind": "poison"}).rows]


def test_due_work_runs_once_in_order(outside: Environment, counting: Counting) -> None:
    request(outside, "b", "a")
    assert durable.run_due(outside) == 2
    assert counting.runs == ["a", "b"]
    assert durable.run_due(outside) == 0


def test_only_the_kinds_asked_for_run(outside: Environment, counting: Counting) -> None:
    request(outside, "a")
    assert durable.run_due(outside, ["sync"]) == 0
    assert durable.run_due(outside, [KIND, "no-such-kind"]) == 1


def test_later_waits_for_the_injected_clock(outside: Environment, counting: Counting) -> None:
    counting.answers["a"] = Later(MOMENT + timedelta(days=30), "the month's end")
    request(outside, "a")
    assert durable.run_due(outside) == 1
    advance(outside, timedelta(days=29))
    assert durable.run_due(outside) == 0
    advance(outside, timedelta(days=1))
    counting.answers.clear()
    assert durable.run_due(outside) == 1
    assert counting.runs == ["a", "a"]


def test_failures_back_off_and_become_poison_until_a_success(
    outside: Environment, counting: Counting
) -> None:
    """5, 10, 20, … seconds, never more than 15 minutes; shown to a person after eight in a row; tried on."""
    counting.answers["a"] = Invalid("The rate is missing.")
    request(outside, "a")
    for failures in range(1, 12):
        assert durable.run_due(outside) == 1
        with outside.begin() as conn:
            row = store.read(conn, [(KIND, "a")])[0]
            wait = row["due_at"] - clock.now(conn)
        assert wait == min(timedelta(seconds=5 * 2 ** (failures - 1)), timedelta(minutes=15))
        assert (row["attempts"], row["last_error"]) == (failures, "Invalid: TIE-101 The rate is missing.")
        assert poisons(outside) == ([f"{KIND} a"] if failures >= 8 else [])
        advance(outside, wait)
    counting.answers.clear()
    assert durable.run_due(outside) == 1
    assert poisons(outside) == []


def test_a_flow_that_asks_for_itself_without_end_is_stopped(outside: Environment, counting: Counting) -> None:
    counting.answers["a"] = Later(MOMENT, "nothing")
    request(outside, "a")
    with pytest.raises(RuntimeError, match="without end"):
        durable.run_due(outside)


@durable.transaction
def note(conn: Connection, key: str) -> str:
    """Ask for more work, as a transaction of a flow."""
    work.request(conn, KIND, key)
    return key


def test_a_transaction_commits_alone_or_not_at_all(outside: Environment) -> None:
    @durable.transaction
    def fails(conn: Connection) -> None:
        work.request(conn, KIND, "never")
        raise ValueError("too late")

    with durable.bound(outside):
        assert note("x") == "x"
        with pytest.raises(ValueError, match="too late"):
            fails()
        assert durable.environment() is outside
    with outside.begin() as conn:
        assert [row["key"] for row in store.read(conn, [(KIND, "x"), (KIND, "never")])] == ["x"]


def test_outside_a_run_a_transaction_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="no flow runs here"):
        note("x")


def test_a_queue_must_be_one_of_ours() -> None:
    with pytest.raises(ValueError, match="no queue"):
        durable.workflow("x", queue="other")
