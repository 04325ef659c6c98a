"""Costs of every kind: purchases, what the books lack, postings, accruals and their reversal, margin."""

import random
from collections.abc import Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.costing.rows import MONDAY, D, Row, cost, cost_rate, worked
from tests.domain.rating.cases import fx, lookups
from tests.domain.rating.test_expenses import limit, spent, terms
from tieout.domain.costing import (
    CostPolicies,
    accrual_postings,
    accrue_unapproved,
    cost_changes,
    cost_labor,
    cost_postings,
    cost_purchases,
    in_own_currency,
    labor_as_costs,
    line_costs,
    margins,
)
from tieout.domain.frames import (
    CLOSED_PERIODS,
    COST_HOURS,
    COST_RATES,
    COSTS,
    EXCHANGE_RATES,
    EXPENSE_LIMITS,
    EXPENSE_TERMS,
    EXPENSES,
    LINE_AMOUNTS,
    UNAPPROVED_VALUE,
    empty,
    frame,
)
from tieout.domain.rating import RatingPolicies, rate_expenses
from tieout.domain.subledger import Books

BOOKS = Books(empty(CLOSED_PERIODS), {"US01": "USD"})
few = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=30, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def bought(*rows: Row, limits: Sequence[Row] = (), **stated: Any) -> dict[tuple[str, str], Decimal]:
    expenses = frame([{"paid_by": "US01"} | row for row in rows], EXPENSES)
    rated = rate_expenses(
        expenses, frame([terms(**stated)], EXPENSE_TERMS), frame(limits, EXPENSE_LIMITS), policies=RatingPolicies(),
        lookups=lookups(rates=[fx("EUR/USD", "1.10")]),
    )  # fmt: skip
    costs = cost_purchases(expenses, rated.events)
    return {
        (source, kind): amount for source, kind, amount in costs.select("source", "kind", "amount").rows()
    }


def test_an_expense_costs_what_is_net_of_recoverable_tax_markup_or_not() -> None:
    assert bought(spent("a", "120", tax_amount=D(20)), markup=D("0.10")) == {("a", "expense"): D(100)}


def test_what_is_over_a_limit_or_ours_stays_cost() -> None:
    """80 under a limit of 60 costs 80; a non-billable one too."""
    rows = [spent("a", "80"), spent("b", "50", billable=False, work_date=date(2026, 2, 3))]
    assert bought(*rows, limits=[limit("60")]) == {("a", "expense"): D(80), ("b", "expense"): D(50)}


def test_an_agent_passes_on_what_is_within_the_limit_and_bears_the_rest() -> None:
    rows = [spent("a", "80", nature="agent")]
    assert bought(*rows, limits=[limit("60")]) == {("a", "expense"): D(20), ("a", "pass_through"): D(60)}


def test_a_disbursement_is_no_cost_and_gross() -> None:
    row = spent("a", "119", nature="disbursement", tax_amount=D(19))
    assert bought(row) == {("a", "pass_through"): D(119)}
    assert bought(row | {"billable": False}) == {("a", "expense"): D(100)}


def test_a_foreign_purchase_costs_in_the_currency_it_was_paid_in() -> None:
    """100 EUR at 1.10 under a limit of 55 USD: half of it is passed on, 50 EUR, and 50 EUR are cost."""
    row = spent("a", "100", currency="EUR", nature="agent")
    assert bought(row, limits=[limit("55")]) == {("a", "expense"): D(50), ("a", "pass_through"): D(50)}


def test_subcontract_work_is_its_own_kind_and_unapproved_work_costs_nothing_yet() -> None:
    rows = [spent("s", "10000", kind="subcontract", category=None), spent("u", state="submitted"),
            spent("x", currency="??"), spent("w", state="withdrawn")]  # fmt: skip
    assert bought(*rows) == {("s", "subcontract"): D(10000)}


