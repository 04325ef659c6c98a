"""A flow remembers its steps: a re-run skips what is done, and what ended stays ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from tests.hub.builders import MOMENT
from tieout.hub import flows
from tieout.hub.actors import Actor
from tieout.hub.refusals import Invalid, NotFound
from tieout.store import clock


@pytest.fixture(autouse=True)
def _moment(conn: Connection) -> None:
    clock.set_now(conn, MOMENT)


def test_opening_twice_is_one_flow_and_a_waiting_one_runs_again(conn: Connection) -> None:
    one = flows.open_flow(conn, "project_setup", "K-1", {"legal_entity": "US01"})
    flows.wait(conn, one, "the customer in the ERP")
    assert flows.show(conn, one)["waiting_for"] == "the customer in the ERP"
    assert flows.open_flow(conn, "project_setup", "K-1") == one
    shown = flows.show(conn, one)
    assert (shown["state"], shown["waiting_for"], shown["detail"]) == (
        "running",
        None,
        {"legal_entity": "US01"},
    )


def test_steps_keep_their_order_count_attempts_and_stay_done(conn: Connection) -> None:
    one = flows.open_flow(conn, "project_setup", "K-1")
    flows.mark(conn, one, "zeta", "waiting")
    flows.mark(conn, one, "alpha", "done", {"id": "7"})
    flows.mark(conn, one, "zeta", "done", {"id": "8"})
    flows.mark(conn, one, "zeta", "failed", {"id": "9"})
    assert [(s["step"], s["state"], s["attempts"]) for s in flows.show(conn, one)["steps"]] == [
        ("zeta", "done", 2),
        ("alpha", "done", 1),
    ]
    assert flows.steps_done(conn, one) == {"zeta": {"id": "8"}, "alpha": {"id": "7"}}
    assert flows.done(conn, one, "beta") is None


def test_an_undone_step_stays_undone(conn: Connection) -> None:
    one = flows.open_flow(conn, "project_setup", "K-1")
    flows.mark(conn, one, "job", "done")
    flows.compensating(conn, one)
    flows.mark(conn, one, "job", "undone")
    flows.mark(conn, one, "job", "done")
    assert flows.done(conn, one, "job") is None
    flows.wait(conn, one, "the ERP")
    assert flows.state(conn, one) == "compensating"
    flows.compensated(conn, one)
    assert flows.state(conn, one) == "compensated"


@pytest.mark.parametrize("end", ["done", "failed", "compensated"])
def test_what_ended_stays_ended(conn: Connection, end: str) -> None:
    """A done flow may only be compensated; ending it the same way again changes nothing."""
    one = flows.open_flow(conn, "project_setup", "K-1")
    if end == "compensated":
        flows.compensating(conn, one)
    ending = {
        "done": flows.finish,
        "compensated": flows.compensated,
        "failed": lambda c, f: flows.fail(c, f, "why"),
    }[end]
    ending(conn, one)
    ending(conn, one)
    assert flows.open_flow(conn, "project_setup", "K-1") == one
    assert flows.state(conn, one) == end
    with pytest.raises(flows.FlowEnded):
        flows.wait(conn, one, "anything")
    if end == "done":
        flows.compensating(conn, one)
        assert flows.state(conn, one) == "compensating"
        return
    with pytest.raises(flows.FlowEnded):
        flows.compensating(conn, one)
    with pytest.raises(flows.FlowEnded):
        flows.mark(conn, one, "job", "done")


def test_the_list_pages_and_shows_only_what_the_actor_may_see(conn: Connection) -> None:
    for number in range(5):
        clock.set_now(conn, MOMENT + timedelta(minutes=number // 2))
        flows.open_flow(
            conn, "project_setup", f"K-{number}", {"legal_entity": "US01" if number % 2 else "DE01"}
        )
    seen: list[str] = []
    cursor = None
    while True:
        page = flows.listed(conn, {"state": "running"}, cursor, limit=2)
        seen += [row["key"] for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(seen) == [f"K-{n}" for n in range(5)]
    assert seen[0] == "K-4"
    narrow = Actor("ann@firm.example", entities=frozenset({"US01"}))
    assert sorted(row["key"] for row in flows.listed(conn, actor=narrow).rows) == ["K-1", "K-3"]
    hidden = flows.listed(conn, {"key": "K-0"}).rows[0]["id"]
    with pytest.raises(NotFound):
        flows.show(conn, hidden, narrow)
    with pytest.raises(NotFound):
        flows.show(conn, "no-id")
    with pytest.raises(Invalid):
        flows.listed(conn, {"colour": "red"})
    with pytest.raises(Invalid):
        flows.listed(conn, cursor="nonsense")
