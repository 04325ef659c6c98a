"""Credit notes: within what is left, by two people, with the books; and never billed twice in any order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text, update
from sqlalchemy.exc import IntegrityError

from tests.hub import billing_world as w
from tests.hub import rated
from tests.hub.builders import take
from tieout.hub import billing, rating
from tieout.hub.refusals import Conflict, Forbidden, Invalid, Refusal
from tieout.store.tables import billing_balance

D = Decimal


@pytest.fixture
def firm(conn: Connection) -> Connection:
    w.prepare(conn)
    return conn


def test_a_correction_is_billed_again_and_leaves_revenue_alone(firm: Connection) -> None:
    """INV-1 of 800 credited whole and billed again: INV-2 of 800; revenue stays, the receivable is 800."""
    one = w.event(firm, "e1")
    number = w.released(firm)
    assert w.credited(firm, number, whole=True, rebill=True) == "CN-1"
    assert billing.show(firm, number)["state"] == "credited"
    assert w.accounts(firm) == {}
    assert w.released(firm) == "INV-2"
    assert w.balance(firm, one) == {"recognised": D(800), "billed": D(1600), "credited": D(800)}
    assert w.accounts(firm) == {"receivable": D(800), "unbilled_receivable": D(-800)}


def test_a_concession_lowers_the_price_and_reverses_its_revenue(firm: Connection) -> None:
    """300 of 800 given up: the hours stay billed, revenue falls by 300, and nothing is billable again."""
    one = w.event(firm, "e1")
    number = w.released(firm)
    w.credited(firm, number, amount=D(300), kind="concession")
    left = w.balance(firm, one)
    assert left == {
        "recognised": D(500),
        "billed": D(800),
        "credited": D(300),
        "written_off": D(300),
    }
    assert w.accounts(firm) == {"receivable": D(500), "revenue": D(300), "unbilled_receivable": D(-800)}
    assert billing.show(firm, number)["state"] == "released"
    assert w.bill(firm) == []


def test_items_name_an_entry_or_a_line_with_hours_or_money(firm: Connection) -> None:
    """3 h of e1 (300) and all of e2 (400): lines of the credit note carry the original's price."""
    w.event(firm, "e1")
    w.event(firm, "e2", "4")
    number = w.released(firm)
    items: list[dict[str, Any]] = [{"id": "e1", "hours": D(3)}, {"id": "e2"}]
    ref = billing.request_credit(firm, w.PAT, number, items=items, reason="wrong week", rebill=True)
    shown = billing.show(firm, ref)
    assert (shown["net_amount"], shown["credits"], shown["kind"]) == (D(700), "INV-1", "credit_note")
    assert [(e["entry"], e["quantity"]) for e in shown["lines"][0]["events"]] == [("e1", D(3)), ("e2", D(4))]
    assert sum(r["amount"] for r in billing.backup_sheet(firm, ref)) == D(700)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"amount": D(801)}, "TIE-208"), ({"items": [{"id": "e1", "hours": D(9)}]}, "TIE-208"),
        ({"items": [{"id": "nobody"}]}, "TIE-208"), ({}, "TIE-101"), ({"whole": True, "amount": D(1)}, "TIE-101"),
        ({"whole": True, "reason": " "}, "TIE-101"), ({"amount": D(1), "kind": "gift"}, "TIE-208"),
        ({"amount": D(1), "kind": "concession", "rebill": True}, "TIE-101"),
        ({"items": [{"id": "e1", "hours": D(1), "amount": D(1)}]}, "TIE-101"), ({"amount": D("0.001")}, "TIE-208"),
    ],
)  # fmt: skip
def test_a_credit_beyond_or_beside_what_is_left_is_refused(
    firm: Connection, asked: dict[str, Any], code: str
) -> None:
    w.event(firm, "e1")
    number = w.released(firm)
    with pytest.raises(Invalid) as refused:
        billing.request_credit(firm, w.PAT, number, **{"reason": "x", **asked})
    assert refused.value.code == code


