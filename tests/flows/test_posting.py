"""A released invoice becomes one approved document in the ERP, whatever happens on the way; its number never changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.flows.billing_flow_world import ENGINEER, BillingWorld, D
from tests.flows.killing import Killing
from tests.hub import billing_world as w
from tieout.hub import billing, exceptions

COVERED = ("posting.", "outbox.", "billing.release.")


@pytest.fixture
def world(engine: Engine) -> BillingWorld:
    """A customer in the ERP and a signed contract."""
    return BillingWorld(engine)


def test_a_released_invoice_is_posted_proven_and_linked(world: BillingWorld) -> None:
    number = world.release()
    world.run("post")
    held = world.held(number)
    assert (held["tranId"], held["tranDate"], held["dueDate"]) == (number, "2026-03-02", "2026-04-01")
    assert (held["total"], held["approvalStatus"], held["postingPeriod"]) == (
        800,
        {"id": "2"},
        {"id": world.period},
    )
    shown = world.show(number)
    assert shown["state"] == "posted"
    [intent] = shown["intents"]
    assert (intent["state"], intent["target_id"]) == ("done", held["id"])
    assert intent["read_back_at"] is not None
    assert world.flow(number)["state"] == "done"
    world.ask(number, kind="post")
    world.run("post")
    assert world.documents() == [("invoice", number)]
    assert len(world.rows("intent")) == 1


def test_without_an_erp_it_stays_released(world: BillingWorld) -> None:
    with world.engine.begin() as conn:
        conn.execute(text("UPDATE connection SET enabled = false WHERE name = 'netsuite'"))
    number = world.release()
    world.run("post")
    assert world.state(number) == "released"
    assert world.open_exceptions() == []


def test_a_period_closed_there_asks_a_person_and_moves_no_date(world: BillingWorld) -> None:
    """Nothing is sent; when the period is open again a replay posts the same number with the same date."""
    fake = world.netsuite.fake
    fake.change("accountingperiod", world.period, arlocked="T")
    number = world.release()
    world.run("post")
    assert world.open_exceptions() == [("closed-period", number), ("unposted", number)]
    [unposted], [closed] = (world.rows("exception", kind=kind) for kind in ("unposted", "closed-period"))
    assert (unposted["amount"], closed["amount"]) == (D(800), None)  # the gross amount, once
    assert world.documents() == []
    fake.change("accountingperiod", world.period, arlocked="F")
    replay(world, "unposted")
    assert world.open_exceptions() == []
    assert world.held(number)["tranDate"] == "2026-03-02"


def test_what_the_erp_lacks_is_named_with_the_money(world: BillingWorld) -> None:
    world.netsuite.fake.tables["item"].clear()
    number = world.release()
    world.run("post")
    [row] = world.rows("exception", kind="unposted")
    assert (row["key"], row["amount"], row["owner"]) == (number, D(800), "billing_preparer")
    assert "item" in row["cause"]
    assert world.rows("intent") == []


def replay(world: BillingWorld, kind: str) -> None:
    with world.engine.begin() as conn:
        ids = [row["id"] for row in exceptions.listed(conn, {"kind": kind}).rows]
        exceptions.replay(conn, ids, ENGINEER)
    world.run("post")


def test_a_refused_invoice_stays_released_and_is_posted_again_under_its_number(world: BillingWorld) -> None:
    accept = world.refuse("invoice", "Customer is on hold.")
    number = world.release()
    world.run("post")
    assert world.state(number) == "released"
    assert {kind for kind, _ in world.open_exceptions()} == {"rejected-by-target", "unposted"}
    accept()
    replay(world, "unposted")
    assert world.state(number) == "posted"
    assert world.open_exceptions() == []
    assert world.documents() == [("invoice", number)]
    assert world.release("e2") == "INV-2"


def test_a_document_held_otherwise_is_not_posted(world: BillingWorld) -> None:
    world.netsuite.fault("mutate", write=True)
    number = world.release()
    world.run("post")
    assert world.state(number) == "released"
    assert world.open_exceptions() == [("read-back-difference", number)]


def test_a_credit_note_waits_for_its_invoice_and_is_applied_to_it(world: BillingWorld) -> None:
    accept = world.refuse("invoice")
    number = world.release()
    note = world.credit(number, amount=D(300), kind="concession")
    world.run("post")
    assert (world.state(note), world.documents()) == ("released", [])
    accept()
    replay(world, "unposted")
    world.until_quiet("post")
    held = world.held(note, "creditMemo")
    assert (held["tranId"], held["total"]) == (note, 300)
    assert held["apply"]["items"][0]["doc"]["id"] == world.held(number)["id"]
    assert (world.state(number), world.state(note)) == ("posted", "posted")


@pytest.mark.parametrize(
    "fault", ["apply_then_timeout", "fail_before_apply", "throttle", "refuse_connection"]
)
def test_a_call_without_an_answer_ends_in_one_document(world: BillingWorld, fault: str) -> None:
    world.netsuite.fault(fault, write=True)
    number = world.release()
    world.until_quiet("post")
    assert (world.state(number), world.documents()) == ("posted", [("invoice", number)])
    assert world.open_exceptions() == []


@pytest.mark.parametrize("half", [0, 1])
def test_a_death_at_any_point_ends_in_one_document(
    half: int, new_engine: Callable[[], Engine], killing: Killing
) -> None:
    """At the first hit of each failpoint between release and posted; then it goes on from our tables."""

    def life(made: BillingWorld) -> None:
        if not made.rows("invoice", number="INV-1"):
            with made.engine.begin() as conn:
                [row] = billing.listed(conn, {"state": "approved"}).rows
                billing.release(conn, row["reference"], w.ANN)
        made.until_quiet("post")

    def world() -> BillingWorld:
        made = BillingWorld(new_engine())
        with made.engine.begin() as conn:
            w.event(conn, "e1")
            [ref] = w.bill(conn)
            billing.approve(conn, ref, w.ANN)
        return made

    undisturbed = world()
    points = [p for p in killing.points_of(lambda: life(undisturbed)) if p.startswith(COVERED)]
    assert {"billing.release.numbered", "outbox.sent", "posting.proven", "posting.linked"} <= set(points)
    for point in points[half::2]:
        struck = world()
        killing.kill_at(point, partial(life, struck), struck.hand_back)
        assert end(struck) == end(undisturbed), point


def end(world: BillingWorld) -> Any:
    shown = world.show("INV-1")
    posted = [row for row in world.rows("event") if row["type"] == "tieout.invoice.posted.v1"]
    audited = [(r["action"], r["key"]) for r in world.rows("audit") if r["type"] == "invoice"]
    return shown["state"], world.documents(), world.accounts(), len(posted), audited, world.open_exceptions()
