"""What may not be billed becomes one exception per entry, and closes when the cause is gone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Connection, select

from tests.hub.builders import change, contract, entry, take
from tests.hub.rated import add_project, add_rate, consultant, events, hours, open_kinds, rows, start
from tieout.hub import canonical, exceptions
from tieout.hub.actors import Actor
from tieout.hub.rating import Rated, rate_contracts, rate_unassigned
from tieout.store import tables

D = Decimal


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """Contract K-1, its project and price."""
    return start(conn)


def test_each_finding_is_one_exception_and_closes_when_its_cause_is_gone(hub: Connection) -> None:
    add_rate(hub, "300", role="architect")
    add_rate(hub, "310", role="architect")
    take(hub, "kantata", consultant("8"))
    canonical.write(hub, "worker", {"8": {"left_on": "2026-01-31"}}, "worker.employment", "left")
    canonical.write(
        hub, "project_task", {"44": {"project": "P-1", "state": "closed"}}, "project.delivery", "test"
    )
    found = [
        hours("outside", "1", "2025-12-31"), hours("left", "1", user_id="8"), hours("task", "1", story_id="44"),
        hours("rate", "1", role="x", joined={"role": {"name": "unknown"}}),
        hours("twice", "1", joined={"role": {"name": "architect"}}), hours("many", "25", "2026-02-09"),
        entry("waits", approved=False), hours("free", "1", billable=False),
    ]  # fmt: skip
    take(hub, "kantata", *found)
    rated = rate_contracts(hub, ["K-1"])
    assert (rated.created, rated.opened) == (0, 6)
    assert open_kinds(hub) == [
        ("ambiguous-rate", "twice"), ("closed-task", "task"), ("implausible-hours", "many"), ("missing-rate", "rate"),
        ("outside-contract", "outside"), ("worker-left", "left"),
    ]  # fmt: skip
    shown = exceptions.show(hub, exceptions.listed(hub, {"kind": "missing-rate"}).rows[0]["id"])
    assert shown["evidence"] == {"work": {"kind": "rate", "key": "K-1"}, "group": "missing-rate"}
    take(
        hub,
        "kantata",
        *(hours(key, "2", version="2") for key in ("outside", "left", "task", "rate", "twice", "many")),
    )
    assert rate_contracts(hub, ["K-1"]).resolved == 6
    assert (open_kinds(hub), len(events(hub))) == ([], 6)


def test_more_than_a_day_of_hours_counts_over_all_contracts_and_the_neighbour_hears_of_it(
    hub: Connection,
) -> None:
    """15 h on K-1, then 12 h on K-2 on the same day: neither is billed; K-1 is asked to look again, and back."""
    take(hub, "salesforce", contract("K-2"))
    add_project(hub, "P-2", "K-2", "901")
    take(hub, "kantata", hours("1", "15"))
    rate_contracts(hub, ["K-1"])
    take(hub, "kantata", hours("2", "12", workspace_id="901"))
    rate_contracts(hub, ["K-2"])
    assert asked(hub) == ["K-1"]
    rate_contracts(hub, ["K-1"])
    assert (events(hub), open_kinds(hub)) == ([], [("implausible-hours", "1"), ("implausible-hours", "2")])
    take(hub, "kantata", hours("2", "9", version="2", workspace_id="901"))
    rate_contracts(hub, ["K-2"])
    rate_contracts(hub, asked(hub))
    assert (len(events(hub)), open_kinds(hub)) == (2, [])


def asked(conn: Connection) -> list[str]:
    """Contracts that are asked to be rated again."""
    return sorted(conn.execute(select(tables.work.c.key).where(tables.work.c.kind == "rate")).scalars())


def test_neighbours_that_agree_are_left_alone_for_ever(hub: Connection) -> None:
    """A waived exception of a crowded day asks for nothing again: no endless back and forth."""
    take(hub, "salesforce", contract("K-2"))
    add_project(hub, "P-2", "K-2", "901")
    take(hub, "kantata", hours("1", "15"), hours("2", "12", workspace_id="901"))
    rate_contracts(hub, ["K-1", "K-2"])
    approver = Actor("x@firm.example", frozenset({"billing_approver"}))
    for row in exceptions.listed(hub).rows:
        exceptions.waive(hub, row["id"], "the worker crossed the date line", approver)
    before = rows(hub)
    for key in ("K-1", "K-2"):
        assert rate_contracts(hub, [key]) == Rated()
    assert rows(hub) == before


def test_time_without_a_contract_is_a_missing_project_until_it_has_one(hub: Connection) -> None:
    take(hub, "kantata", hours("1", "8", workspace_id="999"))
    assert rate_unassigned(hub) == Rated(opened=1)
    assert rate_unassigned(hub) == Rated()
    assert open_kinds(hub) == [("missing-project", "1")]
    add_project(hub, "P-9", "K-1", "999")
    take(hub, "kantata")
    assert rate_contracts(hub, ["K-1"]) == Rated(created=1, journals=1, resolved=1)
    assert open_kinds(hub) == []


def test_a_contract_in_a_currency_its_entity_keeps_no_books_in_is_not_rated(hub: Connection) -> None:
    subsidiary = {"externalid": "US01", "name": "US", "country": "US", "joined": {"currency_code": "EUR"}}
    take(hub, "netsuite", change("subsidiary", "1", "1", subsidiary))
    take(hub, "kantata", hours("1", "8"))
    rate_contracts(hub, ["K-1"])
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["key"]) == ("missing-fx", "1")
    assert "keeps its books in EUR" in found["cause"]
    assert events(hub) == []
