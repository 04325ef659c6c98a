"""A project is announced as closed once, whoever hears of it first; closed again after a reopening, once again."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from tests.hub.builders import account, change, contract, deleted, prepare, take
from tieout.hub import crosswalk, events, flows, setup, setup_undo
from tieout.store import events as store


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """An active contract whose project is workspace 900 of the PSA, active."""
    prepare(conn)
    take(conn, "salesforce", account(), contract())
    crosswalk.link(conn, "kantata", "workspace", "project", {"900": "P-K-1"})
    hear(conn, "1", "Active")
    return conn


def hear(conn: Connection, version: str, status: str) -> None:
    """The PSA's record of the project is read."""
    fields = {"id": "900", "title": "Deal [P-K-1]", "status": {"message": status}}
    take(conn, "kantata", change("workspace", "900", version, fields))


def cancel(conn: Connection) -> None:
    """The set-up's last step back: everything is undone."""
    case = setup.read(conn, "K-1", [])
    assert case is not None
    flow = flows.open_flow(conn, setup.FLOW, "K-1", {"legal_entity": "US01"})
    flows.compensating(conn, flow)
    setup_undo.end(conn, case, flow)


def told(conn: Connection) -> list[str]:
    """What was announced of the project after it was first read, in order."""
    names = {events.PROJECT_CHANGED: "changed", events.PROJECT_CLOSED: "closed"}
    return [names[row["type"]] for row in store.of_subject(conn, "P-K-1")][1:]


def test_the_read_that_follows_a_cancellation_announces_no_second_closing(hub: Connection) -> None:
    cancel(hub)
    hear(hub, "2", "Cancelled")
    assert told(hub) == ["closed", "changed"]


def test_an_older_state_that_is_read_late_changes_nothing_about_that(hub: Connection) -> None:
    """What the set-up wrote last is read only after it was cancelled."""
    cancel(hub)
    hear(hub, "2", "On Hold")
    hear(hub, "3", "Cancelled")
    assert told(hub) == ["closed", "changed", "changed"]


def test_a_cancellation_announces_nothing_that_was_read_before(hub: Connection) -> None:
    hear(hub, "2", "Cancelled")
    cancel(hub)
    assert told(hub) == ["closed"]


def test_closed_again_after_a_reopening_is_announced_again(hub: Connection) -> None:
    cancel(hub)
    for version, status in (("2", "Cancelled"), ("3", "Active"), ("4", "Cancelled")):
        hear(hub, version, status)
    assert told(hub) == ["closed", "changed", "changed", "closed"]


def test_a_reopened_project_that_is_cancelled_is_announced_once_more(hub: Connection) -> None:
    hear(hub, "2", "Cancelled")
    hear(hub, "3", "Active")
    cancel(hub)
    hear(hub, "4", "Cancelled")
    assert told(hub) == ["closed", "changed", "closed", "changed"]


def test_a_deletion_after_the_cancellation_is_no_second_closing(hub: Connection) -> None:
    cancel(hub)
    take(hub, "kantata", deleted("workspace", "900", "2"))
    assert told(hub) == ["closed", "changed"]
