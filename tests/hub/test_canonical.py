"""Canonical records: as of, as known at, decided by Tieout, masked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from tests.hub.builders import MOMENT, account, contract, prepare, take, user
from tieout.hub import canonical, crosswalk
from tieout.hub.actors import Actor
from tieout.hub.refusals import Conflict
from tieout.store import clock
from tieout.store.ids import new_id


@pytest.fixture
def hub(conn: Connection) -> Connection:
    prepare(conn)
    return conn


def test_what_was_known_at_a_moment_can_be_read_again(hub: Connection) -> None:
    take(hub, "salesforce", account())
    clock.set_now(hub, MOMENT + timedelta(days=2))
    take(hub, "salesforce", account(version="2", Name="Acme Two"))
    names = [canonical.known_at(hub, "customer", "C-100", MOMENT + timedelta(days=d)) for d in (-1, 1, 3)]
    assert [row and row["legal_name"] for row in names] == [None, "Acme", "Acme Two"]
    assert [row["version"] for row in canonical.history(hub, "customer", "C-100")] == [1, 2]


def test_the_same_facts_again_are_no_new_version(hub: Connection) -> None:
    take(hub, "salesforce", account(), contract())
    assert take(hub, "salesforce", account(version="2")).events == ()
    assert len(canonical.history(hub, "customer", "C-100")) == 1


def test_tieout_writes_what_it_decides_and_only_changes(hub: Connection) -> None:
    shell = {"P-1": {"contract": "K-1", "state": "shell"}, "P-2": {"contract": "K-2", "state": "shell"}}
    assert canonical.write(hub, "project", shell, "project.finance", "set-up") == ["P-1", "P-2"]
    assert canonical.write(hub, "project", shell, "project.finance", "set-up") == []
    shell["P-1"]["state"] = "active"
    assert canonical.write(hub, "project", shell, "project.finance", "set-up") == ["P-1"]
    held = canonical.current(hub, "project")["P-1"]
    assert (held["state"], held["contract"], held["version"]) == ("active", "K-1", 2)
    with pytest.raises(ValueError, match="colour"):
        canonical.write(hub, "project", {"P-1": {"colour": "red"}}, "g", "r")


def test_personal_fields_need_their_scope(hub: Connection) -> None:
    take(hub, "kantata", user(email_address="jo@firm.test"))
    record = canonical.current(hub, "worker")["7"]
    plain = canonical.mask("worker", record, Actor("a", frozenset({"billing_preparer"})))
    assert (plain["full_name"], plain["email"], plain["key"]) == (canonical.MASK, canonical.MASK, "7")
    assert canonical.mask("worker", record, Actor("b", frozenset({"finance_lead"})))["full_name"] == "Jo Doe"


def test_a_link_is_never_moved_silently(hub: Connection) -> None:
    assert crosswalk.link(hub, "kantata", "workspace", "project", {"900": "P-1"}) == 1
    assert crosswalk.link(hub, "kantata", "workspace", "project", {"900": "P-1"}) == 0
    with pytest.raises(Conflict):
        crosswalk.link(hub, "kantata", "workspace", "project", {"900": "P-2"})
    with pytest.raises(Conflict):
        crosswalk.link(hub, "kantata", "workspace", "project", {"901": "P-1"})
    crosswalk.retire(hub, "kantata", "workspace", ["900"], "replaced")
    assert crosswalk.link(hub, "kantata", "workspace", "project", {"901": "P-1"}) == 1
    assert crosswalk.source_ids_of(hub, "kantata", "workspace", ["P-1", "P-9"]) == {"P-1": "901"}
    assert crosswalk.keys_of(hub, "kantata", "workspace", ["900", "901", "x"]) == {"900": "P-1", "901": "P-1"}


def test_a_foreign_workspace_and_its_tasks_wait_without_an_alarm(hub: Connection) -> None:
    """They are kept as ignored; when the workspace turns out to be ours they are taken in."""
    from tests.hub.builders import change

    space = change("workspace", "900", "1", {"title": "W", "status": {"message": "Active"}})
    story = change(
        "story",
        "31",
        "1",
        {"id": "31", "story_type": "task", "workspace_id": "900", "title": "T", "state": "started"},
    )
    assert take(hub, "kantata", space, story).counts == {"ignored": 2}
    crosswalk.link(hub, "kantata", "workspace", "project", {"900": "P-1"})
    assert take(hub, "kantata").counts == {"applied": 2}
    assert canonical.current(hub, "project_task")["31"]["project"] == "P-1"
    assert canonical.current(hub, "project")["P-1"]["state"] == "active"


def test_the_clock_is_the_injected_moment_or_real(hub: Connection) -> None:
    assert clock.now(hub) == MOMENT
    clock.set_now(hub, None)
    assert abs(clock.now(hub) - clock.real_now(hub)) < timedelta(minutes=5)
    with pytest.raises(ValueError, match="time zone"):
        clock.set_now(hub, MOMENT.replace(tzinfo=None))


def test_ids_sort_by_their_moment() -> None:
    first, second = new_id(MOMENT), new_id(MOMENT + timedelta(milliseconds=1))
    assert first < second
    assert (first[14], first[19] in "89ab") == ("7", True)
