"""Drafts, totals and credits."""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.domain.billing import (
    CreditItem,
    CreditRefused,
    CreditRequest,
    DraftSet,
    content_hash,
    credit_lines,
    draft_invoices,
    invoice_totals,
    payments_moved,
)
from tieout.domain.frames import BILLABLE, INVOICE_TERMS, INVOICED, TAXED_LINES, frame

D = Decimal


def event(key: str, hours: str = "10", price: str = "200", **change: Any) -> dict[str, Any]:
    row = {
        "event": key, "kind": "time", "contract": "C-1", "line": "1", "project": "P-1", "role": "consultant",
        "entry": key, "work_date": date(2026, 1, 5), "quantity": D(hours), "amount": D(hours) * D(price),
        "price": D(price), "multiplier": D(1), "discount": D(0), "currency": "USD", "payer": "ACME",
        "tax_category": "O", "tax_rate": D(0),
    }  # fmt: skip
    return row | change


TERMS = [{"contract": c, "line": "1", "customer": "ACME", "entity": "US01", "purchase_order": "PO-1", "terms_days": 30}
         for c in ("C-1", "C-2")]  # fmt: skip
JAN = date(2026, 1, 31)


def draft(events: list[dict[str, Any]], terms: list[dict[str, Any]] | None = None) -> DraftSet:
    stated = frame(TERMS if terms is None else terms, INVOICE_TERMS)
    return draft_invoices(frame(events, BILLABLE), stated, through=JAN)


def test_rates_of_one_category_share_an_invoice_and_categories_do_not() -> None:
    """2,000 at 19 % = 380 and 2,000 at 16 % = 320 on one invoice of 4,700; 119 outside tax on one of its own."""
    rates = [event(key, tax_category="S", tax_rate=D(rate)) for key, rate in (("a", "0.19"), ("b", "0.16"))]
    got = draft([*rates, event("fee", "1", "119")])
    assert got.lines.select("tax_category", "tax_rate", "net_amount").rows() == [
        ("O", D(0), D(119)), ("S", D("0.16"), D(2000)), ("S", D("0.19"), D(2000))]  # fmt: skip
    assert got.invoices["gross_amount"].to_list() == [D(119), D(4700)]


def test_a_draft_with_less_than_nothing_to_pay_waits() -> None:
    """1,000 at 16 % = 1,160 beside 1,000 given back at 19 % = 1,190: net 0, gross 30 below nothing."""
    work = event("a", "5", tax_category="S", tax_rate=D("0.16"))
    back = event("r", "-5", kind="reversal", corrects="INV-1", tax_category="S", tax_rate=D("0.19"))
    assert set(draft([work, back]).waiting["event"]) == {"a", "r"}


def test_a_line_holds_one_price_and_sums_its_events() -> None:
    got = draft(
        [event("a"), event("b", "2"), event("c", "1", "250"), event("late", work_date=date(2026, 2, 1))]
    )
    assert got.lines.select("number", "quantity", "unit_price", "net_amount").rows() == [
        (1, D(12), D(200), D(2400)), (2, D(1), D(250), D(250))]  # fmt: skip
    assert got.invoices.select("net_amount", "tax_amount", "gross_amount").row(0) == (D(2650), D(0), D(2650))
    assert got.events["event"].to_list() == ["a", "b", "c"]


def test_the_unit_price_is_after_multiplier_and_discount() -> None:
    got = draft([event("a", multiplier=D("1.5"), discount=D("0.1"), amount=D(2700))])
    assert got.lines["unit_price"].to_list() == [D(270)]


def test_corrections_of_earlier_invoices_come_last_on_their_own_lines() -> None:
    fix = event("r", "-1", kind="reversal", corrects="INV-1")
    got = draft([fix, event("a"), event("z", "1", line="1", role="zzz")])
    assert got.lines["corrects"].to_list() == [None, None, "INV-1"]
    assert got.lines["net_amount"].to_list()[-1] == D(-200)


def test_a_negative_draft_waits_for_new_work() -> None:
    got = draft([event("r", "-3", kind="reversal", corrects="INV-1"), event("a", "1")])
    assert got.invoices.is_empty()
    assert set(got.waiting["event"]) == {"r", "a"}
    assert got.waiting["amount"].sum() == D(-400)


def test_a_line_without_tax_treatment_waits_and_the_rest_goes_on() -> None:
    got = draft([event("a"), event("b", contract="C-2", tax_category=None)])
    assert got.waiting.select("event", "reason").rows() == [("b", "tax-undetermined")]
    assert got.invoices["contract"].to_list() == ["C-1"]


