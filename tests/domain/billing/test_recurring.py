"""Recurring fees: published prorations, anchors on the last days of a month, changes in the middle, uplifts."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import FOREVER, Ledger, amounts, day, due, few, kinds, table
from tieout.domain.billing import Charged, adjust_charges, recurring_charges
from tieout.domain.frames import RECURRING_TERMS
from tieout.model.money import round_to_minor

D = Decimal


def fees(*segments: dict[str, Any], through: str | date = "2099-12-31") -> Charged:
    last = day(through) if isinstance(through, str) else through
    return recurring_charges(terms(*segments), through=last)


def terms(*segments: dict[str, Any]) -> Any:
    base = {"every": "month", "timing": "advance", "proration": "daily", "price": 100, "quantity": 1}
    return table(RECURRING_TERMS, [base | {"effective_from": s.get("start")} | s for s in segments])


# --- published cases --------------------------------------------------------------------------------------------


def test_upgrade_in_the_middle_in_arrears() -> None:
    """Truth case T028: 100 × 14/31 = 45.16, 200 × 17/31 = 109.68; the day of the upgrade is on the new plan."""
    old = {"effective_from": "2026-01-01", "effective_to": "2026-01-14", "price": 100, "timing": "arrears"}
    new = {"effective_from": "2026-01-15", "price": 200, "timing": "arrears"}
    assert due(fees(old, new, through="2026-01-31").charges) == [
        ("2026-01-31", D("45.16")), ("2026-01-31", D("109.68"))]  # fmt: skip
    assert fees(old, new, through="2026-01-30").charges.is_empty()


def test_upgrade_halfway_after_billing_in_advance_is_two_items() -> None:
    """Truth case T029: 10 billed, 20 from halfway: credit 5 for what is unused, 10 for the rest, never one of 5."""
    ledger = Ledger()
    ledger.apply(
        adjust_charges(
            fees({"start": "2026-06-01", "price": 10}, through="2026-06-01").charges, ledger.held()
        )
    )
    assert ledger.bill() == [10]
    old = {"effective_from": "2026-06-01", "effective_to": "2026-06-15", "price": 10}
    now = fees(old, {"effective_from": "2026-06-16", "price": 20}, through="2026-06-16").charges
    ledger.apply(adjust_charges(now, ledger.held()))
    assert sorted(ledger.bill()) == [-5, 10]
    assert adjust_charges(now, ledger.held()).new.is_empty()


def test_term_from_a_partial_first_period_and_ten_full_ones() -> None:
    """Truth case T032: 90 a month from day 5, 28 March 2025 to 4 February 2026: 90 × (8/31 + 10) = 923.23."""
    got = fees({"start": "2025-03-28", "end": "2026-02-04", "anchor": "2025-03-05", "price": 90}).charges
    assert amounts(got) == [D("23.23")] + [D(90)] * 10
    assert got["quantity"][0] == D("0.258065")
    assert got["amount"].sum() == D("923.23")


def test_leading_and_trailing_parts_of_cycles_and_a_new_cycle_day() -> None:
    """Truth case T061 at 100 a month: 7/31, 1, 3/31 around day 7; then 5/28 and 2 whole ones around day 15."""
    one = {"start": "2011-01-31", "end": "2011-03-09", "anchor": "2011-01-07"}
    two = {"start": "2011-03-10", "anchor": "2011-01-15", "line": "2"}
    assert amounts(fees(one).charges) == [D("22.58"), D(100), D("9.68")]
    assert amounts(fees(two, through="2011-04-21").charges) == [D("17.86"), D(100), D(100)]


def test_a_cycle_day_that_moves_from_1_to_27() -> None:
    """Truth case T063 at 100 a month: 13/28, then 13/31 (27 January to 26 February) and a whole one."""
    assert amounts(fees({"start": "2011-02-01", "end": "2011-02-13"}).charges) == [D("46.43")]
    new = {"start": "2011-02-14", "anchor": "2011-01-27"}
    assert amounts(fees(new, through="2011-03-01").charges) == [D("41.94"), D(100)]


def test_half_a_leap_february_and_a_trailing_part() -> None:
    """Truth case T064 (its end date is exclusive) at 100 a month: 14/29 = 48.28; 3 whole ones and 2/31 = 6.45."""
    assert amounts(fees({"start": "2012-02-01", "end": "2012-02-14"}).charges) == [D("48.28")]
    run = {"start": "2010-12-15", "end": "2011-03-16", "anchor": "2010-12-15"}
    assert amounts(fees(run).charges) == [100, 100, 100, D("6.45")]


# --- rules ------------------------------------------------------------------------------------------------------


def test_an_anchor_on_day_31_falls_on_a_short_months_last_day_and_returns() -> None:
    got = fees({"start": "2026-01-31", "anchor": "2026-01-31"}, through="2026-05-31").charges
    assert due(got) == [
        (d, 100) for d in ("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31")
    ]


@pytest.mark.parametrize(("every", "first", "second"), [("quarter", "2026-03-31", "2026-06-30"),
                                                         ("year", "2026-12-31", "2027-12-31")])  # fmt: skip
def test_quarters_and_years_in_arrears(every: str, first: str, second: str) -> None:
    got = fees({"start": "2026-01-01", "every": every, "timing": "arrears"}, through=second).charges
    assert due(got) == [(first, 100), (second, 100)]


def test_a_terminated_line_in_arrears_bills_its_days_on_its_last_day() -> None:
    got = fees(
        {"start": "2026-01-01", "end": "2026-02-14", "timing": "arrears"}, through="2026-02-14"
    ).charges
    assert due(got) == [("2026-01-31", 100), ("2026-02-14", 50)]


def test_a_change_of_quantity_in_the_middle_counts_from_its_day() -> None:
    """30 days of April: 10 seats × 12 = 120; 15 seats from the 16th: 60 + 90."""
    ten = {"effective_from": "2026-04-01", "effective_to": "2026-04-15", "price": 12, "quantity": 10}
    more = {"effective_from": "2026-04-16", "price": 12, "quantity": 15}
    got = fees(ten, more, through="2026-04-30").charges
    assert due(got) == [("2026-04-01", 60), ("2026-04-16", 90)]
    assert got["quantity"].to_list() == [5, D("7.5")]


def test_without_proration_a_touched_period_costs_its_whole_fee_at_the_terms_of_its_first_day() -> None:
    old = {
        "start": "2026-01-20",
        "effective_from": "2026-01-20",
        "effective_to": "2026-02-10",
        "proration": "none",
    }
    new = {"start": "2026-01-20", "effective_from": "2026-02-11", "price": 200, "proration": "none"}
    got = fees(old, new, through="2026-03-31").charges
    assert due(got) == [("2026-01-20", 100), ("2026-02-01", 100), ("2026-03-01", 200)]


def test_a_suspended_stretch_is_not_active() -> None:
    """April with 10 days out: 100 × 15/30 and × 5/30."""
    before = {"effective_from": "2026-04-01", "effective_to": "2026-04-15"}
    got = fees(before, {"effective_from": "2026-04-26"}, through="2026-04-30").charges
    assert amounts(got) == [50, D("16.67")]


def test_an_uplift_compounds_at_each_anniversary_from_the_day_the_price_was_stated() -> None:
    """1,000 a year, 5 % a year: 1,000, 1,050, 1,102.50; restating the same price for a later stretch changes nothing."""
    plan = {"start": "2026-03-01", "anchor": "2026-03-01", "every": "year", "price": 1000, "uplift_rate": "0.05",
            "uplift_every": "year"}  # fmt: skip
    assert amounts(fees(plan, through="2028-03-01").charges) == [1000, 1050, D("1102.50")]
    early = plan | {"effective_from": "2026-03-01", "effective_to": "2027-06-30"}
    late = plan | {"effective_from": "2027-07-01"}
    assert fees(early, late, through="2028-03-01").charges.equals(fees(plan, through="2028-03-01").charges)


def test_an_end_that_moves_before_what_was_billed_in_advance_is_credited() -> None:
    ledger = Ledger()
    ledger.apply(adjust_charges(fees({"start": "2026-04-01"}, through="2026-04-01").charges, ledger.held()))
    ledger.bill()
    now = fees({"start": "2026-04-01", "end": "2026-04-12"}, through="2026-04-30").charges
    ledger.apply(adjust_charges(now, ledger.held()))
    assert ledger.bill() == [-60]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"currency": "DOLLAR"}, "unknown-currency"), ({"price": -1}, "invalid-contract"),
        ({"quantity": -1}, "invalid-contract"), ({"every": "fortnight"}, "invalid-contract"),
        ({"timing": None}, "invalid-contract"), ({"end": "2025-12-31"}, "invalid-contract"),
        ({"price": "99999999", "quantity": "99999999999"}, "invalid-contract"),
        ({"effective_to": "2025-12-01"}, "invalid-contract"),
    ],
)  # fmt: skip
def test_bad_terms_are_a_named_finding_and_the_rest_goes_on(change: dict[str, Any], kind: str) -> None:
    bad = {"start": "2026-01-01"} | change
    got = fees(bad, {"contract": "C-2", "start": "2026-01-01"}, through="2026-01-31")
    assert kind in kinds(got.findings)
    assert set(got.findings["record"]) == {"C-1/1"}
    assert got.charges["contract"].to_list() == ["C-2"]


def test_overlapping_terms_are_refused() -> None:
    got = fees(
        {"effective_from": "2026-01-01", "effective_to": "2026-02-10"}, {"effective_from": "2026-02-10"}
    )
    assert got.findings.select("kind", "seen").rows() == [
        ("overlapping-rates", "2026-01-01 to 2026-02-10, the next from 2026-02-10")]  # fmt: skip
    assert got.charges.is_empty()


# --- properties -------------------------------------------------------------------------------------------------

first_day = date(2023, 1, 1)
plans = st.fixed_dictionaries({
    "start": st.integers(0, 800).map(lambda n: first_day + timedelta(days=n)),
    "anchor": st.none() | st.integers(0, 400).map(lambda n: first_day + timedelta(days=n)),
    "every": st.sampled_from(["month", "quarter", "year"]), "timing": st.sampled_from(["advance", "arrears"]),
    "proration": st.sampled_from(["daily", "none"]), "price": st.integers(0, 10**7).map(lambda n: D(n).scaleb(-4)),
    "quantity": st.integers(1, 500), "currency": st.sampled_from(["USD", "JPY", "KWD"]),
    "uplift_rate": st.sampled_from([None, D("0.03")]),
})  # fmt: skip
lengths = st.integers(0, 700)


@few
@given(plans, lengths, lengths, lengths)
def test_splitting_the_terms_or_the_runs_changes_nothing(
    plan: dict[str, Any], length: int, cut: int, stop: int
) -> None:
    end = plan["start"] + timedelta(days=length)
    one = plan | {"end": end}
    whole = fees(one, through=FOREVER).charges
    middle = plan["start"] + timedelta(days=min(cut, length))
    split = [one | {"effective_from": plan["start"], "effective_to": middle},
             one | {"effective_from": middle + timedelta(days=1)}]  # fmt: skip
    random.Random(cut).shuffle(split)
    assert fees(*split).charges.equals(whole)
    ledger, billed = Ledger(), D(0)
    for last in sorted([plan["start"] + timedelta(days=stop), middle, FOREVER]):
        ledger.apply(adjust_charges(fees(one, through=last).charges, ledger.held()))
        billed += sum(ledger.bill(last), D(0))
    assert billed == whole["amount"].sum()
    assert all(row["kind"] == "period" for row in ledger.rows)


@few
@given(plans, lengths, st.lists(st.integers(1, 300), max_size=3))
def test_parts_of_a_whole_period_add_up_to_its_fee(
    plan: dict[str, Any], length: int, cuts: list[int]
) -> None:
    """Whatever changes in quantity and back again, days of equal terms that fill a period sum to its rounded fee."""
    plan = plan | {"proration": "daily", "uplift_rate": None, "every": "month", "anchor": plan["start"]}
    end = plan["start"] + timedelta(days=length)
    got = fees(plan | {"end": end}).charges
    fee = round_to_minor(plan["price"] * plan["quantity"], plan["currency"])
    full = got.filter(got["quantity"] == plan["quantity"])
    assert set(full["amount"].to_list()) <= {fee}
    days_charged = sum((to - on).days + 1 for on, to in got.select("period_start", "period_end").iter_rows())
    assert days_charged == length + 1
