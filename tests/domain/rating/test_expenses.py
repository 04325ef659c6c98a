"""Expenses and subcontract work: gates, limits, markup, nature, currency; nothing lost."""

import json
import random
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.rating.cases import EARLY, MONDAY, D, fx, lookups
from tieout.domain.billing import gone_entries, reconcile_events
from tieout.domain.frames import EXPENSE_LIMITS, EXPENSE_TERMS, EXPENSES, HOURS, LIVE_EVENTS, MONEY, frame
from tieout.domain.rating import ExpenseResult, Lookups, RatingPolicies, as_items, rate_expenses

Row = dict[str, Any]


def spent(key: str, amount: str | None = "100", **change: Any) -> Row:
    row = {
        "entry": key, "version": 1, "kind": "expense", "contract": "C-1", "line": "1", "project": "P-1",
        "project_state": "active", "task_state": "open", "worker": "W1", "category": "meals", "work_date": MONDAY,
        "amount": None if amount is None else D(amount), "currency": "USD", "billable": True, "state": "approved",
        "recorded_at": EARLY,
    }  # fmt: skip
    return row | change


def terms(**change: Any) -> Row:
    row = {
        "contract": "C-1", "line": "1", "effective_from": date(2026, 1, 1), "start": date(2026, 1, 1),
        "end": date(2026, 12, 31), "entity": "US01", "currency": "USD", "contract_state": "active",
    }  # fmt: skip
    return row | change


def limit(amount: str, per: str = "day", category: str | None = "meals", **change: Any) -> Row:
    return {"contract": "C-1", "line": "1", "category": category, "per": per, "amount": D(amount)} | change


def run(expenses: Sequence[Row], *limits: Row, found: Lookups | None = None, **stated: Any) -> ExpenseResult:
    return rate_expenses(
        frame(expenses, EXPENSES), frame([terms(**stated)], EXPENSE_TERMS), frame(limits, EXPENSE_LIMITS),
        policies=RatingPolicies(), lookups=found,
    )  # fmt: skip


def figures(result: ExpenseResult, *columns: str) -> dict[str, Any]:
    rows = result.events.select("entry", *(columns or ("amount",))).rows()
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}


def test_an_expense_is_billed_net_of_recoverable_tax_plus_markup() -> None:
    """120 with 20 recoverable tax, markup 10 %: 100 × 1.10 = 110, all of it revenue of a principal."""
    result = run([spent("a", "120", tax_amount=D(20))], markup=D("0.10"))
    assert figures(result, "base_amount", "amount", "pass_through_amount", "revenue_amount") == {
        "a": (D(100), D(110), D(0), D(110))
    }


def test_the_excess_over_a_days_limit_is_not_billed_and_stays_cost() -> None:
    """Meals 45 and 30 of one day under a limit of 60: 45 and 15, excess 15; marked up after: 49.50 and 16.50."""
    result = run([spent("a", "45"), spent("b", "30")], limit("60"), markup=D("0.10"))
    assert figures(result, "amount", "excess_amount") == {"a": (D("49.50"), D(0)), "b": (D("16.50"), D(15))}
    assert json.loads(result.events["trail"][1])["limit"] == {"of": "30.0000", "within": "15.0000"}


def test_a_limit_counts_for_each_worker_day_and_category_alone() -> None:
    rows = [spent("a", "80"), spent("b", "80", worker="W2"), spent("c", "80", work_date=date(2026, 2, 3)),
            spent("d", "80", category="taxi")]  # fmt: skip
    assert figures(run(rows, limit("60"))) == {"a": D(60), "b": D(60), "c": D(60), "d": D(80)}


def test_limits_per_item_day_and_line_apply_one_after_the_other() -> None:
    """Item 50: 80 and 40 -> 50 and 40; day 70 -> 50 and 20; all categories of the line 60 -> 50 and 10."""
    limits = [limit("60", "line", None), limit("50", "item"), limit("70", "day")]
    result = run([spent("a", "80"), spent("b", "40")], *limits)
    assert figures(result, "amount", "excess_amount") == {"a": (D(50), D(30)), "b": (D(10), D(30))}