def test_groups_decide_how_many_invoices() -> None:
    events = [event("a"), event("b", project="P-2"), event("c", contract="C-2")]
    assert draft(events).invoices.height == 2
    assert draft(events, [one | {"grouping": "project"} for one in TERMS]).invoices.height == 3
    assert draft([*events, event("d", kind="deposit")]).invoices.height == 3


def test_contracts_share_an_invoice_by_payer_or_by_order() -> None:
    """C-2 with another order is apart under `purchase_order` and beside it, without an order named, under `customer`."""
    events = [event("a", corrects="INV-1"), event("c", contract="C-2")]
    for grouping, orders, invoices in (
        ("customer", ("PO-1", "PO-2"), [("C-1", None, D(4000))]),
        ("customer", ("PO-1", "PO-1"), [("C-1", "PO-1", D(4000))]),
        ("purchase_order", ("PO-1", "PO-1"), [("C-1", "PO-1", D(4000))]),
        ("purchase_order", ("PO-1", "PO-2"), [("C-1", "PO-1", D(2000)), ("C-2", "PO-2", D(2000))]),
        ("purchase_order", (None, None), [("C-1", None, D(2000)), ("C-2", None, D(2000))]),
        ("contract", ("PO-1", "PO-1"), [("C-1", "PO-1", D(2000)), ("C-2", "PO-1", D(2000))]),
    ):
        terms = [one | {"grouping": grouping, "purchase_order": order}
                 for one, order in zip(TERMS, orders, strict=True)]  # fmt: skip
        got = draft(events, terms).invoices.select("contract", "purchase_order", "net_amount")
        assert sorted(got.rows()) == invoices, (grouping, orders)
    joint = [one | {"grouping": "customer"} for one in TERMS]
    for differs in ({"entity": "DE01"}, {"terms_days": 14}):
        assert draft(events, [joint[0], joint[1] | differs]).invoices.height == 2, differs
    assert draft([events[0], events[1] | {"tax_category": "S"}], joint).invoices.height == 2


def test_the_digest_follows_the_content_and_not_the_order() -> None:
    events = [event("a"), event("b", "2")]
    first = draft(events).invoices["content_hash"][0]
    assert draft(events[::-1]).invoices["content_hash"][0] == first
    assert draft([event("a"), event("b", "3")]).invoices["content_hash"][0] != first
    assert draft(events, [TERMS[0] | {"purchase_order": "PO-2"}]).invoices["content_hash"][0] != first


def test_the_digest_holds_what_the_customer_reads() -> None:
    got = draft(
        [event("a"), event("r", "-1", kind="reversal", corrects="INV-1"), event("b", role="", project=None)]
    )
    assert sorted(got.lines["description"]) == [
        "Correction of INV-1: consultant, P-1", "Services", "consultant, P-1"]  # fmt: skip
    other = got.lines.with_columns(pl.lit("Gifts").alias("description"))
    base = content_hash(got.invoices.with_columns(pl.lit("O").alias("tax_category")), got.lines, got.events)
    assert base["content_hash"].to_list() == got.invoices["content_hash"].to_list()
    changed = content_hash(got.invoices.with_columns(pl.lit("O").alias("tax_category")), other, got.events)
    assert changed["content_hash"].to_list() != got.invoices["content_hash"].to_list()


def totals(rows: list[tuple[str, str, str]], currency: str = "USD") -> tuple[Any, Any]:
    lines = [{"invoice": "I", "net_amount": D(n), "tax_category": c, "tax_rate": D(r)} for n, c, r in rows]
    headers = frame([{"invoice": "I"}], TAXED_LINES).select("invoice").with_columns(currency=pl.lit(currency))
    got = invoice_totals(frame(lines, TAXED_LINES), headers)
    return got.totals.rows()[0][1:], got.breakdown.select("taxable_amount", "tax_amount").rows()


def test_tax_is_rounded_once_per_category_and_rate() -> None:
    """EN 16931 example 8: ten nets at 21 % sum to 908.91; × 0.21 = 190.8711 -> 190.87 (by line it would be 190.88)."""
    nets = ["140.80", "16.16", "167.64", "88.74", "36.75", "56.50", "83.34", "190.31", "64.21", "64.46"]
    assert totals([(n, "S", "0.21") for n in nets])[0] == (D("908.91"), D("190.87"), D("1099.78"))


def test_two_rates_with_document_allowance_and_charge() -> None:
    """EN 16931 example 5: 1,500 at 25 % = 375; 2,500 at 12 % = 300; allowance −150 and charge 150 at 25 %."""
    rows = [("1000", "S", "0.25"), ("500", "S", "0.25"), ("2500", "S", "0.12"), ("-150", "S", "0.25"),
            ("150", "S", "0.25")]  # fmt: skip
    assert totals(rows, "DKK") == ((D(4000), D(675), D(4675)), [(D(2500), D(300)), (D(1500), D(375))])


