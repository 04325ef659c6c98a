"""What submitted work would add: at its price, within its limits, thresholds moved included."""

from datetime import date

from tests.domain.rating.cases import D, entry, line, rate
from tests.domain.rating.test_expenses import limit, spent, terms
from tieout.domain.frames import CARDS, ENTRIES, EXPENSE_LIMITS, EXPENSE_TERMS, EXPENSES, LINES, RATES, frame
from tieout.domain.rating import RatingPolicies, estimate_expenses, estimate_time

CHAIN = [{"contract": "C-1", "line": "1", "rank": 0, "card": "STD"}]


def estimated(*rows: dict[str, object], **stated: object) -> dict[str, object]:
    found = estimate_time(
        frame(rows, ENTRIES), frame([line(**stated)], LINES), frame([rate("100")], RATES), frame(CHAIN, CARDS),
        policies=RatingPolicies(),
    )  # fmt: skip
    return dict(found.select("entry", "amount").iter_rows())


def test_submitted_time_is_estimated_at_its_price_and_approved_time_is_not() -> None:
    """8 h at 100; time in a refused state or on a closed task adds nothing."""
    rows = [entry("done"), entry("open", state="submitted", worker="W2"), entry("no", state="rejected", worker="W3"),
            entry("shut", state="submitted", worker="W4", task_state="closed")]  # fmt: skip
    assert estimated(*rows) == {"open": D(800)}


def test_what_a_submitted_hour_moves_over_a_threshold_is_part_of_the_estimate() -> None:
    """Daily after 8: submitted 4 h come first, so 4 of the approved 8 would be premium: 400 + 200."""
    rows = [entry("a", "4", state="submitted"), entry("b", "8")]
    assert estimated(*rows, overtime_daily_after=D(8), overtime_multiplier=D("1.5")) == {
        "a": D(400),
        "b": D(200),
    }


def test_submitted_expenses_are_estimated_within_what_their_limit_leaves() -> None:
    """Meals limit 60, 45 approved: of 30 submitted 15 are billable; an agent's hotel of 200 earns its 10 % only."""
    rows = [spent("a", "45"), spent("b", "30", state="submitted"),
            spent("h", "200", state="submitted", nature="agent", category="hotel", work_date=date(2026, 2, 3))]  # fmt: skip
    found = estimate_expenses(
        frame(rows, EXPENSES), frame([terms(markup=D("0.10"))], EXPENSE_TERMS), frame([limit("60")], EXPENSE_LIMITS),
        policies=RatingPolicies(),
    )  # fmt: skip
    assert dict(found.select("entry", "amount").iter_rows()) == {"b": D("16.50"), "h": D(20)}