def test_a_refund_gives_room_back_under_its_limit() -> None:
    """80 under 60 -> 60; a refund of 30 leaves 50 spent, so 10 of it are taken back."""
    assert figures(run([spent("a", "80"), spent("b", "-30")], limit("60"))) == {"a": D(60), "b": D(-10)}


def test_a_months_limit_counts_for_each_worker_and_calendar_month() -> None:
    """Phone 40 a month: 30 and 30 of February give 30 and 10; March and the other worker begin anew."""
    rows = [spent("a", "30"), spent("b", "30", work_date=date(2026, 2, 28)),
            spent("c", "30", work_date=date(2026, 3, 1)), spent("d", "30", worker="W2")]  # fmt: skip
    assert figures(run(rows, limit("40", "month"))) == {"a": D(30), "b": D(10), "c": D(30), "d": D(30)}


def test_what_is_on_a_released_invoice_keeps_its_place_under_a_limit() -> None:
    """60 of Tuesday is billed; 50 of the same day that comes later, though first by its id, finds nothing left."""
    rows = [spent("a", "50"), spent("b", "60", released=True)]
    assert figures(run(rows, limit("60"))) == {"a": D(0), "b": D(60)}


def test_a_line_whose_price_covers_its_expenses_bills_none() -> None:
    result = run([spent("a")], included=True)
    assert (result.events.height, result.non_billable["reason"].to_list()) == (
        0, ["the price of contract C-1 line 1 covers its expenses"],
    )  # fmt: skip


def test_an_item_of_a_refund_is_negative_in_number_and_one_over_its_limit_is_none() -> None:
    """No price is negative (EN 16931, BR-27): a refund of 30 is −1 × 30; what a limit takes whole is 0 × 0."""
    result = run([spent("a", "60"), spent("b", "20"), spent("c", "-30", category="taxi")], limit("60"))
    items = as_items(result.events)
    assert items.select("entry", "billable_hours", "price", "amount").rows() == [
        ("a", D(1), D(60), D(60)), ("b", D(0), D(0), D(0)), ("c", D(-1), D(30), D(-30)),
    ]  # fmt: skip


def test_a_limit_holds_between_its_dates_inclusive() -> None:
    dated = limit("60", effective_from=MONDAY, effective_to=MONDAY)
    rows = [spent("a", "80"), spent("b", "80", work_date=date(2026, 2, 3))]
    assert figures(run(rows, dated)) == {"a": D(60), "b": D(80)}


def test_an_agent_earns_only_the_margin() -> None:
    """Hotel 200 at 5 %: billed 210, of which 200 pass through and 10 are revenue."""
    result = run([spent("a", "200", nature="agent", category="hotel")], markup=D("0.05"))
    assert figures(result, "amount", "pass_through_amount", "revenue_amount") == {
        "a": (D(210), D(200), D(10))
    }


def test_a_disbursement_is_billed_gross_without_markup_and_is_no_revenue() -> None:
    """Court fee 119 with 19 tax, paid for the client: 119 billed, nothing earned, whatever the markup."""
    result = run([spent("a", "119", nature="disbursement", tax_amount=D(19))], markup=D("0.10"))
    assert figures(result, "amount", "pass_through_amount", "revenue_amount") == {"a": (D(119), D(119), D(0))}


