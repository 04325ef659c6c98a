"""What customers keep of invoices: bound to the approval, moved by credits and acceptance, asked for once, by its own document."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from tests.hub import billing_world as w
from tieout.hub import billing, retention
from tieout.hub.refusals import Conflict, Invalid
from tieout.hub.verify import verify

D = Decimal


@pytest.fixture
def firm(conn: Connection) -> Connection:
    """8 h at 100 of K-1 are rated; the customer keeps 12.5 % until 1 March."""
    w.prepare(conn)
    w.state_invoicing(conn, retention={"share": "0.125", "release_on": "2026-03-01"})
    w.event(conn, "e1")
    return conn


def later(conn: Connection, **terms: object) -> None:
    w.state_invoicing(conn, retention={"share": "0.125", **terms})


def check_invariants(conn: Connection) -> None:
    found = verify(conn, only=["I2", "I4", "I5"])
    assert [one["detail"] for one in found if one["status"] == "failed"] == []


def test_a_share_is_kept_and_what_is_open_is_the_rest(firm: Connection) -> None:
    """12.5 % of 800 = 100; the document says so, and the books."""
    number = w.released(firm)
    shown = billing.show(firm, number)
    assert (shown["gross_amount"], shown["retained_amount"], shown["open_amount"]) == (D(800), D(100), D(700))
    assert w.accounts(firm) == {
        "receivable": D(700), "retention_receivable": D(100), "unbilled_receivable": D(-800)}  # fmt: skip
    record, _ = billing.document(firm, number)
    assert (record.payable_amount, record.retained_amount) == (D(800), D(100))
    assert retention.book(firm, ["K-1"]) == 0
    check_invariants(firm)


def test_an_approval_is_of_what_is_kept_too(firm: Connection) -> None:
    [ref] = w.bill(firm)
    billing.approve(firm, ref, w.ANN)
    firm.execute(text("UPDATE invoice SET retained_amount = 0"))
    with pytest.raises(Conflict, match="TIE-207"):
        billing.release(firm, ref, w.ANN)


def test_the_database_keeps_no_more_than_the_net(firm: Connection) -> None:
    w.bill(firm)
    with pytest.raises(IntegrityError, match="retained"), firm.begin_nested():
        firm.execute(text("UPDATE invoice SET retained_amount = 800.01"))


def test_it_is_asked_for_once_on_its_day_and_posted_to_no_system(firm: Connection) -> None:
    number = w.released(firm)
    assert w.bill(firm) == []
    [ref] = w.bill(firm, through=w.date(2026, 3, 1))
    assert w.bill(firm, through=w.date(2026, 3, 1)) == []
    [line] = billing.show(firm, ref)["lines"]
    assert (line["description"], line["net_amount"], line["settles"]) == (
        f"Retention of {number}",
        D(100),
        number,
    )
    assert w.accounts(firm)["retention_receivable"] == D(100)
    billing.approve(firm, ref, w.ANN)
    asked = billing.release(firm, ref, w.ANN)
    assert w.accounts(firm) == {"receivable": D(800), "unbilled_receivable": D(-800)}
    posted = firm.execute(text("SELECT key FROM work WHERE kind = 'post'")).scalars().all()
    assert posted == [number]
    assert len(billing.document(firm, asked)[1]) == 1
    assert billing.backup_sheet(firm, asked) == []
    assert w.bill(firm, through=w.date(2026, 12, 31)) == []
    check_invariants(firm)


def test_a_document_that_asks_for_it_is_not_credited_its_invoice_is(firm: Connection) -> None:
    """Half of the work is credited after the retention was asked for: 400 of 800 are owed, nothing is kept."""
    number = w.released(firm)
    [ref] = w.bill(firm, through=w.date(2026, 3, 1))
    billing.approve(firm, ref, w.ANN)
    asked = billing.release(firm, ref, w.ANN)
    with pytest.raises(Invalid, match="nothing is left"):
        billing.request_credit(firm, w.PAT, asked, whole=True, reason="wrong")
    w.credited(firm, number, amount=D(400), rebill=True)
    assert w.accounts(firm) == {"receivable": D(400), "unbilled_receivable": D(-400)}
    check_invariants(firm)


def test_a_credit_before_takes_its_share_of_it(firm: Connection) -> None:
    number = w.released(firm)
    w.credited(firm, number, amount=D(400), rebill=True)
    assert w.accounts(firm) == {
        "receivable": D(350), "retention_receivable": D(50), "unbilled_receivable": D(-400)}  # fmt: skip
    [ref, again] = w.bill(firm, through=w.date(2026, 3, 1))
    assert [billing.show(firm, one)["net_amount"] for one in (ref, again)] == [D(400), D(50)]
    check_invariants(firm)


def test_a_draft_that_asks_is_redone_when_a_credit_leaves_less(firm: Connection) -> None:
    number = w.released(firm)
    [old] = w.bill(firm, through=w.date(2026, 3, 1))
    w.credited(firm, number, amount=D(80), kind="concession")
    w.event(firm, "e2", "1")
    refs = w.bill(firm, through=w.date(2026, 3, 1))
    assert billing.show(firm, old)["state"] == "void"
    assert [billing.show(firm, ref)["net_amount"] for ref in refs] == [D(100), D(90)]


def test_one_that_was_approved_before_a_credit_is_not_released(firm: Connection) -> None:
    number = w.released(firm)
    [ref] = w.bill(firm, through=w.date(2026, 3, 1))
    billing.approve(firm, ref, w.ANN)
    w.credited(firm, number, amount=D(80), kind="concession")
    with pytest.raises(Conflict, match=r"TIE-206.*100\.0000 of the retention of INV-1, 90\.0000 is free"):
        billing.release(firm, ref, w.ANN)


def test_a_day_that_moves_moves_what_is_kept_and_terms_without_it_set_it_free(firm: Connection) -> None:
    w.released(firm)
    later(firm, release_on="2026-06-30")
    assert w.bill(firm, through=w.date(2026, 6, 29)) == []
    later(firm, milestone="M1")
    assert retention.book(firm, ["K-1"]) == 1
    assert w.accounts(firm)["contract_asset"] == D(100)
    w.state_invoicing(firm)
    assert retention.book(firm, ["K-1"]) == 1
    assert w.accounts(firm)["retention_receivable"] == D(100)
    assert [billing.show(firm, ref)["net_amount"] for ref in w.bill(firm)] == []
    assert len(w.bill(firm, through=w.date(2026, 3, 2))) == 1


def test_nothing_is_kept_of_an_invoice_once_it_is_free(firm: Connection) -> None:
    [ref] = w.bill(firm, through=w.date(2026, 3, 1))
    assert billing.show(firm, ref)["retained_amount"] == D(0)
