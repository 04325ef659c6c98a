"""Modifications and changes of the price (IFRS 15.18–21, 87–90)."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from tests.domain.revenue.cases import Case, at, cost, day, time, units
from tieout.domain.frames import REVENUE_TERMS, VARIABLE_ESTIMATES, frame
from tieout.domain.revenue import plan_revenue

D = Decimal
JAN, JUN, DEC = day(1, 1), day(6, 30), day(12, 31)


def treatments(case: Case) -> list[str]:
    plan = plan_revenue(
        frame(case.terms, REVENUE_TERMS), frame(case.variable, VARIABLE_ESTIMATES), case.performance()
    )
    return plan.treatments["treatment"].to_list()


def test_one_obligation_modified_catches_up_with_its_bonus() -> None:
    """IE37–IE41: 1m × 420 ÷ 700 = 600,000; then (1m + 150,000 + bonus 200,000) × 420,000 ÷ 820,000 = 691,463.41.

    The catch-up is 91,463.41; the published 91,200 rounds progress to 51.2 % first.
    """
    case = Case().signed(cost("1", 1_000_000, 700_000)).read(JUN, cost=420_000)
    case.estimate(day(7, 1), 200_000).change(day(7, 1), cost("1", 1_150_000, 820_000), distinct=False)
    assert treatments(case) == ["cumulative"]
    assert case.revenue(JUN, day(7, 1)) == [D(600_000), D("691463.41")]


def test_a_variable_amount_promised_before_a_prospective_change_is_shared_on_the_old_basis_first() -> None:
    """IFRS 15.90, IE24–IE32: X, Y equal, 1,000 + 200: 600 each. Z added for 300: (600 + 300) ÷ 2 = 450.

    The estimate rises by 40: 20 belongs to X, transferred, and is revenue at once; 20 to Y, shared again with Z: 10.
    """
    one = {"ssp": D(1)}
    case = (
        Case(price=D(1000))
        .signed(at("X", 500, JAN, **one), at("Y", 500, day(3, 31), **one))
        .estimate(JAN, 200)
    )
    case.change(
        day(1, 31), at("X", 500, JAN, **one), at("Y", 500, day(3, 31), **one), at("Z", 300, JUN, **one),
        treatment="prospective",
    ).estimate(day(2, 28), 240)  # fmt: skip
    assert case.revenue(JAN, day(2, 28), line="X") == [D(600), D(620)]
    assert case.revenue(day(2, 28), day(3, 31), line="Y") == [D(0), D(460)]
    assert case.revenue(day(3, 31), JUN, line="Z") == [D(0), D(460)]


def test_a_variable_amount_of_a_half_done_service_is_earned_as_far_as_it_was_done_at_the_change() -> None:
    """Half of 100 units done, 10 added at their share; a bonus of 100 promised before: 50 at once, 50 over 60 units."""
    case = Case().signed(units("1", 1000, 100)).read(JAN, units=50)
    case.change(day(2, 1), units("1", 1100, 110), treatment="prospective").estimate(day(2, 2), 100)
    case.read(day(3, 1), units=80).read(DEC, units=110)
    assert case.revenue(day(2, 1), day(2, 2), day(3, 1), DEC) == [D(500), D(550), D(875), D(1200)]


def test_a_variable_amount_may_belong_to_one_obligation() -> None:
    """IFRS 15.85: a bonus of 90 for B alone does not touch A."""
    case = Case().signed(at("A", 100, JAN), at("B", 100, DEC)).estimate(JAN, 90, obligations=["B"])
    assert case.prices(JAN) == {"A": D(100), "B": D(190)}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"distinct": True, "at_ssp": True}, "separate"),
        ({"distinct": True}, "prospective"),
        ({"distinct": False, "at_ssp": True}, "cumulative"),
        ({}, "prospective"),
        ({"treatment": "cumulative"}, "cumulative"),
    ],
)
def test_auto_decides_by_distinct_and_price(terms: dict[str, bool], expected: str) -> None:
    """IFRS 15.20–21; without a word on `distinct` a series of units is distinct (22(b))."""
    case = (
        Case().signed(units("1", 1000, 100)).change(JUN, units("1", 1000, 100), units("2", 90, 10), **terms)
    )
    assert treatments(case) == [expected]
    assert ("series-catch-up" in case.kinds(DEC)) == (expected == "cumulative")


def test_a_changed_line_is_never_a_separate_contract() -> None:
    case = Case().signed(units("1", 1000, 100)).change(JUN, units("1", 1100, 110), distinct=True, at_ssp=True)
    assert treatments(case) == ["prospective"]


def test_days_of_a_series_are_never_caught_up() -> None:
    """A fee of 365 a year raised to 549 at mid-year: 181 days at 1, then (365 − 181 + 184) ÷ 184 = 2 a day."""
    case = Case().signed(time("1", 365, JAN, DEC)).change(JUN, time("1", 549, JAN, DEC))
    assert case.revenue(JUN, day(7, 1), DEC) == [D(181), D(183), D(549)]


def test_an_ended_line_keeps_what_it_earned_and_takes_the_rest_of_its_price_with_it() -> None:
    """50 of 100 units done at 10: 500 stays; the other line is not touched."""
    case = Case().signed(units("1", 1000, 100), at("2", 300, DEC)).read(JAN, units=50)
    case.change(JUN, at("2", 300, DEC), treatment="prospective").read(day(8, 1), units=90)
    assert case.prices(DEC) == {"1": D(500), "2": D(300)}
    assert case.revenue(JUN, day(8, 1), line="1") == [D(500), D(500)]


def test_a_price_stated_for_the_whole_contract_stands_whatever_the_lines_say() -> None:
    """Remaining 1,300 − 500 + (1,000 − 1,300) = 500 over what remains: 50 × 10 and 300 stand-alone: 312.50, 187.50."""
    lines = (units("1", 1000, 100), at("2", 300, DEC))
    case = (
        Case().signed(*lines).read(JAN, units=50).change(JUN, *lines, treatment="prospective", price=D(1000))
    )
    assert case.prices(DEC) == {"1": D("812.50"), "2": D("187.50")}


def test_a_price_change_after_everything_is_done_is_revenue_of_that_day() -> None:
    case = Case().signed(at("1", 1000, JAN)).change(JUN, at("1", 900, JAN), treatment="prospective")
    assert case.revenue(JAN, JUN) == [D(1000), D(900)]


def test_all_lines_ended_leave_revenue_where_it_is() -> None:
    case = Case().signed(time("1", 365, JAN, DEC)).change(JUN)
    assert case.revenue(JUN, DEC) == [D(181), D(181)]
    assert case.prices(DEC) == {"1": D(181)}


@pytest.mark.parametrize("treatment", ["prospective", "cumulative", "auto"])
def test_an_amount_heard_of_after_everything_ended_is_revenue_of_that_day(treatment: str) -> None:
    """181 of 365 earned when the contract ended in June; a bonus of 30 is agreed in July: 211."""
    case = Case().signed(time("1", 365, JAN, DEC)).change(JUN, treatment=treatment).estimate(day(7, 1), 30)
    assert case.revenue(JUN, day(7, 1), DEC) == [D(181), D(211), D(211)]


def test_an_amount_for_a_line_that_ended_falls_on_what_remains() -> None:
    case = (
        Case()
        .signed(at("A", 100, DEC), at("B", 100, DEC))
        .change(JUN, at("B", 100, DEC), treatment="prospective")
    )
    assert case.estimate(day(7, 1), 30, obligations=["A"]).prices(DEC) == {"A": D(0), "B": D(130)}


@pytest.mark.parametrize("treatment", ["prospective", "cumulative"])
def test_a_price_stated_after_everything_ended_is_revenue_of_that_day(treatment: str) -> None:
    """181 earned when all lines ended in June; in July the whole contract is settled at 150."""
    case = (
        Case()
        .signed(time("1", 365, JAN, DEC))
        .change(JUN)
        .change(day(7, 1), treatment=treatment, price=D(150))
    )
    assert case.revenue(JUN, day(7, 1), DEC) == [D(181), D(150), D(150)]


@pytest.mark.parametrize("treatment", ["prospective", "cumulative"])
def test_an_amount_promised_before_everything_ended_does_not_fall_on_a_line_added_later(
    treatment: str,
) -> None:
    """181 earned, all ended; a line of 100 is added in July; 30 of the old promise heard in August is the old line's."""
    case = Case().signed(time("1", 365, JAN, DEC)).change(JUN)
    case.change(day(7, 1), at("2", 100, DEC), treatment=treatment).estimate(day(8, 1), 30)
    assert case.prices(DEC) == {"1": D(211), "2": D(100)}


