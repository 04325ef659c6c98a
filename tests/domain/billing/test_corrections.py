"""Corrections of invoiced work that become credit notes: per entry, on the invoices that carry it, never beyond."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.domain.billing import CorrectionNotes, credit_corrections
from tieout.domain.frames import BILLABLE, CREDITABLE, INVOICE_LINES, STANDING, frame

D = Decimal


def event(key: str, hours: str, *, price: str = "200", **change: Any) -> dict[str, Any]:
    """A part of entry e: reversals have negative hours."""
    row = {
        "event": key, "kind": "reversal" if D(hours) < 0 else "time", "contract": "C-1", "line": "1", "project": "P-1",
        "role": "consultant", "entry": "e", "work_date": date(2026, 1, 5), "quantity": D(hours),
        "amount": D(hours) * D(price), "price": D(price), "multiplier": D(1), "discount": D(0), "currency": "USD",
        "corrects": "INV-1", "payer": "ACME",
    }  # fmt: skip
    return row | change


def stands(
    invoice: str, amount: str, number: int = 1, entry: str = "e", contract: str = "C-1"
) -> dict[str, Any]:
    return {"invoice": invoice, "number": number, "contract": contract, "entry": entry, "amount": D(amount)}


def line(invoice: str, number: int = 1, price: str = "200", **change: Any) -> dict[str, Any]:
    row = {"invoice": invoice, "number": number, "contract": "C-1", "contract_line": "1", "project": "P-1", "role": "consultant",
           "description": "consultant, P-1", "unit_price": D(price), "tax_category": "O", "tax_rate": D(0)}  # fmt: skip
    return row | change


def credit(
    events: list[dict[str, Any]],
    standing: list[dict[str, Any]],
    left: dict[str, str],
    lines: list[dict[str, Any]] | None = None,
) -> CorrectionNotes:
    creditable = [
        {"invoice": key, "currency": "USD", "left_amount": D(amount)} for key, amount in left.items()
    ]
    return credit_corrections(
        frame(events, BILLABLE), frame(standing, STANDING), frame(creditable, CREDITABLE),
        frame([line(key) for key in left] if lines is None else lines, INVOICE_LINES),
    )  # fmt: skip


def shown(notes: CorrectionNotes) -> list[tuple[Any, ...]]:
    return notes.lines.select("invoice", "number", "quantity", "unit_price", "net_amount").rows()


def test_an_expense_that_fell_is_credited_with_what_it_says() -> None:
    """120 billed, corrected to 100: one of 120 is credited, one of 100 taken off the note under its own words."""
    told = {"role": None, "charge": "Expense: meals, 2026-01-05"}
    notes = credit(
        [event("r", "-1", price="120", **told), event("n", "1", price="100", **told)], [stands("INV-1", "120")],
        {"INV-1": "120"}, [line("INV-1", price="120", role=None, description=told["charge"])],
    )  # fmt: skip
    assert shown(notes) == [("INV-1", 1, D(1), D(120), D(120)), ("INV-1", 2, D(-1), D(100), D(-100))]
    assert notes.lines["description"].to_list() == [told["charge"]] * 2


def test_reversal_and_new_event_go_together_on_the_line_that_carried_them() -> None:
    """8 h become 6 h: 2 h x 200.00 = 400.00 are credited; other work goes on to the invoice."""
    got = credit(
        [event("r", "-8"), event("n", "6"), event("w", "1", entry="other")],
        [stands("A", "1600")],
        {"A": "1600"},
    )
    assert shown(got) == [("A", 1, D(2), D(200), D(400))]
    assert got.parts.select("event", "quantity", "amount").rows() == [
        ("n", D(-6), D(-1200)),
        ("r", D(8), D(1600)),
    ]
    assert got.rest["event"].to_list() == ["w"]


def test_a_new_price_makes_a_line_of_its_own() -> None:
    """8 h at 200 become 8 h at 150: 1,600 back and 1,200 anew, 400 in all; a line holds one price."""
    got = credit([event("r", "-8"), event("n", "8", price="150")], [stands("A", "1600")], {"A": "2400"})
    assert shown(got) == [("A", 1, D(8), D(200), D(1600)), ("A", 2, D(-8), D(150), D(-1200))]
    assert got.lines["description"].to_list() == ["consultant, P-1", "consultant, P-1"]


def test_what_stands_of_an_entry_under_another_contract_is_not_credited() -> None:
    """The entry was moved from C-2, whose invoice A still carries 1,600 of it, to C-1 on B: the 400 are B's."""
    got = credit(
        [event("r", "-8"), event("n", "6")],
        [stands("A", "1600", contract="C-2"), stands("B", "1600")],
        {"A": "1600", "B": "1600"},
        [line("A", contract="C-2"), line("B")],
    )
    assert shown(got) == [("B", 1, D(2), D(200), D(400))]


