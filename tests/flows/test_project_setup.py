"""A signed contract becomes one customer, one job and one active project, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Engine, update

from tests.flows.killing import Killing
from tests.flows.setup_world import World
from tests.hub.builders import opportunity
from tieout.hub import canonical, crosswalk, exceptions
from tieout.hub.actors import Actor
from tieout.store import tables

ENGINEER = Actor("eve@firm.example", frozenset({"integration_engineer"}))
CUSTOMER, JOB = ("customer", "cust-C-100-US01"), ("job", "job-P-K-1")
ACTIVE = ("Deal [P-K-1]", "Active")


@pytest.fixture
def world(engine: Engine) -> World:
    """The systems, with nothing signed yet."""
    return World(engine)


def test_a_complete_contract_is_set_up_once_in_every_system(world: World) -> None:
    """Customer and job in the ERP, project with profile in the PSA, links, events, and the work that follows."""
    world.sign()
    world.set_up()
    assert (world.erp(), world.psa()) == ({CUSTOMER: False, JOB: False}, [ACTIVE])
    assert world.profile() == {
        "Project number": "P-K-1", "Billing method": "time_and_materials", "Rate card": "STANDARD",
        "Payment terms (days)": "30", "Cap amount": "50000.0000",
    }  # fmt: skip
    job = world.netsuite.fake.records[JOB]
    assert job["parent"]["id"] == world.netsuite.fake.records[CUSTOMER]["id"]
    with world.engine.begin() as conn:
        project = canonical.current(conn, "project", ["P-K-1"])["P-K-1"]
        assert (project["contract"], project["legal_entity"]) == ("K-1", "US01")
        assert project["activated_at"] is not None
        links = [crosswalk.source_ids_of(conn, c, o, [k]) for c, o, k in (
            ("netsuite", "customer", "C-100"), ("netsuite", "job", "P-K-1"), ("kantata", "workspace", "P-K-1"))]  # fmt: skip
    assert all(links)
    assert (world.flow()["state"], world.events()) == ("done", ["requested", "activated"])
    asked = {(row["kind"], row["key"]) for row in world.rows("work")}
    assert asked >= {("rate", "K-1"), ("status_back", "salesforce"), ("sync", "kantata/workspace")}
    assert world.open_exceptions() == []


def test_hearing_of_the_win_twice_makes_one_project(world: World) -> None:
    """Every trigger comes again, before and after the set-up: not one more write."""
    world.sign()
    for _ in range(2):
        world.ask()
        world.set_up()
    before, calls = world.ledgers(), len(world.kantata.bodies()) + len(world.netsuite.bodies())
    world.sign()
    world.set_up()
    assert (world.ledgers(), len(world.psa()), len(world.rows("intent"))) == (before, 1, 5)
    assert len(world.kantata.bodies()) + len(world.netsuite.bodies()) == calls
    assert world.events() == ["requested", "activated"]


def test_five_findings_are_one_exception_and_fixing_them_continues_the_same_flow(world: World) -> None:
    """Nothing is sent while anything is missing; each correction shortens the list; the flow keeps its id."""
    missing = {"Payment_Terms_Days__c": None, "Document_Hash__c": None, "Rate_Card__c": "GOLD"}
    world.sign(**missing)
    world.correct_customer(BillingCity=None, Purchase_Order_Required__c=True)
    world.set_up()
    assert world.open_exceptions() == [("incomplete-setup", "K-1"), ("purchase-order-missing", "K-1")]
    assert (world.erp(), world.psa()) == ({}, [])
    flow = world.flow()
    assert (flow["state"], flow["waiting_for"]) == ("waiting", "incomplete set-up: 5 findings")
    with world.engine.begin() as conn:
        (row,) = exceptions.listed(conn, {"kind": "incomplete-setup"}).rows
        shown = exceptions.show(conn, row["id"])
        (order,) = exceptions.listed(conn, {"kind": "purchase-order-missing"}).rows
    fields = [finding["field"] for finding in shown["evidence"]["findings"]]
    assert fields == ["customer.city", "payment_terms", "rate_card", "purchase_order", "document_hash"]
    assert all(field in row["cause"] for field in fields)
    assert (row["amount"], order["amount"]) == (50000, None)  # the contract's money counts once
    world.correct_customer(Purchase_Order_Required__c=True)
    world.set_up()
    assert world.flow()["waiting_for"] == "incomplete set-up: 4 findings"
    world.sign(Purchase_Order__c="PO-7")
    world.set_up()
    assert (world.flow()["id"], world.flow()["state"]) == (flow["id"], "done")
    assert (world.open_exceptions(), world.psa()) == ([], [ACTIVE])
    assert world.events() == ["requested", "activated"]


def test_what_the_erp_needs_first_is_a_finding_of_the_same_list(world: World) -> None:
    """A closed period, a wrong income account and unknown terms are found on the day of signing; a replay goes on."""
    fake = world.netsuite.fake
    fake.change("accountingperiod", world.period, arlocked="T")
    fake.change("account", fake.tables["account"][0]["id"], acctnumber="4000")
    fake.document_fields["tranId"]["readOnly"] = True
    world.sign(Payment_Terms_Days__c=45, Document_Url__c=None)
    world.set_up()
    (row,) = world.rows("exception")
    assert [f["field"] for f in row["evidence"]["findings"]] == [
        "document",
        "erp_terms",
        "item_account",
        "period",
        "numbering",
        "numbering",
    ]
    del fake.document_fields["tranId"]["readOnly"]
    fake.change("accountingperiod", world.period, arlocked="F")
    fake.change("account", fake.tables["account"][0]["id"], acctnumber="4900")
    fake.put("term", {"name": "Net 45", "daysuntilnetdue": "45"})
    world.sign(Payment_Terms_Days__c=45)
    with world.engine.begin() as conn:
        exceptions.replay(conn, [str(row["id"])], ENGINEER)
    world.run()
    assert (world.flow()["state"], world.open_exceptions()) == ("done", [])


def test_a_contract_waits_quietly_for_its_opportunity(world: World) -> None:
    """No flow, no exception, no call before the deal is won."""
    world.sign()
    world.versions += 1
    world.hear("salesforce", opportunity(version=f"{world.versions:03}", StageName="Negotiation"))
    world.set_up()
    assert (world.rows("flow"), world.open_exceptions(), world.netsuite.calls()) == ([], [], 0)
    world.sign()
    world.set_up()
    assert world.flow()["state"] == "done"


def test_a_customer_that_the_erp_holds_is_adopted(world: World) -> None:
    """No second customer; a customer in another currency is a finding instead."""
    held = world.netsuite.customer("C-100", "Acme")
    world.sign()
    world.set_up()
    assert set(world.erp()) == {JOB}
    assert world.netsuite.fake.records[JOB]["parent"]["id"] == held


def test_two_contracts_of_a_customer_share_it(world: World) -> None:
    """One customer, two jobs; the second set-up does not write the customer again."""
    world.sign()
    world.sign("K-2")
    world.set_up("K-1", "K-2")
    assert set(world.erp()) == {CUSTOMER, JOB, ("job", "job-P-K-2")}
    assert len([r for r in world.rows("intent") if r["operation"] == "upsert_customer"]) == 1


def test_an_amendment_of_an_active_contract_updates_its_billing_profile_only(world: World) -> None:
    """A raised cap is one new revision of the profile; hearing of it twice changes nothing."""
    world.sign()
    world.set_up()
    for _ in range(2):
        world.sign(Cap_Amount__c="75000.00", Purchase_Order__c="PO-9")
        world.set_up()
    assert world.profile()["Cap amount"] == "75000.0000"
    assert world.profile()["Purchase order"] == "PO-9"
    revisions = [(r["operation"], r["revision"]) for r in world.rows("intent") if r["revision"] > 1]
    assert revisions == [("set_billing_profile", 2)]
    assert (world.flow()["state"], world.events()) == ("done", ["requested", "activated"])


def test_an_amendment_with_impossible_terms_is_an_exception_and_reaches_no_system(world: World) -> None:
    """The profile keeps the cap of 50,000; the corrected amendment goes out and closes the exception."""
    world.sign()
    world.set_up()
    sent = len(world.kantata.bodies()) + len(world.netsuite.bodies())
    world.sign(EndDate="2025-06-30", Cap_Amount__c="-75000.00")
    world.set_up()
    assert world.open_exceptions() == [("invalid-amendment", "K-1")]
    (row,) = world.rows("exception")
    assert [finding["field"] for finding in row["evidence"]["findings"]] == ["end_date", "cap_amount"]
    assert (row["amount"], world.profile()["Cap amount"]) == (None, "50000.0000")
    assert len(world.kantata.bodies()) + len(world.netsuite.bodies()) == sent
    world.sign(EndDate="2027-06-30", Cap_Amount__c="75000.00")
    world.set_up()
    assert (world.open_exceptions(), world.profile()["Cap amount"]) == ([], "75000.0000")


def test_a_refused_customer_waits_for_a_person_and_a_replay_goes_on(world: World) -> None:
    """The refusal is one exception with the money; nothing else is sent; the same bytes go out after the fix."""
    accept = world.refuse("customer")
    world.sign()
    world.set_up()
    assert world.open_exceptions() == [("rejected-by-target", "C-100/US01")]
    assert (world.flow()["state"], world.erp(), world.psa()) == ("waiting", {}, [])
    world.set_up()
    assert len(world.netsuite.bodies()) == 1
    accept()
    (row,) = world.rows("exception")
    with world.engine.begin() as conn:
        exceptions.replay(conn, [str(row["id"])], ENGINEER)
    world.run()
    assert (world.flow()["state"], world.open_exceptions()) == ("done", [])
    assert [r["revision"] for r in world.rows("intent", operation="upsert_customer")] == [1]


def test_a_refused_customer_that_was_corrected_goes_out_as_a_new_revision(world: World) -> None:
    """Frozen bytes stay; the correction is revision 2 and closes the exception of revision 1."""
    accept = world.refuse("customer")
    world.sign()
    world.set_up()
    accept()
    world.correct_customer(Name="Acme Incorporated")
    world.set_up()
    assert (world.flow()["state"], world.open_exceptions()) == ("done", [])
    assert world.netsuite.fake.records[CUSTOMER]["companyName"] == "Acme Incorporated"
    states = [(r["revision"], r["state"]) for r in world.rows("intent", operation="upsert_customer")]
    assert sorted(states) == [(1, "rejected"), (2, "done")]


@pytest.mark.parametrize(
    "fault", ["apply_then_timeout", "fail_before_apply", "throttle", "refuse_connection"]
)
def test_a_call_without_an_answer_ends_in_one_record(world: World, fault: str) -> None:
    """Each vendor fails once; the flow looks up and goes on at its moment of business time."""
    world.sign()
    world.netsuite.fault(fault, write=True)
    world.kantata.fault(fault, write=True)
    world.ask()
    world.until_quiet()
    assert (world.flow()["state"], world.psa(), world.erp()) == (
        "done",
        [ACTIVE],
        {CUSTOMER: False, JOB: False},
    )


def test_an_erp_that_cannot_be_asked_is_asked_later(world: World) -> None:
    """A question without an answer is no finding."""
    world.sign()
    world.netsuite.fault("throttle", write=False)
    world.set_up()
    assert (world.open_exceptions(), world.flow()["state"]) == ([], "waiting")
    world.until_quiet()
    assert world.flow()["state"] == "done"


def test_without_a_connected_system_the_project_is_active_at_once(world: World) -> None:
    """A firm without PSA and ERP (or a scenario) has nothing to set up; nothing is asked of its contract."""
    with world.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM connection WHERE name IN ('kantata', 'netsuite')")
        canonical.write(conn, "project", {"P-7": {"contract": "K-1", "state": "active"}}, "x", "test")
    world.sign(Payment_Terms_Days__c=None)
    world.set_up()
    (project,) = [r for r in world.rows("project", key="P-7") if r["superseded_at"] is None]
    assert project["activated_at"] is not None
    assert (world.flow()["state"], world.open_exceptions()) == ("done", [])


# --- taking back -----------------------------------------------------------------------------------------------------


def test_a_terminated_contract_is_taken_back_in_reverse(world: World) -> None:
    """Project cancelled, then job, then customer inactive; each once; the flow says so."""
    world.sign()
    world.set_up()
    world.sign(Status="Terminated")
    for _ in range(2):
        world.set_up()
    assert world.psa() == [("Deal [P-K-1]", "Cancelled")]
    assert world.erp() == {CUSTOMER: True, JOB: True}
    undone = [r["operation"] for r in world.rows("intent") if r["compensates"] is not None]
    assert sorted(undone) == ["inactivate_customer", "inactivate_job", "set_project_status"]
    last = [
        r.url.path.split("/")[-2] for r in world.netsuite.fake.requests if r.content == b'{"isInactive":true}'
    ]
    assert last == ["job", "customer"]
    assert world.flow()["state"] == "compensated"
    assert world.events() == ["requested", "activated", "closed"]
    assert {s["state"] for s in world.rows("flow_step") if s["detail"].get("intent")} == {"undone"}


def test_a_customer_that_others_use_stays(world: World) -> None:
    """The second contract still needs it."""
    world.sign()
    world.sign("K-2")
    world.set_up("K-1", "K-2")
    world.sign(Status="Terminated")
    world.set_up()
    assert world.erp() == {CUSTOMER: False, JOB: True, ("job", "job-P-K-2"): False}
    assert world.flow()["state"] == "compensated"


def test_a_customer_that_was_taken_back_is_active_again_for_the_next_contract(world: World) -> None:
    """Its next command is a new revision, not a second record."""
    world.sign()
    world.set_up()
    world.sign(Status="Terminated")
    world.set_up()
    world.sign("K-3")
    world.set_up("K-3")
    assert (world.erp()[CUSTOMER], world.flow("K-3")["state"]) == (False, "done")


def test_a_lost_deal_takes_back_a_set_up_that_waits(world: World) -> None:
    """The customer that was made goes back; the exception closes; nothing was ever sent to the PSA."""
    accept = world.refuse("job")
    world.sign()
    world.set_up()
    assert world.erp() == {CUSTOMER: False}
    world.versions += 1
    world.hear("salesforce", opportunity(version=f"{world.versions:03}", StageName="Closed Lost"))
    world.set_up()
    accept()
    assert (world.erp(), world.psa(), world.open_exceptions()) == ({CUSTOMER: True}, [], [])
    assert world.flow()["state"] == "compensated"


def test_a_refused_undo_is_an_open_exception_and_a_replay_goes_on_from_there(world: World) -> None:
    """The project is cancelled, the job cannot be, the customer is not touched before it; nothing is retried alone."""
    world.sign()
    world.set_up()
    accept = world.refuse("job")
    world.sign(Status="Terminated")
    for _ in range(2):
        world.set_up()
    assert world.open_exceptions() == [("compensation-failed", "P-K-1")]
    assert (world.flow()["state"], world.psa()[0][1], world.erp()[CUSTOMER]) == (
        "compensating",
        "Cancelled",
        False,
    )
    assert "compensation failed" in world.flow()["waiting_for"]
    accept()
    (row,) = [r for r in world.rows("exception") if r["kind"] == "compensation-failed"]
    with world.engine.begin() as conn:
        exceptions.replay(conn, [str(row["id"])], ENGINEER)
    world.run()
    assert (world.erp(), world.flow()["state"]) == ({CUSTOMER: True, JOB: True}, "compensated")
    assert world.open_exceptions() == []


def test_a_forward_step_without_an_answer_is_looked_up_before_it_is_undone(world: World) -> None:
    """The customer did arrive: it is found, then made inactive."""
    world.sign()
    world.netsuite.fault("apply_then_timeout", write=True)
    world.set_up()
    world.sign(Status="Terminated")
    world.ask()
    world.until_quiet()
    assert (world.erp(), world.flow()["state"]) == ({CUSTOMER: True}, "compensated")


def test_a_job_whose_money_is_open_stays_until_it_is_collected(world: World) -> None:
    """The project takes no more time, the job stays for the unpaid invoice; the amount stands on the exception."""
    world.sign()
    world.set_up()
    world.bill("posted", "1200.00")
    world.sign(Status="Terminated")
    world.set_up()
    (row,) = world.rows("exception")
    assert (row["kind"], row["key"], row["amount"]) == ("compensation-failed", "P-K-1", Decimal(1200))
    assert (world.psa()[0][1], world.erp(), world.flow()["state"]) == (
        "Cancelled", {CUSTOMER: False, JOB: False}, "compensating")  # fmt: skip
    with world.engine.begin() as conn:
        conn.execute(update(tables.invoice).values(state="paid"))
        exceptions.replay(conn, [str(row["id"])], ENGINEER)
    world.run()
    assert (world.erp(), world.open_exceptions()) == ({CUSTOMER: True, JOB: True}, [])
    assert world.flow()["state"] == "compensated"


# --- crashes ---------------------------------------------------------------------------------------------------------


COVERED = ("setup.", "outbox.", "flows.", "crosswalk.", "canonical.decided")
"""Points between adjacent writes of this flow; those of the inbox and of the run itself have tests of their own."""


def _set_up(world: World) -> None:
    world.sign()
    world.ask()
    world.until_quiet()


def _cancel(world: World) -> None:
    world.sign(Status="Terminated")
    world.ask()
    world.until_quiet()


def _end(world: World) -> tuple[object, ...]:
    return world.ledgers(), world.flow()["state"], world.events(), world.open_exceptions()


@pytest.mark.parametrize(("half", "before", "life"), [
    (half, before, life)
    for before, life in (((), _set_up), ((_set_up,), _cancel))
    for half in (0, 1)
])  # fmt: skip
def test_killed_anywhere_it_ends_in_the_same_ledgers(
    half: int,
    before: tuple[Callable[[World], None], ...],
    life: Callable[[World], None],
    new_engine: Callable[[], Engine],
    killing: Killing,
) -> None:
    """At the first hit of each failpoint in turn, forward and while taking back; then it goes on from our tables."""

    def world() -> World:
        made = World(new_engine())
        for earlier in before:
            earlier(made)
        return made

    undisturbed = world()
    passed = killing.points_of(lambda: life(undisturbed))
    points = [point for point in passed if point.startswith(COVERED)]
    assert {"outbox.sent", "setup.undone" if before else "setup.settled"} <= set(points)
    for point in points[half::2]:
        struck = world()
        killing.kill_at(point, partial(life, struck), struck.hand_back)
        assert _end(struck) == _end(undisturbed), point