def test_a_negative_line_and_a_charge() -> None:
    """PEPPOL base example: 2,800 − 1,500 + 25 = 1,325; × 0.25 = 331.25; 1,656.25."""
    rows = [("2800", "S", "0.25"), ("-1500", "S", "0.25"), ("25", "S", "0.25")]
    assert totals(rows, "EUR")[0] == (D(1325), D("331.25"), D("1656.25"))


def left(key: str, hours: str, amount: str, number: int = 1, **change: Any) -> dict[str, Any]:
    row = {"invoice": "INV-1", "number": number, "contract": "K-1", "contract_line": "1", "event": f"ev-{key}", "kind": "time",
           "entry": key, "unit_price": D(200), "quantity": D(hours), "amount": D(amount),
           "standing_quantity": D(hours), "standing_amount": D(amount), "tax_category": "O", "tax_rate": D(0)}  # fmt: skip
    return row | change


LEFT = [left("a", "10", "2000"), left("b", "4", "800"), left("c", "1", "250", 2, unit_price=D(250))]


def credit(
    *items: CreditItem,
    kind: str = "correction",
    amount: str | None = None,
    rows: list[dict[str, Any]] | None = None,
) -> Any:
    """Credit of an invoice that carries LEFT, or `rows`, of which nothing was credited before."""
    request = CreditRequest(kind, "because", True, items, None if amount is None else D(amount))
    rows = LEFT if rows is None else rows
    left = sum((row["amount"] for row in rows), D(0))
    return credit_lines(frame(rows, INVOICED), request, left=left, currency="USD")


def test_a_line_of_several_contracts_is_named_with_its_contract() -> None:
    rows = [left("a", "10", "2000"), left("b", "4", "800", 2, contract="K-2")]
    assert credit(CreditItem("K-2/1"), rows=rows).net_amount == D(800)
    assert credit(CreditItem("K-1"), rows=rows).net_amount == D(2000)
    with pytest.raises(CreditRefused, match="name CONTRACT/LINE"):
        credit(CreditItem("1"), rows=rows)


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 9999)), min_size=1, max_size=4))
def test_payments_leave_a_contract_only_for_what_is_open_of_others(cents: list[tuple[int, int]]) -> None:
    """After them a refund is owed, or something is open, never both; where nothing moves nothing was to be moved."""
    left_, credited = ({str(n): D(pair[side]) / 100 for n, pair in enumerate(cents)} for side in (0, 1))
    moved = payments_moved(left_, credited, "USD")
    rest = [left_[n] - credited[n] - moved[n] for n in left_]
    assert sum(moved.values()) == 0
    assert min(rest) >= 0 or max(rest) <= 0
    assert all(left_[n] - credited[n] < 0 for n, amount in moved.items() if amount < 0)


def test_a_credit_names_entries_and_hours() -> None:
    got = credit(CreditItem("a", hours=D("2.5")))
    assert got.events.select("entry", "quantity", "amount").rows() == [("a", D("2.5"), D(500))]
    assert got.lines.select("number", "quantity", "net_amount").rows() == [(1, D("2.5"), D(500))]


def test_all_that_is_left_is_the_default() -> None:
    assert credit().net_amount == D(3050)
    assert credit(CreditItem("a")).net_amount == D(2000)


def test_an_amount_is_shared_by_what_is_left_and_adds_up() -> None:
    """100 over 2,000 + 800 + 250: 65.57 + 26.23 + 8.20 (8.1967 has the largest remainder after 65.5738, 26.2295)."""
    got = credit(kind="concession", amount="100")
    assert got.events["amount"].to_list() == [D("65.57"), D("26.23"), D("8.20")]
    assert got.events["quantity"].sum() == 0


@pytest.mark.parametrize(
    "item", [CreditItem("a", hours=D("10.01")), CreditItem("a", amount=D("2000.01")), CreditItem("zzz"),
             CreditItem("a", amount=D("1.001")), CreditItem("a", hours=D(0))],
)  # fmt: skip
def test_a_credit_never_exceeds_what_is_left(item: CreditItem) -> None:
    with pytest.raises(CreditRefused):
        credit(item)


def test_two_items_on_one_entry_share_what_is_left() -> None:
    with pytest.raises(CreditRefused):
        credit(CreditItem("a", hours=D(6)), CreditItem("a", hours=D(6)))
    assert credit(CreditItem("a", hours=D(6)), CreditItem("a")).net_amount == D(2000)


def test_a_fully_credited_invoice_has_nothing_left() -> None:
    with pytest.raises(CreditRefused, match="nothing is left"):
        credit(rows=[left("a", "0", "0")])


BACK = left("z", "-3", "-600", 3, kind="reversal")