def test_an_approved_purchase_that_a_rule_keeps_from_billing_is_still_paid() -> None:
    """Outside the contract's dates: a principal's is cost, an agent's is passed through until someone decides."""
    late = {"work_date": date(2027, 1, 4)}
    rows = [spent("p", "70", **late), spent("a", "30", nature="agent", **late)]
    assert bought(*rows) == {("p", "expense"): D(70), ("a", "pass_through"): D(30)}


def test_labor_becomes_a_cost_of_the_hours_that_cost() -> None:
    labor = cost_labor(
        frame([worked("a", "8")], COST_HOURS), frame([cost_rate("60")], COST_RATES), policies=CostPolicies()
    )
    row = labor_as_costs(labor.costs).row(0, named=True)
    assert (row["source"], row["kind"], row["hours"], row["amount"]) == ("a", "labor", D(8), D(480))


def test_a_correction_books_the_difference_and_one_that_moves_reverses_under_its_old_terms() -> None:
    booked = [cost("a", "480"), cost("b", "480"), cost("c", "480")]
    now = [cost("a", "540", version=2, hours=D(9)), cost("b", "480", version=2, contract="C-2")]
    found = cost_changes(frame(now, COSTS), frame(booked, COSTS))
    assert found.select("source", "version", "contract", "hours", "amount").rows() == [
        ("a", 2, "C-1", D(1), D(60)),
        ("b", 1, "C-1", D(-8), D(-480)),
        ("b", 2, "C-2", D(8), D(480)),
        ("c", 1, "C-1", D(-8), D(-480)),
    ]


def test_a_cost_in_another_currency_than_the_books_is_a_finding() -> None:
    """An entity whose currency nobody stated keeps its books in that of its costs."""
    rows = [cost("a", "480"), cost("b", "480", currency="EUR"), cost("c", "480", currency="EUR", entity="XX")]
    own, found = in_own_currency(frame(rows, COSTS), {"US01": "USD"}, empty(EXCHANGE_RATES))
    assert own["source"].to_list() == ["a", "c"]
    assert found.select("kind", "source", "worker", "contract", "amount").rows() == [
        ("missing-cost-fx", "b", "W1", "C-1", None)
    ]
    assert "EUR" in found["detail"][0]


def test_a_cost_in_another_currency_converts_at_the_rate_of_its_day() -> None:
    rates = frame([{"base": "EUR", "quote": "USD", "rate_type": "spot", "day": date(2026, 1, 1), "rate": D("1.1111"),
                    "known_from": datetime(2026, 1, 1, tzinfo=timezone.utc)}], EXCHANGE_RATES)  # fmt: skip
    own, found = in_own_currency(
        frame([cost("b", "480.05", currency="EUR", event_date=date(2026, 1, 15))], COSTS),
        {"US01": "USD"},
        rates,
    )
    assert own.select("currency", "amount").rows() == [("USD", D("533.38"))]  # 533.383555
    assert found.is_empty()


costs_of_a_day = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from(["labor", "expense"]), st.sampled_from(["C-1", "C-2"]),
        st.integers(-10**6, 10**6),
    ),
    max_size=6, unique_by=lambda row: row[:2],
)  # fmt: skip


def made(items: list[tuple[str, str, str, int]], version: int) -> pl.DataFrame:
    rows = [cost(s, str(D(c) / 100), kind=k, contract=n, version=version) for s, k, n, c in items]
    return frame(rows, COSTS)


@few
@given(costs_of_a_day, costs_of_a_day, st.integers(0, 9))
def test_booking_the_changes_makes_the_books_say_what_is_so_now(
    before: list[tuple[str, str, str, int]], now: list[tuple[str, str, str, int]], seed: int
) -> None:
    booked, target = made(before, 1), made(now, 2)
    changes = cost_changes(target, booked)
    books = pl.concat([booked, changes])
    assert (
        line_costs(books)
        .filter(pl.col("amount") != 0)
        .equals(line_costs(target).filter(pl.col("amount") != 0))
    )
    assert cost_changes(target, books).is_empty()
    shuffled = random.Random(seed).sample(now, len(now))
    assert cost_changes(made(shuffled, 2), booked).equals(changes)