def test_a_foreign_expense_converts_at_its_day_and_rounds_once() -> None:
    """33.33 EUR × 1.0837 × 1.10 = 39.7316… -> 39.73; the base alone is 36.1197… -> 36.12."""
    result = run([spent("a", "33.33", currency="EUR")], markup=D("0.10"),
                 found=lookups(rates=[fx("EUR/USD", "1.0837")]))  # fmt: skip
    assert figures(result, "base_amount", "amount") == {"a": (D("36.12"), D("39.73"))}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"currency": "EUR"}, "missing-fx"),
        ({"currency": "DOLLARS"}, "unknown-currency"),
        ({"currency": None}, "unknown-currency"),
        ({"amount": D("10.005")}, "amount-precision"),
        ({"amount": D("10.5"), "currency": "JPY"}, "amount-precision"),
        ({"amount": None}, "invalid-payload"),
        ({"tax_amount": D(101)}, "invalid-payload"),
        ({"tax_amount": D(-1)}, "invalid-payload"),
        ({"nature": "broker"}, "unmapped-value"),
        ({"project": None}, "missing-project"),
        ({"work_date": date(2027, 1, 1)}, "outside-contract"),
        ({"worker_left": date(2026, 2, 1)}, "worker-left"),
        ({"task_state": "closed"}, "closed-task"),
    ],
)  # fmt: skip
def test_what_cannot_be_billed_is_a_finding_and_the_rest_goes_on(change: Row, kind: str) -> None:
    result = run([spent("bad", **change), spent("good", worker="W2")])
    assert result.findings.select("entry", "kind").rows() == [("bad", kind)]
    assert result.findings["detail"][0]
    assert figures(result) == {"good": D(100)}


def test_what_is_not_approved_waits_and_what_is_ours_is_not_billed() -> None:
    rows = [
        spent("s", state="submitted", currency="??"),
        spent("n", billable=False),
        spent("w", state="withdrawn"),
    ]
    result = run(rows)
    assert [df["entry"].to_list() for df in (result.waiting, result.non_billable, result.withdrawn)] == [
        ["s"], ["n"], ["w"],
    ]  # fmt: skip
    assert result.findings.is_empty()


def test_subcontract_work_is_marked_up_like_an_expense() -> None:
    """A subcontractor's invoice of 10,000 at 8 %: 10,800."""
    row = spent("a", "10000", kind="subcontract", category=None, worker=None)
    result = run([row], limit("60"), markup=D("0.08"))
    assert (figures(result), result.events["kind"].to_list()) == ({"a": D(10800)}, ["subcontract"])


def test_two_versions_and_an_unknown_span_of_a_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="two versions"):
        run([spent("a"), spent("a", version=2)])
    with pytest.raises(ValueError, match="per year"):
        run([spent("a")], limit("60", "year"))


