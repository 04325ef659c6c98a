"""Tiers and minimum commitments: published prices, bands that add up, what a bad tier says; domain rules §2.12."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import Ledger, amounts, day, due, few, kinds, table
from tieout.domain.billing import Charged, adjust_charges, minimum_charges, usage_charges
from tieout.domain.frames import MINIMUMS, TIERS, USAGE_TERMS, USED, empty
from tieout.model.money import round_to_minor

D = Decimal
START = "2026-01-01"


def charges(
    units: Any, tiers: list[tuple[Any, ...]], *, mode: str = "graduated", currency: str = "USD", **terms: Any
) -> Charged:
    """`tiers`: (up_to, price) or (up_to, price, flat amount)."""
    told = {"effective_from": START, "every": "month", "mode": mode, "currency": currency} | terms
    used = {"period_start": START, "period_end": "2026-01-31", "due_on": "2026-01-31", "quantity": units}
    rows = [{"effective_from": START, "up_to": t[0], "price": t[1], "flat_amount": t[2] if len(t) > 2 else None}
            for t in tiers]  # fmt: skip
    return usage_charges(table(USED, [used]), table(USAGE_TERMS, [told]), table(TIERS, rows))


ZUPLO: list[tuple[Any, ...]] = [(1000, "0.10"), (10000, "0.05"), (None, "0.01")]


def test_graduated_tiers_as_published() -> None:
    """Truth case T083: 1,000 × 0.01 + 9,000 × 0.008 + 5,000 × 0.005 = 107; 100 + 450 + 50 = 600."""
    autumn = [(1000, "0.01"), (10000, "0.008"), (None, "0.005")]
    assert amounts(charges(15000, autumn).charges) == [10, 72, 25]
    got = charges(15000, ZUPLO).charges
    assert got.select("quantity", "price", "amount").rows() == [
        (1000, D("0.10"), 100), (9000, D("0.05"), 450), (5000, D("0.01"), 50)]  # fmt: skip


def test_volume_tiers_as_published() -> None:
    """Truth case T083: 15,000 × 0.01 = 150; 65,000 × 0.0006 + 10 flat = 49."""
    assert amounts(charges(15000, ZUPLO, mode="volume").charges) == [150]
    lago = [(10000, "0.0010", 10), (50000, "0.0008", 10), (100000, "0.0006", 10), (None, "0.0004", 10)]
    got = charges(65000, lago, mode="volume").charges
    assert got.select("quantity", "price", "amount").rows() == [(65000, D("0.0006"), 39), (1, 10, 10)]


def test_packages_are_whole_and_included_units_come_off_first() -> None:
    """Lago's documentation of package prices: 5 per 100 units, the first 100 free, 201 used: 0 + 5 + 5 = 10."""
    got = charges(201, [(None, 5)], mode="package", package_size=100, included=100).charges
    assert got.select("quantity", "price", "amount").rows() == [(2, 5, 10)]
    assert charges(100, [(None, 5)], mode="package", package_size=100, included=100).charges.is_empty()


def test_the_upper_end_of_a_tier_belongs_to_it_and_tiers_count_after_what_is_included() -> None:
    assert amounts(charges(1000, ZUPLO).charges) == [100]
    assert amounts(charges(1000, ZUPLO, mode="volume").charges) == [100]
    assert amounts(charges(1500, ZUPLO, included=500).charges) == [100]
    assert amounts(charges(1001, ZUPLO, mode="volume").charges) == [D("50.05")]


def test_bands_below_a_cent_add_up_to_the_rounded_sum_of_the_period() -> None:
    """3 bands of 1 unit at 0.004: 0.004, 0.008, 0.012 rounds to 0.00, 0.01, 0.01: bands 0.00, 0.01, 0.00."""
    got = charges(3, [(1, "0.004"), (2, "0.004"), (None, "0.004")])
    assert amounts(got.charges) == [0, D("0.01"), 0]