def test_an_ended_line_takes_no_share_from_lines_without_a_stand_alone_price() -> None:
    """Seen by the properties: 100 with no stand-alone price at all; half of a rise of 60 went to the ended line."""
    case = Case(price=D(100)).signed(at("1", 0, DEC), at("2", 0, DEC))
    case.change(JUN, at("2", 0, DEC), treatment="cumulative", price=D(160))
    assert case.prices(DEC) == {"1": D(0), "2": D(160)}


def test_stated_prices_are_kept_as_they_are() -> None:
    """allocation: stated: each line its own price and its own change."""
    case = Case(allocation="stated").signed(at("1", 100, JAN, ssp=D(900)), at("2", 200, DEC, ssp=D(100)))
    case.change(JUN, at("1", 100, JAN, ssp=D(900)), at("2", 250, DEC, ssp=D(100)), treatment="prospective")
    assert (case.prices(JAN), case.prices(DEC)) == ({"1": D(100), "2": D(200)}, {"1": D(100), "2": D(250)})


def test_a_change_moves_nothing_before_its_day() -> None:
    plain = Case().signed(time("1", 365, JAN, DEC))
    changed = Case().signed(time("1", 365, JAN, DEC)).change(JUN, time("1", 900, JAN, DEC))
    before = [day(m, 15) for m in range(1, 7)]
    assert changed.revenue(*before) == plain.revenue(*before)


def test_combined_contracts_are_one_accounting_contract() -> None:
    """IFRS 15.17: 300 for both, stand-alone 200 and 200: 150 each, booked on the contracts' own lines."""
    case = Case(price=D(300)).signed(
        at("1", 100, JAN, ssp=D(200), obligation="A"),
        at("1", 200, DEC, ssp=D(200), obligation="B", contract="C-2"),
    )
    rows = case.recognised(DEC, contracts=["C-1", "C-2"]).to_date
    assert rows.select("contract", "revenue").sort("contract").rows() == [("C-1", D(150)), ("C-2", D(150))]
    assert rows["revenue"].sum() == D(300)
    assert isinstance(rows, pl.DataFrame)


def test_changes_out_of_order_are_a_defect_of_the_caller() -> None:
    case = (
        Case().signed(at("1", 100, DEC)).change(JUN, at("1", 110, DEC)).change(day(3, 1), at("1", 120, DEC))
    )
    with pytest.raises(ValueError, match="change 2 of C-1"):
        case.prices(DEC)
