"""Which runs are begun of due work: as many as there is room for, and what goes together in one."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.flows.durable import MOST_TOGETHER, flows
from tieout.flows.workers.dispatcher import ROOM, choose
from tieout.flows.workers.pace import BETWEEN_RUNS_SECONDS, Rests
from tieout.store.work import Piece


def piece(kind: str, key: str, attempts: int = 0) -> Piece:
    """A piece of work that is due."""
    return Piece(kind, key, 1, attempts)


def chosen(due: Sequence[Piece], running: Sequence[Piece] = ()) -> list[list[str]]:
    """The keys of each run that is begun."""
    return [[one.key for one in run] for run in choose(due, running, flows())]


def test_a_queue_takes_what_it_has_room_for() -> None:
    due = [piece("setup", f"K-{number}") for number in range(20)]
    assert chosen(due) == [[one.key] for one in due[: ROOM["flows"]]]
    assert chosen(due, due[: ROOM["flows"] - 1]) == [["K-0"]]


def test_a_full_queue_holds_up_no_other() -> None:
    full = [piece("setup", f"K-{number}") for number in range(ROOM["flows"])]
    assert chosen([piece("setup", "K-99"), piece("bill", "R-1/0")], full) == [["R-1/0"]]


def test_a_connection_is_read_twice_at_once_at_most() -> None:
    due = [piece("sync", f"slow/{name}") for name in "abc"] + [piece("sync", "quick/a")]
    assert chosen(due) == [["slow/a"], ["slow/b"], ["quick/a"]]


def test_contracts_that_are_due_together_are_rated_together() -> None:
    due = [piece("rate", f"K-{number}") for number in range(MOST_TOGETHER + 5)]
    [run] = choose(due, [], flows())
    assert run == due[:MOST_TOGETHER]


def test_while_one_run_rates_what_comes_due_waits_for_the_next() -> None:
    assert chosen([piece("rate", "K-2"), piece("bill", "R-1/0")], [piece("rate", "K-1")]) == [["R-1/0"]]


def test_what_failed_before_is_rated_alone() -> None:
    due = [piece("rate", "K-1"), piece("rate", "K-2", attempts=1), piece("rate", "K-3")]
    assert chosen(due) == [["K-1", "K-3"]]
    assert chosen([due[1], due[0]]) == [["K-2"]]


def test_what_was_begun_a_moment_ago_waits_for_what_follows_it() -> None:
    now = 100.0
    rests = Rests(lambda: now)
    first, second = piece("sync", "crm/Account"), piece("sync", "crm/Contract")
    rests.begin([first])
    assert rests.over([first._replace(number=2), second]) == [second]
    now += BETWEEN_RUNS_SECONDS
    assert rests.over([first]) == [first]
