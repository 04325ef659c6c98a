"""Credits beside corrections: nothing beyond what stands of an entry, nothing beyond what is left of a document."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.hub import billing_world as w
from tests.hub import rated
from tests.hub.builders import take
from tieout.hub import billing, rating
from tieout.hub.refusals import Conflict, Invalid
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