def test_a_credit_beside_a_correction_frees_what_it_leaves_without_cover() -> None:
    """2,000 + 800 - 600 = 2,200 are left of the invoice: 2,000 of a fit, 2,800 would leave 600 of it without cover."""
    rows = [left("a", "10", "2000"), left("b", "4", "800"), BACK]
    assert credit(CreditItem("a"), rows=rows).events["amount"].to_list() == [D(2000)]
    got = credit(CreditItem("a"), CreditItem("b", hours=D(2)), rows=rows)
    assert got.events.select("entry", "quantity", "amount").rows() == [
        ("a", D(10), D(2000)), ("b", D(2), D(400)), ("z", D(-1), D(-200))]  # fmt: skip
    assert (got.net_amount, credit(rows=rows).net_amount) == (D(2200), D(2200))


def test_a_concession_never_keeps_the_hours_of_a_correction_that_goes_back() -> None:
    got = credit(CreditItem("a"), kind="concession", rows=[left("a", "10", "2000"), BACK])
    assert got.events.select("quantity", "amount").rows() == [(D(0), D(2000)), (D(-3), D(-600))]


def test_an_event_on_two_lines_is_left_once_on_each() -> None:
    """10 h under two rates, 4 of them taken back since: 6 stand, 4 on the first line and 2 of 6 on the second."""
    stands = {"standing_quantity": D(6), "standing_amount": D(1200)}
    rows = [left("a", "4", "800", 1, **stands), left("a", "6", "1200", 2, **stands)]
    got = credit(rows=rows)
    assert got.events.select("number", "quantity", "amount").rows() == [(1, D(4), D(800)), (2, D(2), D(400))]


def test_a_deposit_goes_back_as_far_as_a_credit_leaves_it_without_cover() -> None:
    """1,000 less a deposit of 400: 600 are left; of a delivery of 1,000, named by its key, 900 leave 300 without cover."""
    rows = [left("c", "1", "1000", kind="units", item="D-7"), left("d", "-1", "-400", 2, kind="deduction")]
    got = credit(CreditItem("D-7", amount=D(900)), rows=rows)
    assert got.events.select("entry", "quantity", "amount").rows() == [
        ("c", D("0.9"), D(900)), ("d", D("-0.75"), D(-300))]  # fmt: skip


def test_what_a_later_document_took_back_is_not_left() -> None:
    """8 h of a were billed here and taken back on a later invoice: b alone is left."""
    gone = left("a", "8", "1600", standing_quantity=D(0), standing_amount=D(0))
    assert credit(rows=[gone, left("b", "4", "800")]).events["entry"].to_list() == ["b"]
    with pytest.raises(CreditRefused, match="nothing is left"):
        credit(CreditItem("a"), rows=[gone, left("b", "4", "800")])


def test_an_invoice_that_only_takes_back_has_nothing_left() -> None:
    with pytest.raises(CreditRefused, match="nothing is left"):
        credit(CreditItem("a"), rows=[left("a", "3", "600"), BACK])


PARTS = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=6)


@given(parts=PARTS, asked=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4000)), min_size=1, max_size=5),
       kind=st.sampled_from(["correction", "concession", "cancellation"]))  # fmt: skip
def test_credits_in_any_order_stay_within_the_events_and_the_invoice(
    parts: list[tuple[bool, int, int]], asked: list[tuple[int, int]], kind: str
) -> None:
    """Credits one after the other, each of an entry, of money or of all that is left."""
    rows = [
        left(str(n), str(-h if back else h), str((-h if back else h) * 200), kind="reversal" if back else "time",
             standing_quantity=D(min(h, s)), standing_amount=D(min(h, s) * 200))
        for n, (back, h, s) in enumerate(parts)
    ]  # fmt: skip
    open_amount = sum((row["amount"] for row in rows), D(0))
    for place, amount in asked:
        items = (CreditItem(str(place)),) if place < 3 else ()
        request = CreditRequest(kind, "x", False, items, D(amount) if place == 4 else None)
        try:
            got = credit_lines(frame(rows, INVOICED), request, left=open_amount, currency="USD")
        except CreditRefused:
            continue
        taken = {row["event"]: row for row in got.events.iter_rows(named=True)}
        assert 0 < got.net_amount <= open_amount
        assert got.lines["net_amount"].sum() == got.events["amount"].sum() == got.net_amount
        open_amount -= got.net_amount
        for row in rows:
            for measure in ("quantity", "amount"):
                part = taken[row["event"]][measure] if row["event"] in taken else D(0)
                before = row[measure]
                assert min(before, D(0)) <= part <= max(before, D(0))
                if row["kind"] == "time":
                    assert part <= row[f"standing_{measure}"]
                    row[f"standing_{measure}"] -= part
                row[measure] -= part
