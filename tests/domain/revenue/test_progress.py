"""Measures of progress and what is set aside (IFRS 15.38–45, B14–B19)."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from tests.domain.revenue.cases import Case, at, cost, day, time, units
from tieout.domain.frames import LINE_REVENUE, READINGS, empty, frame
from tieout.domain.revenue import unbooked, valid_readings

D = Decimal
JAN, JUN, DEC = day(1, 1), day(6, 30), day(12, 31)


def test_uninstalled_materials_earn_their_cost_and_leave_the_ratio() -> None:
    """IE95–IE100: (5.0m − 1.5m) × (2.0m − 1.5m) ÷ (4.0m − 1.5m) + 1.5m = 2,200,000."""
    case = (
        Case().signed(cost("1", 5_000_000, 4_000_000)).read(DEC, cost=2_000_000, uninstalled_cost=1_500_000)
    )
    assert case.revenue(DEC) == [D(2_200_000)]


def test_uninstalled_materials_across_a_prospective_change_count_only_since_then() -> None:
    """3.0m − 0.5m of cost left; 0.5m of it elevators: (P − 0.5m) × 1.0m ÷ 2.0m + 0.5m on top of what was earned."""
    case = Case().signed(cost("1", 5_000_000, 4_000_000)).read(JUN, cost=1_000_000)
    case.change(JUN, cost("1", 5_000_000, 4_000_000), treatment="prospective")
    case.read(DEC, cost=2_500_000, uninstalled_cost=500_000)
    before = D(1_250_000)
    assert case.revenue(JUN, DEC) == [
        before,
        before + (5_000_000 - before - 500_000) * 1_000_000 / 2_500_000 + 500_000,
    ]


def test_wasted_cost_is_no_progress() -> None:
    """B19(a): 1,000 × (60 − 10) ÷ (110 − 10) = 500."""
    case = Case().signed(cost("1", 1000, 110)).read(JUN, cost=60, wasted_cost=10)
    assert case.revenue(JUN) == [D(500)]


def test_hours_over_the_estimate_at_completion() -> None:
    case = Case().signed({"line": "1", "method": "labor_hours", "price": D(900), "estimate": D(300)})
    case.read(JUN, hours="100.5")
    assert case.revenue(JUN) == [D("301.50")]


def test_a_changed_estimate_catches_up_in_the_period_it_is_made() -> None:
    """1,000 × 50 ÷ 100 = 500; the estimate becomes 125 in July: 400, so July books −100 and June keeps its 500."""
    case = Case().signed(cost("1", 1000, 100)).read(JUN, cost=50).read(day(7, 15), estimated_cost=125)
    rows = unbooked(case.recognised(JUN, day(7, 31)).to_date, empty(LINE_REVENUE))
    assert rows.select("event_date", "amount").rows() == [(JUN, D(500)), (day(7, 31), D(-100))]


def test_reaching_the_estimate_without_completion_is_a_finding_and_earns_no_more_than_the_price() -> None:
    case = Case().signed(cost("1", 1000, 100)).read(JUN, cost=120)
    assert (case.revenue(JUN), case.kinds(JUN)) == ([D(1000)], ["estimate-exhausted"])
    case.read(day(7, 1), cost=120, completed=True)
    assert case.kinds(day(7, 31)) == []


def test_a_percentage_overrides_until_the_next_quantity() -> None:
    case = Case().signed(cost("1", 1000, 100)).read(JAN, cost=10).read(JUN, percent="0.4").read(DEC, cost=60)
    assert case.revenue(JAN, JUN, DEC) == [D(100), D(400), D(600)]


@pytest.mark.parametrize(
    "wrong",
    [{"percent": D("1.01")}, {"percent": D("-0.1")}, {"cost": D(-1)}, {"estimated_cost": D(0)},
     {"cost": D(5), "uninstalled_cost": D(4), "wasted_cost": D(2)}],
)  # fmt: skip
def test_a_reading_that_cannot_be_is_set_aside_and_the_last_one_stands(wrong: dict[str, Decimal]) -> None:
    key = {"contract": "C-1", "line": "1"}
    rows = [key | {"day": JAN, "cost": D(10)}, key | {"day": JUN} | wrong]
    good, findings = valid_readings(frame(rows, READINGS))
    assert (good.height, findings["kind"].to_list(), findings["day"].to_list()) == (
        1,
        ["progress-invalid"],
        [JUN],
    )
    assert good.height + findings.height == len(rows)


@pytest.mark.parametrize(
    "line",
    [
        cost("1", 100, 1) | {"estimate": None},
        time("1", 100, JUN, JAN),
        time("1", 100, JAN, DEC) | {"end": None},
    ],
)
def test_what_cannot_be_measured_earns_nothing_and_is_named(line: dict[str, object]) -> None:
    case = Case().signed(line).read(JAN, cost=10)
    assert (case.revenue(DEC), case.kinds(DEC)) == ([D(0)], ["progress-invalid"])


def test_an_obligation_has_one_measure_over_its_lines() -> None:
    """IFRS 15.40: costs of both lines over both estimates, shared by stand-alone price; two methods are refused."""
    both = Case().signed(cost("1", 600, 60, obligation="A"), cost("2", 400, 40, obligation="A"))
    both.read(JUN, cost=30)
    assert [both.revenue(JUN, line=n) for n in "12"] == [[D(180)], [D(120)]]
    mixed = (
        Case()
        .signed(cost("1", 600, 60, obligation="A"), units("2", 400, 40, obligation="A"))
        .read(JUN, cost=30)
    )
    assert (mixed.revenue(JUN), mixed.kinds(JUN)) == ([D(0)], ["obligation-measures-differ"])


def test_milestones_weigh_what_the_terms_say() -> None:
    case = Case().signed({"line": "1", "method": "milestone", "price": D(1000), "weights": {"a": 1, "b": 3}})
    case.accept(JUN, "a").accept(day(7, 1), "a")
    assert case.revenue(JAN, JUN, DEC) == [D(0), D(250), D(250)]
    case.accept(DEC, "b")
    assert case.revenue(DEC) == [D(1000)]


def test_a_point_in_time_is_a_milestone_or_a_day() -> None:
    by_milestone = at("1", 70, None, weights={"go-live": 1})
    case = Case().signed(by_milestone, at("2", 30, JUN)).accept(day(8, 1), "go-live")
    assert case.revenue(day(6, 29), JUN, day(7, 31), day(8, 1)) == [D(0), D(30), D(30), D(100)]


def test_days_are_inclusive_and_leap_days_count() -> None:
    """2028: 366 days; through 29 February 60 of them: 366 × 60 ÷ 366."""
    case = Case(start=day(1, 1, 2028)).signed(time("1", 366, day(1, 1, 2028), day(12, 31, 2028)))
    assert case.revenue(day(1, 1, 2028), day(2, 29, 2028), day(12, 31, 2028)) == [D(1), D(60), D(366)]


def test_a_day_of_a_month_earns_its_share_of_that_months_part() -> None:
    """120 over 12 months: 10 a month; 14 February: 10 + 10 × 14 ÷ 28 = 15."""
    case = Case().signed(time("1", 120, JAN, DEC, "monthly"))
    assert case.revenue(day(1, 31), day(2, 14), day(2, 28), DEC) == [D(10), D(15), D(20), D(120)]


def test_before_the_contract_exists_nothing_is_earned_and_then_it_catches_up() -> None:
    """IFRS 15.9, 14: work from January, signed in March: all of it on the day of signing."""
    case = Case().signed(time("1", 365, JAN, DEC))
    case.start = day(3, 1)
    rows = unbooked(case.recognised(day(1, 31), day(3, 1)).to_date, empty(LINE_REVENUE))
    assert rows.select("event_date", "amount").rows() == [(day(3, 1), D(60))]


def test_a_late_fact_books_its_difference_on_the_day_it_happened() -> None:
    """Booked 100 through June; a reading of February heard later adds 50 to February, which the books then place."""
    case = Case().signed(cost("1", 1000, 100)).read(JUN, cost=10)
    ends = (day(2, 28), JUN)
    booked = unbooked(case.recognised(*ends).to_date, empty(LINE_REVENUE))
    case.read(day(2, 10), cost=5)
    late = unbooked(case.recognised(*ends).to_date, booked)
    assert late.select("event_date", "amount").rows() == [(day(2, 28), D(50)), (JUN, D(-50))]
    assert unbooked(case.recognised(*ends).to_date, pl.concat([booked, late])).is_empty()
