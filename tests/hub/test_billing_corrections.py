"""Credits beside corrections: nothing beyond what stands of an entry, nothing beyond what is left of a document."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from tests.hub import billing_world as w
from tests.hub import rated
from tests.hub.builders import take
from tieout.hub import billing, rating
from tieout.hub.refusals import Conflict, Forbidden, Invalid
from tieout.hub.verify import verify

D = Decimal
CREDIT_NOTES: dict[str, Any] = {
    **w.WORKSPACE,
    "billing": {**w.WORKSPACE["billing"], "correction": "credit_note"},
}


def start(conn: Connection, document: Any = None) -> None:
    """A contract at 200 an hour, its consultant, and the workspace."""
    rated.start(conn)
    w.state_policies(conn, document)


def hear(conn: Connection, *entries: Any) -> None:
    """Time arrives and is rated."""
    take(conn, "kantata", *entries)
    rating.rate_contracts(conn, ["K-1"])


def entries(conn: Connection) -> dict[str, Decimal]:
    """Billed less credited by entry."""
    query = text("SELECT e.entry, sum(b.billed_amount - b.credited_amount) AS net FROM billing_balance b"
                 " JOIN billing_event e ON e.id = b.event GROUP BY e.entry ORDER BY e.entry")  # fmt: skip
    return {row.entry: row.net for row in conn.execute(query)}


def check_invariants(conn: Connection) -> None:
    """Hours, balances, money, journals, totals and revenue."""
    found = verify(conn, only=["I1", "I2", "I3", "I4", "I5", "I6"])
    assert [one["detail"] for one in found if one["status"] == "failed"] == []


@pytest.fixture
def corrected(conn: Connection) -> Connection:
    """INV-1: 8 h of 501 = 1,600. INV-2: 501 is 5 h only = −600, and 6 h of 502 = 1,200; net 600."""
    start(conn)
    hear(conn, rated.hours("501", "8"))
    assert w.released(conn) == "INV-1"
    hear(conn, rated.hours("501", "5", version="2"), rated.hours("502", "6"))
    assert w.released(conn) == "INV-2"
    assert [net for _, _, _, net in w.documents(conn)] == [D(1600), D(600)]
    return conn


@pytest.mark.parametrize(
    "asked", [{"rebill": True}, {"kind": "concession"}, {"kind": "cancellation"}], ids=["rebill", "concession", "cancel"]
)  # fmt: skip
def test_a_credit_of_an_entry_beside_a_correction_takes_no_more_than_the_invoice(
    corrected: Connection, asked: dict[str, Any]
) -> None:
    """502 is credited whole, 1,200. Of INV-2 600 are left, so 600 of its correction go back to the next invoice.

    Before: a credit note of 1,200 against an invoice of 600.
    """
    number = w.credited(corrected, "INV-2", items=[{"id": "502"}], **asked)
    note = billing.show(corrected, number)
    assert note["net_amount"] == D(600)
    assert [line["net_amount"] for line in note["lines"]] == [D(1200), D(-600)]
    assert entries(corrected) == {"501": D(1600), "502": D(0)}
    assert billing.show(corrected, "INV-2")["state"] == "credited"
    check_invariants(corrected)
    hear(corrected, rated.hours("503", "10"))
    assert w.released(corrected) == "INV-3"
    again = D(1200) if asked.get("rebill") else D(0)
    assert w.documents(corrected)[-1][3] == D(2000) - D(600) + again
    assert entries(corrected)["501"] == D(1000)
    check_invariants(corrected)


def test_what_a_later_invoice_took_back_is_not_credited_again(corrected: Connection) -> None:
    """INV-1 carries 8 h of 501, INV-2 took them back and bills 5 h: on INV-1 nothing of it is left, on INV-2 5 h."""
    with pytest.raises(Invalid, match="nothing is left"):
        billing.request_credit(corrected, w.PAT, "INV-1", whole=True, reason="x")
    with pytest.raises(Invalid, match="TIE-208"):
        billing.request_credit(corrected, w.PAT, "INV-2", items=[{"id": "501", "hours": D(6)}], reason="x")
    w.credited(corrected, "INV-2", items=[{"id": "501", "hours": D(3)}], rebill=True)
    assert entries(corrected) == {"501": D(400), "502": D(1200)}
    check_invariants(corrected)


def test_an_amount_is_limited_by_what_is_left_of_the_invoice(corrected: Connection) -> None:
    with pytest.raises(Invalid, match="left 600"):
        billing.request_credit(corrected, w.PAT, "INV-2", amount=D(601), reason="x")
    w.credited(corrected, "INV-2", amount=D(600), kind="concession")
    with pytest.raises(Invalid, match="nothing is left"):
        billing.request_credit(corrected, w.PAT, "INV-2", items=[{"id": "502"}], reason="x")
    check_invariants(corrected)


def test_a_whole_credit_takes_the_correction_back_too_and_never_gives_it_up(corrected: Connection) -> None:
    """INV-2 is cancelled: its work is given up, the correction of INV-1 is still owed to the customer."""
    w.credited(corrected, "INV-2", whole=True, kind="cancellation")
    assert w.bill(corrected) == []
    hear(corrected, rated.hours("503", "10"))
    w.released(corrected)
    assert w.documents(corrected)[-1][3] == D(2000) - D(1600)
    assert entries(corrected) == {"501": D(0), "502": D(0), "503": D(2000)}
    check_invariants(corrected)


def test_a_credit_drafted_before_its_hours_were_corrected_is_not_released(conn: Connection) -> None:
    start(conn)
    hear(conn, rated.hours("501", "8"))
    number = w.released(conn)
    ref = billing.request_credit(conn, w.PAT, number, whole=True, reason="x", rebill=True)
    billing.approve(conn, ref, w.ANN)
    hear(conn, rated.hours("501", "5", version="2"))
    with pytest.raises(Conflict, match="TIE-206"):
        billing.release(conn, ref, w.ANN)
    check_invariants(conn)


# --- corrections as credit notes ---------------------------------------------------------------------------------------


@pytest.fixture
def noted(conn: Connection) -> Connection:
    """INV-1: 8 h of 501 and 4 h of 502, 2,400; then 501 is 5 h only, under the policy `credit_note`."""
    start(conn, CREDIT_NOTES)
    hear(conn, rated.hours("501", "8"), rated.hours("502", "4"))
    assert w.released(conn) == "INV-1"
    hear(conn, rated.hours("501", "5", version="2"))
    return conn


def test_by_policy_a_correction_downwards_is_a_credit_note_of_its_invoice(noted: Connection) -> None:
    """600 of 501 come back on the line of INV-1 that held it, with its hours; nothing is on an invoice."""
    [ref] = w.bill(noted)
    note = billing.show(noted, ref)
    assert [note[name] for name in ("kind", "credits", "credit_kind", "net_amount", "preparer")] == [
        "credit_note", "INV-1", "correction", D(600), w.PAT.name]  # fmt: skip
    assert [(line["line"], line["quantity"], line["net_amount"]) for line in note["lines"]] == [
        (1, D(3), D(600))
    ]
    assert {event["entry"] for event in note["lines"][0]["events"]} == {"501"}
    assert sum(row["amount"] for row in billing.backup_sheet(noted, ref)) == D(600)
    assert w.bill(noted) == []
    check_invariants(noted)
    with pytest.raises(Forbidden):
        billing.approve(noted, ref, w.PAT)
    billing.approve(noted, ref, w.ANN)
    check_invariants(noted)
    assert billing.release(noted, ref, w.ANN) == "CN-1"
    assert entries(noted) == {"501": D(1000), "502": D(800)}
    assert w.accounts(noted) == {"receivable": D(1800), "revenue": D(-1800)}
    assert w.bill(noted) == []
    check_invariants(noted)


def test_what_stands_after_a_correction_note_can_be_credited_and_corrected_again(noted: Connection) -> None:
    """5 of 8 h stand on INV-1: they can be credited there once, and a withdrawal credits what is left of them."""
    [ref] = w.bill(noted)
    billing.approve(noted, ref, w.ANN)
    billing.release(noted, ref, w.ANN)
    with pytest.raises(Invalid, match="left 5"):
        billing.request_credit(noted, w.PAT, "INV-1", items=[{"id": "501", "hours": D(6)}], reason="x")
    w.credited(noted, "INV-1", items=[{"id": "501", "hours": D(2)}], kind="cancellation")
    check_invariants(noted)
    hear(noted, rated.hours("501", "5", version="3", approved=False))
    [ref] = w.bill(noted)
    assert billing.show(noted, ref)["net_amount"] == D(600)
    billing.approve(noted, ref, w.ANN)
    billing.release(noted, ref, w.ANN)
    assert entries(noted) == {"501": D(0), "502": D(800)}
    w.credited(noted, "INV-1", whole=True, rebill=True)
    assert billing.show(noted, "INV-1")["state"] == "credited"
    check_invariants(noted)


def test_a_correction_note_is_redone_when_its_hours_change_and_ends_with_a_void(noted: Connection) -> None:
    [first] = w.bill(noted)
    billing.approve(noted, first, w.ANN)
    hear(noted, rated.hours("501", "4", version="3"))
    with pytest.raises(Conflict, match="stale"):
        billing.release(noted, first, w.ANN)
    check_invariants(noted)
    [second] = w.bill(noted)
    assert billing.show(noted, first)["state"] == "void"
    assert billing.show(noted, second)["net_amount"] == D(800)
    billing.void(noted, second, w.PAT)
    check_invariants(noted)
    [third] = w.bill(noted)
    hear(noted, rated.hours("503", "1"))
    [invoice] = w.bill(noted)
    assert billing.show(noted, third)["state"] == "draft"
    assert billing.show(noted, invoice)["net_amount"] == D(200)
    check_invariants(noted)


def test_a_correction_goes_to_each_invoice_that_carries_a_part_of_the_entry(conn: Connection) -> None:
    """8 h of 501 on INV-1; 3 h credited and billed again on INV-2; withdrawn: 1,000 of INV-1 and 600 of INV-2."""
    start(conn, CREDIT_NOTES)
    hear(conn, rated.hours("501", "8"), rated.hours("502", "4"))
    w.released(conn)
    w.credited(conn, "INV-1", items=[{"id": "501", "hours": D(3)}], rebill=True)
    assert w.released(conn) == "INV-2"
    hear(conn, rated.hours("501", "8", version="2", approved=False))
    notes = [billing.show(conn, ref) for ref in w.bill(conn)]
    assert [(note["credits"], note["net_amount"]) for note in notes] == [
        ("INV-1", D(1000)),
        ("INV-2", D(600)),
    ]
    for note in notes:
        billing.approve(conn, note["reference"], w.ANN)
        billing.release(conn, note["reference"], w.ANN)
    assert entries(conn) == {"501": D(0), "502": D(800)}
    check_invariants(conn)


def test_a_correction_that_its_invoice_cannot_take_goes_to_the_next_invoice(conn: Connection) -> None:
    """A credit of 2,000 of the 2,400 of INV-1 is asked for: the 600 of 501 do not fit any more and go to an invoice."""
    start(conn, CREDIT_NOTES)
    hear(conn, rated.hours("501", "8"), rated.hours("502", "4"))
    w.released(conn)
    asked = billing.request_credit(conn, w.PAT, "INV-1", amount=D(2000), reason="x", rebill=True)
    billing.approve(conn, asked, w.ANN)
    hear(conn, rated.hours("501", "5", version="2"), rated.hours("503", "10"))
    [ref] = w.bill(conn)
    assert [billing.show(conn, ref)[name] for name in ("kind", "net_amount")] == ["invoice", D(1400)]
    with pytest.raises(Conflict, match="corrected after it was drafted"):
        billing.release(conn, asked, w.ANN)
    check_invariants(conn)


# --- what an approval is bound to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE invoice_line SET description = 'Gifts'", "UPDATE invoice_line SET role = 'Boss'",
        "UPDATE invoice_line SET tax_category = 'AE'", "UPDATE invoice SET purchase_order = 'PO-9'",
        "UPDATE invoice SET terms_days = 90", "UPDATE invoice SET currency = 'EUR'",
        "UPDATE invoice SET customer = 'C-9'", "UPDATE invoice SET gross_amount = 1", "UPDATE invoice SET reason = 'y'",
    ],
)  # fmt: skip
def test_whatever_the_customer_sees_is_what_was_approved(conn: Connection, changed: str) -> None:
    """Anything on the document that changes after its approval keeps it from being released."""
    w.prepare(conn)
    w.event(conn, "e1")
    number = w.released(conn)
    note = billing.request_credit(conn, w.PAT, number, whole=True, reason="x", rebill=True)
    w.event(conn, "e2")
    [invoice] = w.bill(conn)
    refs = [note] if "reason" in changed else [note, invoice]
    for ref in refs:
        billing.approve(conn, ref, w.ANN)
    conn.execute(text(changed))
    for ref in refs:
        with pytest.raises(Conflict, match="TIE-207"):
            billing.release(conn, ref, w.ANN)


def test_the_backup_sheet_says_what_was_approved_whatever_the_source_says_later(conn: Connection) -> None:
    """The narrative of 501 changes after it was drafted: invoice and credit note say what was approved, the next draft not."""
    start(conn)
    hear(conn, rated.hours("501", "8", notes="analysis"))
    [ref] = w.bill(conn)
    billing.approve(conn, ref, w.ANN)
    hear(conn, rated.hours("501", "8", version="2", notes="a long lunch"))
    number = billing.release(conn, ref, w.ANN)
    note = w.credited(conn, number, whole=True, rebill=True)
    for document in (number, note):
        assert [row["notes"] for row in billing.backup_sheet(conn, document)] == ["analysis"]
        assert {check["check"]: check["ok"] for check in billing.show(conn, document)["checks"]}["content"]
    [again] = w.bill(conn)
    assert [row["notes"] for row in billing.backup_sheet(conn, again)] == ["a long lunch"]
    conn.execute(text("UPDATE invoice_line_event SET notes = 'gifts'"))
    billing.approve(conn, again, w.ANN)
    with pytest.raises(Conflict, match="TIE-207"):
        billing.release(conn, again, w.ANN)


# --- any order ---------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.sampled_from(["501", "502"]), st.integers(0, 9)),
        st.tuples(st.just("bill"), st.booleans()),
        st.tuples(st.just("entry"), st.integers(0, 3), st.sampled_from(["501", "502"])),
        st.tuples(st.just("amount"), st.integers(0, 3), st.integers(1, 1500)),
        st.tuples(st.just("whole"), st.integers(0, 3)),
        st.just(("release",)),
    ),
    min_size=5,
    max_size=12,
)


@pytest.mark.parametrize("document", [w.WORKSPACE, CREDIT_NOTES], ids=["next_invoice", "credit_note"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=STEPS,
    kinds=st.lists(st.sampled_from(["rebill", "concession", "cancellation"]), min_size=12, max_size=12),
)
def test_no_order_of_bill_correct_credit_and_rebill_credits_too_much(
    engine: Engine, document: Any, steps: list[Any], kinds: list[str]
) -> None:
    """Per event 0 <= billed - credited <= approved, per entry not below zero, per invoice its credits within it."""
    with engine.connect() as conn:
        start(conn, document)
        for version, (step, kind) in enumerate(zip(steps, kinds, strict=False), 1):
            _take_step(conn, step, kind, version)
            check_invariants(conn)
            assert min(entries(conn).values(), default=D(0)) >= 0
            over = text("SELECT count(*) FROM invoice i WHERE i.kind = 'invoice' AND i.net_amount <"
                        " (SELECT sum(n.net_amount) FROM invoice n WHERE n.credits = i.id AND n.state <> 'void')")  # fmt: skip
            assert conn.execute(over).scalar_one() == 0
        conn.rollback()


def _take_step(conn: Connection, step: Any, kind: str, version: int) -> None:
    """Whatever is refused is refused; nothing else may happen."""
    match step:
        case ("work", entry, number):
            hear(conn, rated.hours(entry, str(number), version=str(version), approved=number > 0))
        case ("bill", all_at_once):
            w.bill(conn)
            if all_at_once:
                _release_all(conn)
        case ("release",):
            _release_all(conn)
        case (name, place, *of):
            numbers = [n for _, n, _, net in w.documents(conn) if n and n.startswith("INV") and net]
            asked: dict[str, Any] = {"rebill": True} if kind == "rebill" else {"kind": kind}
            asked |= _of(name, of)
            if numbers:
                with contextlib.suppress(Invalid):
                    billing.request_credit(conn, w.PAT, numbers[place % len(numbers)], reason="x", **asked)


def _of(name: str, of: list[Any]) -> dict[str, Any]:
    if name == "entry":
        return {"items": [{"id": of[0]}]}
    return {"amount": D(of[0])} if name == "amount" else {"whole": True}


def _release_all(conn: Connection) -> None:
    for row in billing.listed(conn, {"state": ["draft", "approved"]}).rows[::-1]:
        with contextlib.suppress(Conflict):
            if row["state"] == "draft":
                billing.approve(conn, row["reference"], w.ANN)
            billing.release(conn, row["reference"], w.ANN)
