"""What hours cost, and what payroll cost beyond that."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.costing.rows import MONDAY, D, Row, cost_rate, salaried, worked
from tieout.domain.costing import (
    CostPolicies,
    LaborCost,
    LaborVariance,
    cost_labor,
    cost_postings,
    labor_variance,
    line_costs,
)
from tieout.domain.frames import COST_HOURS, COST_RATES, PAYROLL, PERIOD_DAYS, frame

EFFECTIVE = CostPolicies(overtime_cost="effective_rate")
FEBRUARY = {
    "entity": "US01",
    "period": "2026-02",
    "first_day": date(2026, 2, 1),
    "last_day": date(2026, 2, 28),
}
few = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def run(hours: Sequence[Row], *rates: Row, policies: CostPolicies | None = None) -> LaborCost:
    stated = rates or (cost_rate(),)
    return cost_labor(
        frame(hours, COST_HOURS), frame(stated, COST_RATES), policies=policies or CostPolicies()
    )


def figures(result: LaborCost, *columns: str) -> dict[str, Any]:
    rows = result.costs.select("entry", *(columns or ("amount",))).rows()
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}


def week(*hours: str, **change: Any) -> list[Row]:
    return [salaried(f"e{n}", h, work_date=MONDAY + timedelta(days=n), **change) for n, h in enumerate(hours)]


def test_cost_is_hours_times_rate_times_one_plus_burden_rounded_once() -> None:
    """7.25 × 61.37 × 1.25 = 556.165625 -> 556.17."""
    assert figures(run([worked("a", "7.25")], cost_rate("61.37", burden=D("0.25")))) == {"a": D("556.17")}


def test_the_rate_of_the_date_counts_of_the_last_statement_that_covers_it() -> None:
    """First 60, from the 3rd 66; later heard from the 4th 70, from the 5th 72: a statement replaces from its first day."""
    rates = [cost_rate("60"), cost_rate("66", effective_from=date(2026, 2, 3)),
             cost_rate("70", effective_from=date(2026, 2, 4), heard=2),
             cost_rate("72", effective_from=date(2026, 2, 5), heard=2)]  # fmt: skip
    rows = [worked(key, "1", work_date=MONDAY + timedelta(days=n)) for n, key in enumerate("abcd")]
    assert figures(run(rows, *rates)) == {"a": D(60), "b": D(66), "c": D(70), "d": D(72)}


def test_a_rate_that_ended_leaves_the_date_to_what_was_stated_before() -> None:
    rates = [cost_rate("60"), cost_rate("70", effective_to=MONDAY, heard=2)]
    rows = [worked("a", "1"), worked("b", "1", work_date=date(2026, 2, 3))]
    assert figures(run(rows, *rates)) == {"a": D(70), "b": D(60)}


def test_no_rate_or_two_at_once_is_a_finding_and_never_zero() -> None:
    rows = [worked("none", worker="W9"), worked("two", worker="W2"), worked("good")]
    result = run(rows, cost_rate(), cost_rate("1", worker="W2"), cost_rate("2", worker="W2"))
    assert dict(result.findings.select("source", "kind").iter_rows()) == {
        "none": "missing-cost-rate", "two": "ambiguous-cost-rate",
    }  # fmt: skip
    assert figures(result) == {"good": D(480)}
    strange = run([worked("a")], cost_rate(currency="DOLLARS"))
    assert strange.findings["kind"].to_list() == ["missing-cost-rate"]


def test_salaried_hours_beyond_capacity_cost_nothing() -> None:
    """10 h a day for five days at 60, capacity 40: Friday costs nothing; 40 × 60 = 2,400."""
    result = run(week("10", "10", "10", "10", "10"))
    assert figures(result, "costed_hours", "amount")["e4"] == (D(0), D(0))
    assert result.costs["amount"].sum() == 2400


def test_capacity_is_used_in_order_whatever_contract_the_work_is_for() -> None:
    """38 h internal, then 4 h for the contract: 2 of them cost."""
    rows = [*week("10", "10", "10", "8", contract=None, line=None),
            salaried("x", "4", work_date=date(2026, 2, 6))]  # fmt: skip
    assert figures(run(rows), "costed_hours", "amount")["x"] == (D(2), D(120))


def test_at_the_effective_rate_the_week_costs_its_capacity_shared_over_all_hours() -> None:
    """50 h at 60, capacity 40: 60 × 40 ÷ 50 = 48; each of five days 10 × 48 = 480, in all 2,400."""
    result = run(week("10", "10", "10", "10", "10"), policies=EFFECTIVE)
    assert set(figures(result, "rate", "costed_hours", "amount").values()) == {(D(48), D(10), D(480))}


@pytest.mark.parametrize(("hours", "rate"), [("44", "13.636364"), ("50", "12"), ("48", "12.5")])
def test_the_effective_rate_is_the_published_regular_rate_of_a_fixed_salary(hours: str, rate: str) -> None:
    """29 CFR 778.114(b) (truth T052): salary 600 for all hours of the week: 600 ÷ 44 = 13.64, ÷ 50 = 12, ÷ 48 = 12.50."""
    part = str(D(hours) / 4)
    result = run(week(part, part, part, part), cost_rate("15"), policies=EFFECTIVE)
    assert set(figures(result, "rate").values()) == {D(rate)}
    assert result.costs["amount"].sum() == 600


def test_below_capacity_both_policies_agree_and_who_is_not_salaried_costs_every_hour() -> None:
    for policies in (CostPolicies(), EFFECTIVE):
        assert run(week("8", "8"), policies=policies).costs["amount"].sum() == 960
        free = [
            worked(f"e{n}", "12", work_date=MONDAY + timedelta(days=n), weekly_capacity=D(40))
            for n in range(5)
        ]
        assert run(free, policies=policies).costs["amount"].sum() == 3600


def test_a_week_starts_where_policy_says() -> None:
    """30 h on Sunday and 30 on Monday: two weeks from Monday (60 h cost), one from Sunday (40)."""
    rows = [salaried("s", "24", work_date=date(2026, 2, 1)), salaried("m", "24")]
    for start, hours in (("monday", 48), ("sunday", 40)):
        assert run(rows, policies=CostPolicies(week_start=start)).costs["costed_hours"].sum() == hours


@few
@given(
    st.lists(st.tuples(st.integers(0, 1600), st.integers(0, 13), st.booleans()), min_size=1, max_size=14),
    st.integers(1, 60), st.integers(1, 20000), st.sampled_from(["capacity", "effective_rate"]), st.integers(0, 9),
)  # fmt: skip
def test_a_salaried_week_never_costs_more_than_its_capacity_and_order_changes_nothing(
    items: list[tuple[int, int, bool]], capacity: int, cents: int, policy: str, seed: int
) -> None:
    rows = [
        salaried(f"e{n:02d}", str(D(hours) / 100), str(capacity), work_date=MONDAY + timedelta(days=day),
                 contract="C-1" if ours else None)
        for n, (hours, day, ours) in enumerate(items)
    ]  # fmt: skip
    policies = CostPolicies(overtime_cost=policy)
    result = run(rows, cost_rate(str(D(cents) / 100)), policies=policies)
    for monday in (MONDAY, MONDAY + timedelta(days=7)):
        inside = result.costs.filter(result.costs["work_date"].is_between(monday, monday + timedelta(days=6)))
        exact = min(D(capacity), D(inside["worked_hours"].sum() or 0)) * D(cents) / 100
        tolerance = D("0.005") * max(inside.height, 1)
        assert abs(D(inside["amount"].sum() or 0) - exact) <= tolerance
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert run(shuffled, cost_rate(str(D(cents) / 100)), policies=policies).costs.equals(result.costs)


def paid(amount: str, **change: Any) -> Row:
    row = {
        "payroll": "PR-1",
        "worker": "W1",
        "entity": "US01",
        "period": "2026-02",
        "amount": D(amount),
        "currency": "USD",
    }
    return row | change


def variance(
    hours: Sequence[Row], *payroll: Row, policies: CostPolicies | None = None, rate: str = "60"
) -> LaborVariance:
    return labor_variance(
        frame(payroll, PAYROLL), run(hours, cost_rate(rate)).costs, frame([FEBRUARY], PERIOD_DAYS),
        policies=policies or CostPolicies(),
    )  # fmt: skip


def shared(result: LaborVariance) -> pl.DataFrame:
    """What projects and internal time take of the variance."""
    return result.costs.filter(pl.col("kind") == "variance")


@pytest.mark.parametrize(
    ("hours", "rate", "pay", "over"),
    [
        ("46", "12", "588", "36"),
        ("46", "12", "637", "85"),
        ("46", "6", "303.80", "27.80"),
        ("37.5", "15", "600", "37.5"),
    ],
)
def test_what_payroll_costs_beyond_the_standard_is_the_variance(
    hours: str, rate: str, pay: str, over: str
) -> None:
    """T021: 588 − 46 × 12 = 36, the published premium; T022: 637 − 552 = 85 (premium 39 + bonus 46);
    T023: 303.80 − 276 = 27.80; T052: salary 600 for 37.5 h at a standard of 15: 37.50."""
    part = D(hours) / 2
    rows = [worked(f"e{n}", str(part), work_date=MONDAY + timedelta(days=n)) for n in range(2)]
    result = variance(rows, paid(pay), rate=rate)
    assert result.variances["variance_amount"].to_list() == [D(over)]
    assert shared(result)["amount"].sum() == D(over)


def test_projects_take_the_variance_by_hours_with_the_largest_remainder() -> None:
    """100 over 10, 10 and 10 h: 33.34, 33.33, 33.33 on the period's last day; internal time takes its share."""
    rows = [worked("a", "10"), worked("b", "10", contract="C-2"), worked("i", "10", contract=None, line=None)]
    result = variance(rows, paid("1000"), paid("900", payroll="PR-2"))
    assert shared(result).select("contract", "amount").rows() == [
        ("C-1", D("33.34")), ("C-2", D("33.33")), (None, D("33.33")),
    ]  # fmt: skip
    assert set(result.costs["event_date"]) == {date(2026, 2, 28)}
    sums = cost_postings(result.costs).group_by("account").agg(pl.col("amount").sum()).sort("account")
    assert sums.rows() == [
        ("labor_applied", D(-100)),
        ("labor_cost", D("66.67")),
        ("labor_variance", D("33.33")),
    ]
    assert line_costs(result.costs)["amount"].sum() == D(100)


