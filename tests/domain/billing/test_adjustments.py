"""Stored charges against today's facts, in any order of change, billing, credit and dispute; domain rules §2.11, §3."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.domain.billing.rows import Ledger, table
from tieout.domain.billing import adjust_charges
from tieout.domain.frames import CHARGES, USED

D = Decimal


def charge(
    key: str, quantity: Any, price: Any, due: str = "2026-01-31", period: str = "2026-01-01"
) -> dict[str, Any]:
    return {"charge": key, "kind": "usage", "quantity": quantity, "price": price, "due_on": due, "trail": "{}",
            "amount": D(str(quantity)) * D(str(price)), "period_start": period}  # fmt: skip


def now(*rows: dict[str, Any]) -> pl.DataFrame:
    return table(CHARGES, rows)


def apply(ledger: Ledger, *rows: dict[str, Any], **more: Any) -> Any:
    adjusted = adjust_charges(now(*rows), ledger.held(), **more)
    ledger.apply(adjusted)
    return adjusted


def test_what_is_not_billed_comes_anew_and_what_is_billed_gets_its_difference() -> None:
    ledger = Ledger()
    apply(ledger, charge("a", 10, 5))
    assert apply(ledger, charge("a", 12, 5)).new.select("kind", "amount").rows() == [("usage", 60)]
    ledger.bill()
    assert apply(ledger, charge("a", 9, 5)).new.select("kind", "quantity", "amount").rows() == [
        ("adjustment", -3, -15)
    ]


def test_a_price_that_changed_takes_the_old_one_back_and_says_so() -> None:
    ledger = Ledger()
    apply(ledger, charge("a", 10, 5))
    ledger.bill()
    new = apply(ledger, charge("a", 10, 6)).new
    assert new.select("kind", "price", "amount", "trail").rows() == [
        ("adjustment", 5, -50, '{"rule":"taken back"}'), ("usage", 6, 60, "{}")]  # fmt: skip


def test_a_charge_that_is_gone_is_taken_back() -> None:
    ledger = Ledger()
    apply(ledger, charge("a", 10, 5), charge("b", 1, 5))
    ledger.bill()
    gone = apply(ledger, charge("b", 1, 5)).new
    assert gone.select("charge", "kind", "amount", "line").rows() == [("a", "adjustment", -50, "1")]
    assert apply(ledger, charge("b", 1, 5)).new.is_empty()


def test_a_due_date_that_moves_takes_the_unbilled_part_along() -> None:
    ledger = Ledger()
    apply(ledger, charge("a", 10, 5))
    moved = charge("a", 10, 5, due="2026-03-31")
    assert apply(ledger, moved).new["due_on"].to_list() == [table(CHARGES, [moved])["due_on"][0]]
    ledger.bill()
    assert apply(ledger, charge("a", 10, 5, due="2026-05-31")).new.is_empty()


def test_a_credit_given_up_is_not_billed_again_and_one_to_be_rebilled_is() -> None:
    """`billed_*` is what may not be billed again: of 50 billed, 20 credited for rebilling leave 30."""
    ledger = Ledger()
    apply(ledger, charge("a", 10, 5))
    ledger.bill()
    assert apply(ledger, charge("a", 10, 5)).new.is_empty()
    ledger.rows[0]["billed_quantity"], ledger.rows[0]["billed_amount"] = D(6), D(30)
    adjusted = apply(ledger, charge("a", 8, 5))
    assert adjusted.set_back.select("quantity", "amount").rows() == [(4, 20)]
    assert adjusted.new.select("quantity", "amount").rows() == [(2, 10)]


def test_two_charges_of_one_key_are_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="one key"):
        adjust_charges(now(charge("a", 1, 1), charge("a", 1, 2)), Ledger().held())


@pytest.mark.parametrize("seed", range(12))
def test_in_any_order_of_change_and_billing_the_books_hold_todays_facts(seed: int) -> None:
    rng = random.Random(seed)
    ledger = Ledger()
    rows: dict[str, dict[str, Any]] = {}
    for _ in range(10):
        key = rng.choice("abcd")
        rows[key] = charge(
            key, rng.randint(0, 20), rng.choice([1, 2, 5]), rng.choice(["2026-01-31", "2026-02-28"])
        )
        if rng.random() < 0.2:
            rows.pop(rng.choice(sorted(rows)))
        listed = list(rows.values())
        rng.shuffle(listed)
        apply(ledger, *listed)
        for name in ("quantity", "amount"):
            assert sum(row[name] for row in ledger.rows) == sum(D(str(row[name])) for row in listed)
        again = adjust_charges(now(*reversed(listed)), ledger.held())
        assert (again.new.is_empty(), again.set_back.is_empty()) == (True, True)
        if rng.random() < 0.5:
            ledger.bill()
    for row in ledger.rows:
        assert abs(row["billed_amount"]) <= abs(row["amount"])


def test_a_period_in_dispute_neither_grows_nor_is_credited_until_it_is_decided() -> None:
    ledger = Ledger()
    apply(ledger, charge("a", 10, 5), charge("b", 1, 1, period="2026-02-01"))
    ledger.bill()
    dispute = table(USED, [{"period_start": "2026-01-01"}])
    assert apply(ledger, charge("b", 1, 1, period="2026-02-01"), undecided=dispute).new.is_empty()
    decided = apply(ledger, charge("a", 11, 5), charge("b", 1, 1, period="2026-02-01"))
    assert decided.new["amount"].to_list() == [5]