@pytest.mark.parametrize(
    ("tiers", "terms", "kind"),
    [
        ([(10, 1)], {}, "invalid-contract"), ([(None, 1), (None, 2)], {}, "invalid-contract"),
        ([(10, 1), (10, 2), (None, 1)], {}, "invalid-contract"), ([(None, -1)], {}, "invalid-contract"),
        ([(-5, 1), (None, 1)], {}, "invalid-contract"), ([(None, 1, "0.005")], {}, "amount-precision"),
        ([(None, 1)], {"mode": "stairs"}, "invalid-contract"), ([(None, 1)], {"currency": "??"}, "unknown-currency"),
        ([(None, 1)], {"mode": "package"}, "invalid-contract"), ([], {}, "missing-rate"),
        ([(None, 1)], {"included": -1}, "invalid-contract"), ([(None, 1)], {"effective_to": "2025-01-01"},
         "outside-contract"), ([(None, "99999999999")], {}, "invalid-contract"),
    ],
)  # fmt: skip
def test_bad_tiers_are_a_named_finding_and_charge_nothing(
    tiers: list[tuple[Any, ...]], terms: dict[str, Any], kind: str
) -> None:
    got = charges(10**6, tiers, **terms)
    assert kind in kinds(got.findings)
    assert got.charges.is_empty()


def test_a_negative_quantity_is_a_finding() -> None:
    got = charges(-1, ZUPLO)
    assert got.findings.select("kind", "record", "seen").rows() == [
        ("implausible-quantity", "C-1/1", "quantity -1")
    ]
    assert got.charges.is_empty()


def test_tiers_that_change_hold_from_the_next_period() -> None:
    terms = table(USAGE_TERMS, [{"effective_from": START, "effective_to": "2026-01-31", "mode": "graduated"},
                                {"effective_from": "2026-02-01", "mode": "graduated"}])  # fmt: skip
    tiers = table(
        TIERS, [{"effective_from": START, "price": 1}, {"effective_from": "2026-02-01", "price": 2}]
    )
    used = [{"period_start": s, "period_end": e, "due_on": e, "quantity": 10}
            for s, e in ((START, "2026-01-31"), ("2026-02-01", "2026-02-28"))]  # fmt: skip
    assert due(usage_charges(table(USED, used), terms, tiers).charges) == [
        ("2026-01-31", 10),
        ("2026-02-28", 20),
    ]


@few
@given(
    st.integers(0, 10**9).map(lambda n: D(n).scaleb(-3)), st.lists(st.integers(1, 10**6), max_size=4, unique=True),
    st.lists(st.integers(0, 10**6).map(lambda n: D(n).scaleb(-6)), min_size=5, max_size=5),
    st.sampled_from(["USD", "JPY", "KWD"]), st.integers(0, 10**6), st.randoms(use_true_random=False),
)  # fmt: skip
def test_graduated_bands_hold_every_unit_and_round_once(
    units: Decimal, ends: list[int], prices: list[Decimal], currency: str, included: int, rng: random.Random
) -> None:
    tiers: list[tuple[Any, ...]] = [*zip(sorted(ends), prices, strict=False), (None, prices[len(ends)])]
    got = charges(units, tiers, currency=currency, included=included).charges
    left = max(units - included, D(0))
    assert (got["quantity"].sum() or 0) == left
    exact, lower = D(0), D(0)
    for up_to, price in tiers:
        upper = left if up_to is None else min(D(up_to), left)
        exact += max(upper - lower, D(0)) * price
        lower = max(upper, lower)
    assert (got["amount"].sum() or 0) == round_to_minor(exact, currency)
    rng.shuffle(tiers)
    assert charges(units, tiers, currency=currency, included=included).charges.equals(got)


# --- late usage -------------------------------------------------------------------------------------------------


def test_late_usage_after_billing_is_an_adjustment_of_the_band_it_falls_into() -> None:
    """900 billed at 0.10; 300 more come late: 100 at 0.10 and 200 at 0.05 = 10 + 10."""
    ledger = Ledger()
    ledger.apply(adjust_charges(charges(900, ZUPLO).charges, ledger.held()))
    assert ledger.bill() == [90]
    adjusted = adjust_charges(charges(1200, ZUPLO).charges, ledger.held())
    assert adjusted.new.select("kind", "quantity", "price", "amount").rows() == [
        ("adjustment", 100, D("0.1"), 10), ("usage", 200, D("0.05"), 10)]  # fmt: skip
    ledger.apply(adjusted)
    assert sum(ledger.bill()) == 20