def test_kept_in_the_period_no_project_takes_it_and_a_saving_is_negative() -> None:
    result = variance([worked("a", "10")], paid("540"), policies=CostPolicies(labor_variance="period"))
    assert (result.variances["variance_amount"].to_list(), shared(result).height) == ([D(-60)], 0)
    assert shared(variance([worked("a", "10")], paid("540")))["amount"].to_list() == [D(-60)]


def test_payroll_of_an_unknown_period_or_another_currency_is_a_finding() -> None:
    for change in ({"period": "2026-13"}, {"currency": "EUR"}):
        result = variance([worked("a", "10")], paid("600") | change)
        assert result.findings.select("kind", "amount").rows() == [("payroll-unplaced", D(600))]
        assert (result.variances.height, result.costs.height) == (0, 0)


def test_payroll_without_hours_stays_in_the_variance_and_hours_outside_the_period_do_not_count() -> None:
    result = variance([worked("a", "10", work_date=date(2026, 3, 1))], paid("600"))
    assert (result.variances["variance_amount"].to_list(), shared(result).height) == ([D(600)], 0)


def test_policies_that_do_not_exist_are_refused() -> None:
    for wrong in ({"overtime_cost": "double"}, {"labor_variance": "nowhere"}):
        with pytest.raises(ValueError, match="expected"):
            CostPolicies(**wrong)  # type: ignore[arg-type]
    assert CostPolicies().transfer_margin == Decimal(0)
