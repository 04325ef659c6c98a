"""The CRM is told what changed about project and invoices, row by row, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from tests.flows.killing import Killing
from tests.flows.setup_world import World
from tests.hub.builders import MOMENT
from tieout.hub import canonical, exceptions, status_back
from tieout.hub.actors import Actor

ENGINEER = Actor("eve@firm.example", frozenset({"integration_engineer"}))


@pytest.fixture
def world(engine: Engine) -> World:
    """The systems, with nothing signed yet."""
    return World(engine)


def _tell(world: World) -> None:
    world.ask("salesforce", kind="status_back")
    world.run("status_back")


def _told(world: World) -> dict[str, tuple[Any, ...]]:
    """What Salesforce holds by opportunity."""
    names = ("Project_Number__c", "Project_Status__c", "Invoice_Status__c", "Billed_Amount__c")
    held = world.salesforce.fake.tables["Opportunity"]
    return {row["Opportunity_Number__c"]: tuple(row.get(name) for name in names) for row in held}


def test_an_active_project_is_told_once(world: World) -> None:
    """One call with one row; asked again, nothing is sent; a change is the next revision."""
    world.sign()
    world.set_up()
    _tell(world)
    assert _told(world) == {"O-1": ("P-K-1", "active", "none", 0)}
    calls = world.salesforce.calls()
    _tell(world)
    assert world.salesforce.calls() == calls
    world.bill("posted", "1200.50")
    _tell(world)
    assert _told(world) == {"O-1": ("P-K-1", "active", "posted", 1200.5)}
    assert sorted(r["revision"] for r in world.rows("intent", operation="upsert_opportunity")) == [1, 2]


def test_a_set_up_that_waits_or_was_taken_back_says_so(world: World) -> None:
    """The seller sees why there is no project yet."""
    world.sign(Document_Url__c=None)
    world.set_up()
    _tell(world)
    assert _told(world)["O-1"][:2] == ("P-K-1", "waits for set-up")
    world.sign(Status="Terminated")
    world.set_up()
    _tell(world)
    assert _told(world)["O-1"][1] == "cancelled"


@pytest.mark.parametrize(
    ("documents", "word", "billed"),
    [
        ([("draft", "10")], "drafted", "0"),
        ([("approved", "10")], "drafted", "0"),
        ([("released", "10")], "released", "10"),
        ([("posted", "10"), ("paid", "20")], "posted", "30"),
        ([("paid", "20"), ("draft", "10")], "drafted", "20"),
        ([("part_paid", "10")], "part paid", "10"),
        ([("paid", "10")], "paid", "10"),
        ([("paid", "10"), ("void", "99")], "paid", "10"),
        ([], "none", "0"),
    ],
)
def test_of_several_invoices_the_one_furthest_from_paid_is_told(
    world: World, documents: list[tuple[str, str]], word: str, billed: str
) -> None:
    """Void drafts do not count; what is billed is net and released."""
    world.sign()
    world.set_up()
    for state, net in documents:
        world.bill(state, net)
    _tell(world)
    told = _told(world)["O-1"]
    assert (told[2], Decimal(str(told[3]))) == (word, Decimal(billed))


def test_credit_notes_come_off_what_is_billed(world: World) -> None:
    """100 billed, 30 credited and released, 20 credited in a draft: 70."""
    world.sign()
    world.set_up()
    world.bill("posted", "100")
    world.bill("posted", "30", kind="credit_note")
    world.bill("draft", "20", kind="credit_note")
    _tell(world)
    assert Decimal(str(_told(world)["O-1"][3])) == Decimal(70)


def _many(world: World, count: int) -> list[str]:
    """Won opportunities with an active project each."""
    numbers = [f"D-{n:03}" for n in range(count)]
    with world.engine.begin() as conn:
        deals = {n: {"customer": "C-100", "state": "contracted", "contract": f"K-{n}"} for n in numbers}
        deal_contracts = {
            f"K-{n}": {"customer": "C-100", "state": "active", "currency": "USD"} for n in numbers
        }
        projects = {
            f"P-K-{n}": {"contract": f"K-{n}", "state": "active", "activated_at": MOMENT} for n in numbers
        }
        for type, records in (("opportunity", deals), ("contract", deal_contracts), ("project", projects)):
            canonical.write(conn, type, records, "test", "test")
    return numbers


def _refuse(world: World, bad: set[str]) -> None:
    """Salesforce refuses these rows (and only these) of every batch."""
    fake = world.salesforce.fake
    accepting = type(fake)._collection

    def collection(request: httpx.Request, table: str, field: str, fault: str) -> httpx.Response:
        sent = json.loads(request.content)["records"]
        good = [row for row in sent if row[field] not in bad]
        body = json.dumps({"allOrNone": False, "records": good}).encode()
        taken = accepting(fake, httpx.Request(request.method, request.url, content=body), table, field, fault)
        results = iter(taken.json())
        error = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "closed", "fields": []}
        said = [{"success": False, "errors": [error]} if row[field] in bad else next(results) for row in sent]
        return httpx.Response(200, json=said)

    fake._collection = collection  # type: ignore[method-assign]


def test_three_bad_rows_of_two_hundred_are_three_exceptions(world: World) -> None:
    """197 rows go through in one call; after the fix only the three go out again."""
    numbers = _many(world, 200)
    bad = {numbers[3], numbers[77], numbers[199]}
    _refuse(world, bad)
    _tell(world)
    assert (len(_told(world)), len(world.salesforce.bodies())) == (197, 1)
    assert world.open_exceptions() == [("rejected-by-target", key) for key in sorted(bad)]
    _tell(world)
    assert len(world.salesforce.bodies()) == 1
    _refuse(world, set())
    with world.engine.begin() as conn:
        rows = exceptions.listed(conn).rows
        exceptions.replay(conn, [row["id"] for row in rows], ENGINEER)
    world.run("status_back")
    assert (set(_told(world)), world.open_exceptions()) == (set(numbers), [])
    again = [json.loads(body)["records"] for body in world.salesforce.bodies()[1:]]
    assert sorted(row["Opportunity_Number__c"] for rows in again for row in rows) == sorted(bad)


def test_more_rows_than_one_call_takes_go_in_several(world: World) -> None:
    """250 opportunities are two calls."""
    numbers = _many(world, 250)
    _tell(world)
    assert (set(_told(world)), len(world.salesforce.bodies())) == (set(numbers), 2)


def test_rows_of_a_call_without_an_answer_are_looked_up_and_news_follows(world: World) -> None:
    """The call arrived; what changed meanwhile is told as the next revision once the first is proven."""
    _many(world, 3)
    world.salesforce.fault("apply_then_timeout", write=True)
    _tell(world)
    with world.engine.begin() as conn:
        canonical.write(conn, "project", {"P-K-D-001": {"state": "on_hold"}}, "test", "test")
    world.ask("salesforce", kind="status_back")
    world.until_quiet("status_back")
    assert [told[1] for _, told in sorted(_told(world).items())] == ["active", "on hold", "active"]
    assert len(world.salesforce.fake.tables["Opportunity"]) == 3
    assert {r["state"] for r in world.rows("intent")} == {"done"}


def test_killed_anywhere_the_crm_holds_the_same(new_engine: Callable[[], Engine], killing: Killing) -> None:
    """At the first hit of each failpoint of the flow and its outbox."""

    def life(world: World) -> None:
        world.ask("salesforce", kind="status_back")
        world.until_quiet("status_back")

    undisturbed = World(new_engine())
    _many(undisturbed, 3)
    passed = killing.points_of(lambda: life(undisturbed))
    points = [point for point in passed if point.startswith(("status_back.", "outbox."))]
    assert len(points) >= 6
    for point in points:
        world = World(new_engine())
        _many(world, 3)
        killing.kill_at(point, lambda world=world: life(world), world.hand_back)
        assert _told(world) == _told(undisturbed), point


def test_words_are_those_of_a_person() -> None:
    """Every state of a flow and project has a plain word."""
    row = {
        "key": "O",
        "project": "P",
        "planned_project": None,
        "invoice_states": None,
        "billed_amount": Decimal(0),
    }
    facts = {"flow_state": "done", "project_state": "completed", "activated_at": MOMENT}
    assert status_back.status_of(row | facts)["project_status"] == "completed"
    assert status_back.status_of(row | facts | {"project_state": "active"})["project_status"] == "active"
    assert status_back.status_of(row | facts | {"flow_state": "running"})["project_status"] == "being set up"