def test_each_kind_of_cost_is_posted_against_its_clearing_account() -> None:
    rows = [cost("a", "480"), cost("v", "36", kind="variance"), cost("e", "100", kind="expense"),
            cost("s", "900", kind="subcontract"), cost("p", "60", kind="pass_through"), cost("i", "99", contract=None)]  # fmt: skip
    lines = BOOKS.write(cost_postings(frame(rows, COSTS)), "cost")
    sums = dict(lines.group_by("account").agg(pl.col("amount").sum()).iter_rows())
    assert sums == {
        "labor_cost": D(516), "labor_applied": D(-480), "labor_variance": D(-36), "expense_cost": D(100),
        "expense_clearing": D(-1060), "subcontract_cost": D(900), "pass_through": D(60),
    }  # fmt: skip
    with pytest.raises(ValueError, match="of kind rent"):
        cost_postings(frame([cost("x", "1", kind="rent")], COSTS))


def unapproved(source: str, revenue: str, spent_: str, kind: str = "labor") -> Row:
    return {"source": source, "kind": kind, "contract": "C-1", "line": "1", "entity": "US01", "currency": "USD",
            "revenue_amount": D(revenue), "cost_amount": D(spent_)}  # fmt: skip


def test_what_nobody_approved_is_accrued_at_close_and_taken_back_the_next_day() -> None:
    rows = [
        unapproved("e1", "1600", "480"),
        unapproved("x1", "110", "100", "expense"),
        unapproved("z", "0", "0"),
    ]
    accruals = accrue_unapproved(
        frame(rows, UNAPPROVED_VALUE), last_day=date(2026, 2, 28), next_first_day=date(2026, 3, 1)
    )
    assert accruals.select("source", "event_date", "reversal", "revenue_amount", "cost_amount").rows() == [
        ("x1", date(2026, 2, 28), False, D(110), D(100)),
        ("e1", date(2026, 2, 28), False, D(1600), D(480)),
        ("x1", date(2026, 3, 1), True, D(-110), D(-100)),
        ("e1", date(2026, 3, 1), True, D(-1600), D(-480)),
    ]
    lines = BOOKS.write(accrual_postings(accruals), "accrual")
    assert lines["amount"].sum() == 0
    february = lines.filter(period="2026-02")
    sums = dict(february.group_by("account").agg(pl.col("amount").sum()).iter_rows())
    assert sums == {"labor_cost": D(480), "expense_cost": D(100), "accrued_cost": D(-580),
                    "unbilled_receivable": D(1710), "revenue": D(-1710)}  # fmt: skip
    whole = lines.group_by("account").agg(pl.col("amount").sum())
    assert set(whole["amount"]) == {D(0)}


def test_an_accrual_named_twice_or_reversed_too_early_is_refused() -> None:
    one = frame([unapproved("e1", "1", "1")], UNAPPROVED_VALUE)
    with pytest.raises(ValueError, match="not after"):
        accrue_unapproved(one, last_day=MONDAY, next_first_day=MONDAY)
    with pytest.raises(ValueError, match="twice"):
        accrue_unapproved(pl.concat([one, one]), last_day=MONDAY, next_first_day=date(2026, 3, 1))


def amount(contract: str, value: str, currency: str = "USD") -> Row:
    return {"contract": contract, "line": "1", "entity": "US01", "currency": currency, "amount": D(value)}


def test_margin_is_revenue_less_cost_by_line_and_currency() -> None:
    """1,600 − 1,200 = 400 = 25 %; cost without revenue has no share; a pass-through is no cost."""
    revenue = frame([amount("C-1", "1600"), amount("C-3", "5", "EUR")], LINE_AMOUNTS)
    costs = line_costs(
        frame(
            [cost("a", "1200"), cost("p", "60", kind="pass_through"), cost("b", "50", contract="C-2")], COSTS
        )
    )
    found = margins(revenue, costs).select("contract", "currency", "margin", "margin_share").rows()
    assert found == [
        ("C-1", "USD", D(400), D("0.25")), ("C-2", "USD", D(-50), None), ("C-3", "EUR", D(5), D(1)),
    ]  # fmt: skip