def test_late_usage_that_reaches_a_volume_tier_takes_the_old_price_back() -> None:
    """900 billed at 0.10 = 90; with 300 more all 1,200 cost 0.05 = 60: −90 and 60."""
    ledger = Ledger()
    ledger.apply(adjust_charges(charges(900, ZUPLO, mode="volume").charges, ledger.held()))
    ledger.bill()
    ledger.apply(adjust_charges(charges(1200, ZUPLO, mode="volume").charges, ledger.held()))
    assert sorted(ledger.bill()) == [-90, 60]


def test_usage_in_dispute_keeps_what_is_billed_and_sets_back_the_rest() -> None:
    ledger, nothing = Ledger(), charges(0, ZUPLO).charges
    ledger.apply(adjust_charges(charges(900, ZUPLO).charges, ledger.held()))
    ledger.bill()
    ledger.apply(adjust_charges(charges(950, ZUPLO).charges, ledger.held()))
    dispute = table(USED, [{"period_start": START}])
    adjusted = adjust_charges(nothing, ledger.held(), undecided=dispute)
    assert adjusted.new.is_empty()
    assert amounts(adjusted.set_back) == [5]
    ledger.apply(adjusted)
    assert adjust_charges(nothing, ledger.held(), undecided=dispute).set_back.is_empty()


# --- minimums ---------------------------------------------------------------------------------------------------


def true_ups(
    used: Any, *minimums: dict[str, Any], through: str = "2026-12-31", waiting: Any = None
) -> Charged:
    base = {"effective_from": START, "every": "month", "proration": "none", "effective_to": "2026-01-31"}
    rows = [base | row for row in minimums]
    return minimum_charges(charges(used, ZUPLO).charges, table(MINIMUMS, rows),
                           empty(USED) if waiting is None else waiting, through=day(through))  # fmt: skip


def test_a_minimum_charges_what_the_period_falls_short_of_it_on_its_last_day() -> None:
    """1,000 at 0.10 = 100 against a minimum of 250: 150 on 31 January, not before."""
    assert due(true_ups(1000, {"amount": 250}).charges) == [("2026-01-31", 150)]
    assert true_ups(1000, {"amount": 250}, through="2026-01-30").charges.is_empty()
    assert true_ups(1000, {"amount": 100}).charges.is_empty()
    assert true_ups(15000, {"amount": 100}).charges.is_empty()


def test_a_minimum_of_a_year_pools_its_months_and_is_cut_by_days_where_it_says_so() -> None:
    """3,650 a year, 31 of 365 days: 310 − 100 = 210; without proration 3,550."""
    assert due(true_ups(1000, {"amount": 3650, "every": "year", "proration": "daily"}).charges) == [
        ("2026-01-31", 210)
    ]
    assert due(true_ups(1000, {"amount": 3650, "every": "year"}).charges) == [("2026-01-31", 3550)]


def test_a_period_with_usage_in_dispute_trues_up_later() -> None:
    waiting = table(USED, [{"period_start": START, "period_end": "2026-01-31", "quantity": 1}])
    assert true_ups(1000, {"amount": 250}, waiting=waiting).charges.is_empty()


def test_a_minimum_that_changes_in_the_middle_is_one_true_up() -> None:
    """April: 300 for 15 days = 150, 600 for 15 days = 300; nothing used: 450."""
    rows = [{"effective_from": "2026-04-01", "effective_to": "2026-04-15", "amount": 300, "proration": "daily"},
            {"effective_from": "2026-04-16", "effective_to": "2026-04-30", "amount": 600, "proration": "daily"}]  # fmt: skip
    assert due(true_ups(0, *rows).charges) == [("2026-04-30", 450)]
    assert due(true_ups(0, *reversed(rows)).charges) == [("2026-04-30", 450)]


@pytest.mark.parametrize(("change", "kind"), [({"amount": -1}, "invalid-contract"), ({"amount": "0.001"},
                         "amount-precision"), ({"amount": 1, "effective_to": "2025-01-01"}, "invalid-contract")])  # fmt: skip
def test_a_bad_minimum_is_a_finding(change: dict[str, Any], kind: str) -> None:
    got = true_ups(1000, change)
    assert kinds(got.findings) == [kind]
    assert got.charges.is_empty()