def test_what_another_credit_note_asks_for_is_not_left(firm: Connection) -> None:
    w.event(firm, "e1")
    number = w.released(firm)
    first = billing.request_credit(firm, w.PAT, number, amount=D(500), reason="x")
    with pytest.raises(Invalid, match="left 300"):
        billing.request_credit(firm, w.PAT, number, amount=D(400), reason="x")
    billing.reject(firm, first, w.ANN, "no")
    assert billing.request_credit(firm, w.PAT, number, amount=D(400), reason="x")


def test_a_credit_needs_a_released_invoice_and_another_person(firm: Connection) -> None:
    w.event(firm, "e1")
    [draft] = w.bill(firm)
    with pytest.raises(Conflict):
        billing.request_credit(firm, w.PAT, draft, whole=True, reason="x")
    billing.approve(firm, draft, w.ANN)
    number = billing.release(firm, draft, w.ANN)
    with pytest.raises(Forbidden):
        billing.request_credit(firm, w.ANN, number, whole=True, reason="x")
    ref = billing.request_credit(firm, w.BOB, number, whole=True, reason="x")
    with pytest.raises(Forbidden, match="TIE-203"):
        billing.approve(firm, ref, w.BOB)
    billing.approve(firm, ref, w.ANN)
    assert billing.release(firm, ref, w.ANN) == "CN-1"
    assert billing.show(firm, number)["credit_notes"][0]["number"] == "CN-1"


@pytest.mark.parametrize(
    ("rate", "amounts", "taxes"),
    [
        ("0.19", ["0.33", "0.33", "0.34"], ["0.06", "0.07", "0.06"]),
        ("0.05", ["0.30", "0.30", "0.30", "0.10"], ["0.02", "0.01", "0.02", "0"]),
    ],
)
def test_partial_credits_take_the_tax_of_the_invoice_and_no_cent_more(
    conn: Connection, rate: str, amounts: list[str], taxes: list[str]
) -> None:
    """The tax on all credits together grows by what each takes: of 1.00 at 19 %, 0.0627 -> 0.06, 0.1254 -> 0.13,
    0.19; at 5 %, 0.015 -> 0.02, 0.03, 0.045 -> 0.05, 0.05. Rounded one by one the three of 5 % would take 0.06 of 0.05.
    """
    document = {**w.WORKSPACE, "tax": [{"category": "S", "rate": rate, "from": "2020-01-01"}]}
    w.prepare(conn, document=document)
    w.event(conn, "e1", "1", "1")
    number = w.released(conn)
    taken = []
    for amount in amounts:
        ref = billing.request_credit(conn, w.PAT, number, amount=D(amount), reason="x", rebill=True)
        taken.append(billing.show(conn, ref)["tax_amount"])
        billing.approve(conn, ref, w.ANN)
        billing.release(conn, ref, w.ANN)
    assert taken == [D(tax) for tax in taxes]
    assert billing.show(conn, number)["state"] == "credited"
    assert w.accounts(conn) == {}


def test_the_database_refuses_to_bill_an_event_twice(firm: Connection) -> None:
    w.event(firm, "e1")
    w.released(firm)
    for place, amount in (("billed", 801), ("credited", 801), ("drafted", 1)):
        with pytest.raises(IntegrityError), firm.begin_nested():
            firm.execute(update(billing_balance).values({f"{place}_amount": amount}))