def test_an_entry_on_several_invoices_is_shared_by_what_stands_on_each() -> None:
    """1,000 on A and 600 on B; 8 h become 4 h: 800 x 1,000 / 1,600 = 500 of A, 300 of B."""
    got = credit(
        [event("r", "-8"), event("n", "4")],
        [stands("A", "1000"), stands("B", "600")],
        {"A": "1000", "B": "600"},
    )
    assert shown(got) == [("A", 1, D("2.5"), D(200), D(500)), ("B", 1, D("1.5"), D(200), D(300))]


@pytest.mark.parametrize(
    ("events", "stood", "left"),
    [
        ([event("r", "-8"), event("n", "9")], "1600", "1600"), ([event("r", "-8"), event("n", "8")], "1600", "1600"),
        ([event("r", "-8"), event("n", "4")], "700", "1600"), ([event("r", "-8"), event("n", "4")], "1600", "700"),
    ],
    ids=["it rose", "same value", "less stands of it", "less is left of the invoice"],
)  # fmt: skip
def test_what_does_not_fall_or_does_not_fit_stays_for_the_next_invoice(
    events: list[dict[str, Any]], stood: str, left: str
) -> None:
    got = credit(events, [stands("A", stood)], {"A": left})
    assert (got.parts.height, got.lines.height, got.rest.height) == (0, 0, 2)


@given(
    entries=st.lists(
        st.tuples(st.integers(1, 24), st.integers(0, 24), st.lists(st.integers(0, 3), min_size=1, max_size=3)),
        min_size=1, max_size=5,
    ),
    spare=st.lists(st.integers(-9, 9), min_size=4, max_size=4), cents=st.integers(1, 99),
)  # fmt: skip
def test_nothing_is_lost_and_no_invoice_or_entry_gives_more_than_it_has(
    entries: list[tuple[int, int, list[int]]], spare: list[int], cents: int
) -> None:
    """Entries that were billed over up to three of four invoices and became other hours since."""
    price = D(20) + D(cents) / 100
    events, standing, left = [], [], {f"I{n}": D(extra) for n, extra in enumerate(spare)}
    for number, (before, after, places) in enumerate(entries):
        key, share = f"e{number}", before * price / len(places)
        events += [event(f"{key}r", str(-before), price=str(price), entry=key)]
        events += [event(f"{key}n", str(after), price=str(price), entry=key)] if after else []
        for n in places:
            standing.append(stands(f"I{n}", str(round(share, 2)), entry=key))
            left[f"I{n}"] += round(share, 2)
    got = credit(events, standing, {key: str(max(amount, D(0))) for key, amount in left.items()},
                 [line(key, price=str(price)) for key in left])  # fmt: skip
    assert got.rest["amount"].sum() - got.parts["amount"].sum() == sum((e["amount"] for e in events), D(0))
    credited: dict[tuple[str, str], D] = {}
    for row in got.parts.iter_rows(named=True):
        place = (row["invoice"], row["entry"])
        credited[place] = credited.get(place, D(0)) + row["amount"]
    for (invoice, entry), amount in credited.items():
        assert (
            0
            < amount
            <= sum((s["amount"] for s in standing if (s["invoice"], s["entry"]) == (invoice, entry)), D(0))
        )
    for invoice, amount in left.items():
        assert sum((a for (i, _), a in credited.items() if i == invoice), D(0)) <= max(amount, D(0))
    back = [*got.rest["event"], *set(got.parts["event"])]
    assert sorted(back) == sorted(e["event"] for e in events)
