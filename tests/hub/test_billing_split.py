"""Several payers of one contract: an invoice each, within the payer's share of every event, whatever is credited."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from tests.hub import billing_world as w
from tests.hub import builders, rated
from tieout.hub import billing, rating
from tieout.hub.refusals import Invalid, Refusal
from tieout.hub.verify import verify

D = Decimal
SPLIT = [{"customer": "C-100", "share": "0.7"}, {"customer": "C-200", "share": "0.3"}]


@pytest.fixture
def firm(conn: Connection) -> Connection:
    """Contract K-1 of customer C-100; C-200 pays 30 % of it."""
    w.prepare(conn)
    builders.take(conn, "salesforce", builders.account("C-200"))
    w.state_invoicing(conn, split=SPLIT)
    return conn


def released(conn: Connection, refs: list[str]) -> list[str]:
    for ref in refs:
        billing.approve(conn, ref, w.ANN)
    return [billing.release(conn, ref, w.ANN) for ref in refs]


def invoices(conn: Connection) -> list[tuple[Any, ...]]:
    """(number, payer, net) of what is released, in number order."""
    query = text(
        "SELECT number, customer, net_amount FROM invoice WHERE number IS NOT NULL ORDER BY kind DESC, number"
    )
    return [tuple(row) for row in conn.execute(query)]


def standing(conn: Connection) -> dict[str, Decimal]:
    """Billed less credited by payer."""
    query = text(
        "SELECT payer, sum(billed_amount - credited_amount) AS net FROM billing_share GROUP BY payer ORDER BY 1"
    )
    return {row.payer: row.net for row in conn.execute(query)}


def check_invariants(conn: Connection, *more: str) -> None:
    """Balances, shares, journals and totals; of work that was rated also `more`."""
    found = verify(conn, only=["I2", "I4", "I5", *more])
    assert [one["detail"] for one in found if one["status"] == "failed"] == []


def test_each_payer_gets_an_invoice_in_the_order_of_the_split(firm: Connection) -> None:
    """8 h at 100.01 = 800.08: 560.056 and 240.024 are 560.06 and 240.02; 5.6 h and 2.4 h."""
    w.event(firm, "e1", price="100.01")
    refs = w.bill(firm)
    assert [billing.show(firm, ref)["lines"][0]["quantity"] for ref in refs] == [D("5.6"), D("2.4")]
    assert released(firm, refs) == ["INV-1", "INV-2"]
    assert invoices(firm) == [("INV-1", "C-100", D("560.06")), ("INV-2", "C-200", D("240.02"))]
    assert w.accounts(firm) == {"receivable": D("800.08"), "unbilled_receivable": D("-800.08")}
    check_invariants(firm)


def test_a_share_that_was_sent_back_is_drafted_again_for_the_same_payer(firm: Connection) -> None:
    w.event(firm, "e1")
    first, second = w.bill(firm)
    billing.approve(firm, first, w.ANN)
    billing.reject(firm, second, w.ANN, "wrong address")
    [again] = w.bill(firm)
    assert released(firm, [again]) == ["INV-1"]
    assert billing.release(firm, first, w.ANN) == "INV-2"
    assert standing(firm) == {"C-100": D(560), "C-200": D(240)}
    assert w.bill(firm) == []
    check_invariants(firm)


def test_work_that_comes_free_later_is_shared_by_what_is_open(firm: Connection) -> None:
    """200 of 800 are over a cap: 420 + 180; with the cap raised 140 + 60 more, 560 + 240 in all."""
    one = w.event(firm, "e1")
    over = "UPDATE billing_balance SET over_cap_amount = :amount, over_cap_quantity = :hours WHERE event = :event"
    firm.execute(text(over), {"amount": 200, "hours": 2, "event": one})
    released(firm, w.bill(firm))
    assert standing(firm) == {"C-100": D(420), "C-200": D(180)}
    firm.execute(text(over), {"amount": 0, "hours": 0, "event": one})
    released(firm, w.bill(firm))
    assert standing(firm) == {"C-100": D(560), "C-200": D(240)}
    check_invariants(firm)


def test_a_credit_is_of_its_payer_and_is_billed_to_it_again(firm: Connection) -> None:
    w.event(firm, "e1")
    one, two = released(firm, w.bill(firm))
    assert w.credited(firm, two, amount=D(40), rebill=True) == "CN-1"
    with pytest.raises(Invalid, match="TIE-208"):
        billing.request_credit(firm, w.PAT, two, amount=D("200.01"), reason="too much")
    assert standing(firm) == {"C-100": D(560), "C-200": D(200)}
    [again] = w.bill(firm)
    assert (billing.show(firm, again)["customer"], billing.show(firm, again)["net_amount"]) == (
        "C-200",
        D(40),
    )
    w.credited(firm, one, amount=D(60), kind="concession")
    assert standing(firm) == {"C-100": D(500), "C-200": D(200)}
    released(firm, [again])
    assert w.bill(firm) == []
    check_invariants(firm)


def test_the_database_refuses_more_than_a_payers_share(firm: Connection) -> None:
    w.event(firm, "e1")
    released(firm, w.bill(firm))
    for more in ("billed_amount = billed_amount + 0.01", "credited_amount = 241", "credited_quantity = 9"):
        with pytest.raises(IntegrityError, match="billed_within"), firm.begin_nested():
            firm.execute(text(f"UPDATE billing_share SET {more} WHERE payer = 'C-200'"))  # noqa: S608


def test_the_database_refuses_to_bill_an_event_to_who_is_no_payer_of_it(firm: Connection) -> None:
    w.event(firm, "e1")
    [first, _] = w.bill(firm)
    copied = "INSERT INTO invoice_line_event (invoice, line, event, quantity, amount) SELECT d.id, 1, l.event, 1, 1 FROM"
    stranger = "invoice d, invoice_line_event l WHERE d.contract = 'K-2' LIMIT 1"
    w.event(firm, "e2", contract="K-2")
    w.bill(firm)
    firm.execute(text("UPDATE invoice SET customer = 'C-999' WHERE contract = 'K-2'"))
    with pytest.raises(IntegrityError, match="is not for C-999 to pay"), firm.begin_nested():
        firm.execute(text(f"{copied} {stranger} OFFSET 1"))
    assert billing.show(firm, first)["customer"] == "C-100"


def test_a_payer_that_nobody_knows_keeps_the_contract_waiting_and_the_rest_goes_on(firm: Connection) -> None:
    w.state_invoicing(firm, split=[SPLIT[0], {"customer": "C-404", "share": "0.3"}])
    w.event(firm, "e1")
    w.event(firm, "e2", contract="K-2")
    assert len(w.bill(firm)) == 1
    assert w.open_exceptions(firm) == {"unknown-payer": {"K-1": D(800)}}
    builders.take(firm, "salesforce", builders.account("C-404"))
    assert len(w.bill(firm)) == 2
    assert w.open_exceptions(firm) == {}


def test_tax_follows_the_country_of_each_payer(firm: Connection) -> None:
    rules = [{"entity": None, "country": land, "category": "S", "rate": rate, "from": "2020-01-01"}
             for land, rate in (("US", "0.10"), ("GB", "0.20"))]  # fmt: skip
    w.state_policies(firm, {**w.WORKSPACE, "tax": rules}, version=2)
    builders.take(firm, "salesforce", builders.account("C-200", version="2", BillingCountry="GB"))
    w.event(firm, "e1")
    assert [billing.show(firm, ref)["tax_amount"] for ref in w.bill(firm)] == [D(56), D(48)]
    builders.take(firm, "salesforce", builders.account("C-200", version="3", BillingCountry="FR"))
    w.event(firm, "e2", "1")
    w.bill(firm)
    assert w.open_exceptions(firm) == {"tax-undetermined": {"K-1": D(270)}}


# --- corrections ------------------------------------------------------------------------------------------------


def hear(conn: Connection, *entries: Any) -> None:
    builders.take(conn, "kantata", *entries)
    rating.rate_contracts(conn, ["K-1"])


def rated_firm(conn: Connection, document: Any = None) -> Connection:
    """501 of 8 h at 200 = 1,600 is billed: 1,120 on INV-1 to C-100 and 480 on INV-2 to C-200."""
    rated.start(conn)
    w.state_policies(conn, document)
    builders.take(conn, "salesforce", builders.account("C-200"))
    w.state_invoicing(conn, split=SPLIT)
    hear(conn, rated.hours("501", "8"))
    released(conn, w.bill(conn))
    return conn


def test_a_correction_goes_to_the_payers_who_were_billed_and_names_their_invoices(conn: Connection) -> None:
    """501 is 6 h only, 502 is 10 h new: C-100 840 − 1,120 + 1,400 = 1,120; C-200 360 − 480 + 600 = 480."""
    rated_firm(conn)
    hear(conn, rated.hours("501", "6", version="2"), rated.hours("502", "10"))
    refs = w.bill(conn)
    shown = [billing.show(conn, ref) for ref in refs]
    assert [(one["customer"], one["net_amount"]) for one in shown] == [("C-100", D(1120)), ("C-200", D(480))]
    assert [[line["corrects"] for line in one["lines"]] for one in shown] == [
        [None, "INV-1"],
        [None, "INV-2"],
    ]
    released(conn, refs)
    assert standing(conn) == {"C-100": D(2240), "C-200": D(960)}
    check_invariants(conn, "I3", "I6")


def test_an_amended_split_is_for_what_is_not_billed_yet(conn: Connection) -> None:
    """501 was billed 70/30; 502 stands on drafts, which are stale, and is shared anew: 50/50 of 800, then all of it."""
    rated_firm(conn)
    hear(conn, rated.hours("502", "4"))
    first, _ = w.bill(conn)
    billing.approve(conn, first, w.ANN)
    w.state_invoicing(conn, split=[{"customer": c, "share": "0.5"} for c in ("C-200", "C-100")])
    rating.rate_contracts(conn, ["K-1"])
    assert "terms of invoicing" in billing.show(conn, first)["stale_reason"]
    assert set(w.open_exceptions(conn)) == {"stale-draft"}
    shown = [billing.show(conn, ref) for ref in w.bill(conn)]
    assert [(one["customer"], one["net_amount"]) for one in shown] == [("C-200", D(400)), ("C-100", D(400))]
    w.state_invoicing(conn)
    rating.rate_contracts(conn, ["K-1"])
    assert [billing.show(conn, ref)["net_amount"] for ref in w.bill(conn)] == [D(800)]
    assert w.open_exceptions(conn) == {}
    check_invariants(conn, "I3", "I6")


def test_a_split_that_ended_still_takes_back_from_who_was_billed(conn: Connection) -> None:
    rated_firm(conn)
    w.state_invoicing(conn)
    hear(conn, rated.hours("501", "6", version="2"), rated.hours("502", "10"))
    shown = [billing.show(conn, ref) for ref in w.bill(conn)]
    assert [(one["customer"], one["net_amount"]) for one in shown] == [("C-100", D(2080))]
    assert w.open_exceptions(conn) == {}
    check_invariants(conn, "I3", "I6")


def test_by_policy_each_payer_gets_the_credit_note_of_its_own_invoice(conn: Connection) -> None:
    """2 h of 501 at 200 less: 280 on INV-1 and 120 on INV-2."""
    policy = {**w.WORKSPACE, "billing": {**w.WORKSPACE["billing"], "correction": "credit_note"}}
    rated_firm(conn, policy)
    hear(conn, rated.hours("501", "6", version="2"))
    released(conn, w.bill(conn))
    notes = conn.execute(text("SELECT i.customer, o.number, i.net_amount FROM invoice i JOIN invoice o ON o.id = i.credits"
                              " ORDER BY o.number"))  # fmt: skip
    assert [tuple(row) for row in notes] == [("C-100", "INV-1", D(280)), ("C-200", "INV-2", D(120))]
    assert standing(conn) == {"C-100": D(840), "C-200": D(360)}
    check_invariants(conn, "I3", "I6")


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    shares=st.sampled_from([("0.7", "0.3"), ("0.333333", "0.666667"), ("0.05", "0.95")]),
    steps=st.lists(
        st.tuples(st.sampled_from(["bill", "credit", "rebill", "concede", "correct", "add"]), st.integers(1, 97)),
        min_size=2, max_size=7,
    ),
)  # fmt: skip
def test_billed_less_credited_of_every_payer_stays_within_its_share_in_any_order(
    engine: Engine, shares: tuple[str, str], steps: list[tuple[str, int]]
) -> None:
    """The database would refuse what leaves the share; nothing that is done here asks for it."""
    with engine.connect() as conn, conn.begin() as work:
        rated.start(conn)
        w.state_policies(conn)
        builders.take(conn, "salesforce", builders.account("C-200"))
        w.state_invoicing(
            conn, split=[{"customer": c, "share": s} for c, s in zip(("C-100", "C-200"), shares, strict=True)]
        )
        hear(conn, rated.hours("500", "7.35"))
        for place, (step, size) in enumerate(steps, 1):
            _play(conn, step, size, place)
        released(conn, w.bill(conn))
        check_invariants(conn, "I3", "I6")
        work.rollback()


def _play(conn: Connection, step: str, size: int, place: int) -> None:
    if step == "bill":
        released(conn, w.bill(conn))
    elif step == "add":
        hear(conn, rated.hours(str(500 + place), f"{size}.{place}"[:3]))
    elif step == "correct":
        hear(conn, rated.hours("500", f"{size % 12}.5", version=str(place + 1)))
    elif numbers := [number for number, _, _ in invoices(conn) if number.startswith("INV")]:
        asked: dict[str, Any] = {"kind": "concession"} if step == "concede" else {"rebill": step == "rebill"}
        with contextlib.suppress(Refusal):
            w.credited(conn, numbers[size % len(numbers)], amount=D(size), **asked)