# --- any order -------------------------------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.one_of(
        st.just(("bill",)),
        st.just(("approve",)),
        st.just(("release",)),
        st.just(("void",)),
        st.tuples(st.just("work"), st.integers(1, 900)),
        st.tuples(st.just("amount"), st.integers(0, 5), st.integers(1, 60_000), st.booleans()),
        st.tuples(
            st.just("whole"), st.integers(0, 5), st.sampled_from(["rebill", "concession", "cancellation"])
        ),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_no_order_of_bill_credit_and_rebill_bills_an_hour_twice(engine: Engine, actions: list[Any]) -> None:
    """Each example in a transaction that is rolled back; what is refused is refused, the sums always hold."""
    with engine.connect() as conn:
        w.prepare(conn, ["K-1"])
        w.event(conn, "e0")
        numbers: list[str] = []
        for number, action in enumerate(actions):
            _act(conn, action, number, numbers)
            _check(conn)
        conn.rollback()


def _act(conn: Connection, action: Any, number: int, numbers: list[str]) -> None:
    name = action[0]
    if name == "work":
        w.event(conn, f"x{number}", f"{action[1]}", "0.37", recognised=False)
        return
    if name == "bill":
        w.bill(conn)
        return
    if name in ("approve", "release", "void"):
        wanted = {"approve": "draft", "release": "approved", "void": "draft"}[name]
        for row in billing.listed(conn, {"state": wanted}).rows[:2]:
            done = getattr(billing, name)(conn, row["reference"], w.ANN)
            numbers += [done] if name == "release" and row["kind"] == "invoice" else []
        return
    if not numbers:
        return
    asked: dict[str, Any] = (
        {"whole": True, "kind": action[2]} if name == "whole" else {"amount": D(action[2]) / 100}
    )
    if asked.get("kind") == "rebill" or (name == "amount" and action[3]):
        asked |= {"kind": "correction", "rebill": True}
    try:
        billing.request_credit(conn, w.PAT, numbers[action[1] % len(numbers)], reason="x", **asked)
    except Refusal:
        return


def _check(conn: Connection) -> None:
    """Per event: billed − credited within [0, amount]; documents add up to it; debits equal credits."""
    off = conn.execute(
        text(
            "SELECT count(*) FROM billing_balance b LEFT JOIN (SELECT l.event,"
            " sum(CASE WHEN i.kind = 'invoice' AND i.number IS NOT NULL THEN l.amount ELSE 0 END) AS billed,"
            " sum(CASE WHEN i.kind = 'credit_note' AND i.number IS NOT NULL THEN l.amount ELSE 0 END) AS credited,"
            " sum(CASE WHEN i.kind = 'invoice' AND i.state IN ('draft', 'approved') THEN l.amount ELSE 0 END) AS drafted"
            " FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice GROUP BY l.event) d ON d.event = b.event"
            " WHERE b.billed_amount <> coalesce(d.billed, 0) OR b.credited_amount <> coalesce(d.credited, 0)"
            " OR b.drafted_amount <> coalesce(d.drafted, 0)"
            " OR b.billed_amount - b.credited_amount NOT BETWEEN 0 AND b.amount"
            " OR b.billed_quantity - b.credited_quantity NOT BETWEEN 0 AND b.quantity"
        )
    ).scalar_one()
    assert off == 0
    documents = conn.execute(
        text("SELECT coalesce(sum(CASE kind WHEN 'invoice' THEN gross_amount ELSE -gross_amount END), 0)"
             " FROM invoice WHERE number IS NOT NULL")
    ).scalar_one()  # fmt: skip
    assert w.accounts(conn).get("receivable", D(0)) == documents


def test_rating_again_keeps_what_was_given_up(conn: Connection) -> None:
    """8 h at 200 billed, 600 conceded: rating again brings no revenue back and makes nothing billable."""
    rated.start(conn)
    w.state_policies(conn)
    take(conn, "kantata", rated.hours("501", "8"))
    rating.rate_contracts(conn, ["K-1"])
    number = w.released(conn)
    w.credited(conn, number, amount=D(600), kind="concession")
    before = w.accounts(conn)
    again = rating.rate_contracts(conn, ["K-1"])
    assert (again.created, again.journals) == (0, 0)
    assert w.accounts(conn) == before
    assert before["revenue"] == D(-1000)
    assert w.bill(conn) == []