@settings(
    phases=[Phase.explicit, Phase.generate], max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(
    st.lists(
        st.tuples(st.integers(-5000, 50000), st.sampled_from(["meals", "taxi"]), st.sampled_from([0, 1]),
                  st.sampled_from(["principal", "agent", "disbursement"])),
        min_size=1, max_size=12),
    st.integers(0, 40000), st.integers(0, 60000), st.integers(0, 9),
)  # fmt: skip
def test_limits_let_through_the_lesser_of_what_was_spent_and_the_limit(
    items: list[tuple[int, str, int, str]], daily: int, whole: int, seed: int
) -> None:
    """Per worker-day of meals min(Σ, limit); over the line min(Σ of that, limit); base = billed base + excess."""
    rows = [
        spent(f"e{n:02d}", str(D(cents) / 100), category=category, nature=nature, work_date=date(2026, 2, 2 + day))
        for n, (cents, category, day, nature) in enumerate(items)
    ]  # fmt: skip
    limits = [limit(str(D(daily) / 100)), limit(str(D(whole) / 100), "line", None)]
    result = run(rows, *limits)
    let_through = Decimal(0)
    for day in (0, 1):
        meals = sum((D(c) for c, category, d, _ in items if category == "meals" and d == day), D(0))
        let_through += min(meals, D(daily))
    let_through += sum((D(c) for c, category, *_ in items if category == "taxi"), D(0))
    assert result.events["amount"].sum() == min(let_through, D(whole)) / 100
    assert (result.events["base_amount"] - result.events["excess_amount"]).sum() == result.events[
        "amount"
    ].sum()
    assert run(random.Random(seed).sample(rows, len(rows)), *limits).events.equals(result.events)


def stored(result: ExpenseResult, billed: bool) -> pl.DataFrame:
    """The items as a store would hold them, on a released invoice or not."""
    one, money = pl.lit(1).cast(HOURS), pl.lit(0).cast(MONEY)
    zero = pl.lit(0).cast(HOURS)
    return as_items(result.events).with_columns(
        pl.col("entry").alias("event"), pl.lit("expense").alias("kind"), pl.lit(None, pl.String).alias("reverses"),
        pl.col("billable_hours").alias("quantity"), billed_quantity=one if billed else zero,
        billed_amount=pl.col("amount") if billed else money, credited_quantity=zero, credited_amount=money,
        reversed_quantity=zero, reversed_amount=money,
    ).select(LIVE_EVENTS.names())  # fmt: skip


def test_a_corrected_expense_reverses_what_was_billed_and_an_unchanged_one_is_left_alone() -> None:
    """100 billed, corrected to 80: −100 and +80. The other, untouched, gives nothing new."""
    first = run([spent("a"), spent("b", "50")])
    again = run([spent("a", "80", version=2), spent("b", "50")])
    found = reconcile_events(
        as_items(again.events), stored(first, billed=True), gone_entries(again), kind="expense"
    )
    assert found.reversals.select("entry", "quantity", "amount").rows() == [("a", D(-1), D(-100))]
    assert found.new.select("entry", "amount").rows() == [("a", D(80))]
    assert found.true_ups.is_empty()


def test_a_markup_changed_later_is_a_true_up_for_what_is_billed() -> None:
    first, again = run([spent("a")]), run([spent("a")], markup=D("0.10"))
    billed, unbilled = (
        reconcile_events(as_items(again.events), stored(first, billed), gone_entries(again), kind="expense")
        for billed in (True, False)
    )
    assert (billed.true_ups["amount"].to_list(), billed.new.height) == ([D(10)], 0)
    assert (unbilled.new["amount"].to_list(), unbilled.set_back["amount"].to_list()) == ([D(110)], [D(100)])


def test_what_comes_to_nothing_keeps_an_event_of_nothing_and_a_second_run_adds_none() -> None:
    """60 in full, then the limit falls to 0: the 60 go back, one event of 0 stays; run again on that, no more."""
    first, again = run([spent("a", "60")]), run([spent("a", "60")], limit("0"))
    held = stored(first, billed=False)
    found = reconcile_events(as_items(again.events), held, gone_entries(again), kind="expense")
    assert (found.set_back["amount"].to_list(), found.new["amount"].to_list()) == ([D(60)], [D(0)])
    back = held.with_columns(reversed_quantity=pl.col("quantity"), reversed_amount=pl.col("amount"))
    both = pl.concat([back, stored(again, billed=False).with_columns(event=pl.lit("a2"))])
    second = reconcile_events(as_items(again.events), both, gone_entries(again), kind="expense")
    assert (second.new.height, second.set_back.height, second.reversals.height) == (0, 0, 0)


def test_a_refund_priced_anew_is_rated_anew() -> None:
    """−50 marked up by 10 % later, nothing billed: −50 goes back, −55 comes."""
    first, again = run([spent("a", "-50")]), run([spent("a", "-50")], markup=D("0.10"))
    found = reconcile_events(
        as_items(again.events), stored(first, billed=False), gone_entries(again), kind="expense"
    )
    assert (found.set_back["amount"].to_list(), found.new["amount"].to_list()) == ([D(-50)], [D(-55)])


def test_an_expense_withdrawn_is_taken_back() -> None:
    again = run([spent("a", state="withdrawn", version=2)])
    found = reconcile_events(
        as_items(again.events), stored(run([spent("a")]), True), gone_entries(again), kind="expense"
    )
    assert found.reversals["amount"].to_list() == [D(-100)]
