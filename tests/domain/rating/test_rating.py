"""Rating: who may be billed, hours, price, value, trail; every entry comes out once."""

import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tieout.domain.frames import CARDS, ENTRIES, LINES, RATES, frame
from tieout.domain.rating import RatingPolicies, RatingResult, rate_time

D = Decimal
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 3, 1, tzinfo=UTC)


def entry(key: str, hours: str = "8", **change: Any) -> dict[str, Any]:
    row = {
        "entry": key, "version": 1, "contract": "C-1", "line": "1", "project": "P-1", "project_state": "active",
        "task": "T-1", "task_state": "open", "worker": "W1", "role": "consultant", "country": "US",
        "work_date": date(2026, 2, 2), "worked_hours": D(hours), "billable": True, "state": "approved",
        "recorded_at": EARLY,
    }  # fmt: skip
    return row | change


def line(**change: Any) -> dict[str, Any]:
    row = {
        "contract": "C-1", "line": "1", "effective_from": date(2026, 1, 1), "start": date(2026, 1, 1),
        "end": date(2026, 12, 31), "customer": "ACME", "entity": "US01", "currency": "USD",
        "billing_method": "time_and_materials", "rate_card": "STD", "contract_state": "active",
    }  # fmt: skip
    return row | change


def rate(price: str = "200", **change: Any) -> dict[str, Any]:
    row = {
        "card": "STD", "currency": "USD", "role": "consultant", "unit": "hour", "price": D(price),
        "effective_from": date(2026, 1, 1), "known_from": EARLY,
    }  # fmt: skip
    return row | change


def run(
    entries: list[dict[str, Any]], lines: list[dict[str, Any]] | None = None,
    rates: list[dict[str, Any]] | None = None, cards: list[str] | None = None, seed: int | None = None,
) -> RatingResult:  # fmt: skip
    if seed is not None:
        random.Random(seed).shuffle(entries)
    chain = [{"contract": "C-1", "line": "1", "rank": i, "card": c} for i, c in enumerate(cards or ["STD"])]
    return rate_time(
        frame(entries, ENTRIES), frame(lines or [line()], LINES),
        frame([rate()] if rates is None else rates, RATES), frame(chain, CARDS), policies=RatingPolicies(),
    )  # fmt: skip


def amounts(result: RatingResult) -> dict[str, Decimal]:
    return dict(result.events.select("entry", "amount").iter_rows())


def kinds(result: RatingResult) -> dict[str, str]:
    return dict(result.findings.select("entry", "kind").iter_rows())


def test_value_is_hours_times_price_less_discount_rounded_once() -> None:
    """7.25 × 133.335 × 0.95 = 918.3447... (7.25 × 133.335 = 966.67875; × 0.95 = 918.3448125) -> 918.34."""
    result = run([entry("e", "7.25")], [line(discount=D("0.05"))], [rate("133.335")])
    assert amounts(result) == {"e": D("918.34")}
    trail = json.loads(result.events["trail"][0])
    assert trail["card"] == "STD"
    assert trail["matched"] == {"role": "consultant"}
    assert trail["rate"]["from"] == "2026-01-01"
    assert trail["discount"] == "0.050000"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"project": None}, "missing-project"),
        ({"contract": None, "line": None}, "missing-project"),
        ({"work_date": date(2027, 1, 1)}, "outside-contract"),
        ({"work_date": date(2025, 12, 31)}, "outside-contract"),
        ({"contract": "C-9"}, "outside-contract"),
        ({"worker_left": date(2026, 2, 1)}, "worker-left"),
        ({"task_state": "closed"}, "closed-task"),
        ({"role": "astronaut"}, "missing-rate"),
        ({"role": None}, "missing-rate"),
        ({"worked_hours": D("24.5")}, "implausible-hours"),
        ({"worked_hours": D("-1")}, "implausible-hours"),
    ],
)
def test_what_may_not_be_billed_is_a_finding_that_names_the_rule(change: dict[str, Any], kind: str) -> None:
    result = run([entry("bad", **change), entry("good", worker="W2")])
    assert kinds(result) == {"bad": kind}
    assert amounts(result) == {"good": D(1600)}
    assert result.findings["detail"][0]


def test_the_last_day_of_a_worker_and_of_a_contract_are_inclusive() -> None:
    last = date(2026, 12, 31)
    assert amounts(run([entry("e", work_date=last, worker_left=last)])) == {"e": D(1600)}


def test_what_is_not_approved_waits_and_is_no_finding() -> None:
    rows = [entry("s", state="submitted"), entry("r", state="rejected"), entry("w", state="withdrawn"),
            entry("n", billable=False)]  # fmt: skip
    result = run(rows)
    assert (result.waiting["entry"].to_list(), result.withdrawn["entry"].to_list()) == (["r", "s"], ["w"])
    assert result.non_billable["entry"].to_list() == ["n"]
    assert result.findings.is_empty()


@pytest.mark.parametrize("code", [None, "DOLLARS"])
def test_an_unknown_currency_sets_its_contract_aside_and_the_rest_goes_on(code: str | None) -> None:
    rows = [entry("bad", contract="C-2", worker="W2"), entry("good", "1")]
    result = run(rows, [line(), line(contract="C-2", currency=code)])
    assert kinds(result) == {"bad": "unknown-currency"}
    assert amounts(result) == {"good": D(200)}


def test_time_on_an_unsigned_contract_waits() -> None:
    result = run([entry("e")], [line(contract_state="draft")])
    assert result.waiting["reason"].to_list() == ["contract is not signed"]


def test_more_than_24_hours_of_one_worker_on_one_date_keep_that_day_out() -> None:
    rows = [entry("a", "13"), entry("b", "11.5"), entry("c", "8", work_date=date(2026, 2, 3))]
    result = run(rows)
    assert kinds(result) == {"a": "implausible-hours", "b": "implausible-hours"}
    assert amounts(result) == {"c": D(1600)}


def test_exactly_24_hours_are_plausible() -> None:
    assert sum(amounts(run([entry("a", "12"), entry("b", "12")])).values()) == D(4800)


@pytest.mark.parametrize(
    ("minutes", "mode", "worked", "billed"),
    [
        (15, "up", "1.01", "1.25"), (15, "up", "1.25", "1.25"), (15, "nearest", "1.125", "1.25"),
        (15, "nearest", "1.12", "1.00"), (15, "down", "1.24", "1.00"), (6, "up", "0.51", "0.6"),
        (10, "up", "0.666667", "0.666667"), (20, "up", "0.333333", "0.333333"),
    ],
)  # fmt: skip
def test_increments_apply_to_billable_hours(minutes: int, mode: str, worked: str, billed: str) -> None:
    terms = line(increment_minutes=minutes, increment_mode=mode, increment_per="entry")
    result = run([entry("e", worked)], [terms])
    assert result.events["billable_hours"].to_list() == [D(billed)]
    assert result.events["worked_hours"].to_list() == [D(worked)]


def test_a_daily_increment_gives_the_difference_to_the_last_entry_of_the_day() -> None:
    """0.4 + 0.3 = 0.7 -> up to 1.0: the last gets 0.6. Down to 0.5: the last keeps 0.1."""
    for mode, last in (("up", "0.6"), ("down", "0.1")):
        terms = line(increment_minutes=30, increment_mode=mode, increment_per="day")
        result = run([entry("a", "0.4"), entry("b", "0.3")], [terms])
        assert result.events["billable_hours"].to_list() == [D("0.4"), D(last)]


def test_a_daily_increment_never_makes_an_entry_negative() -> None:
    """0.45 + 0.02 = 0.47 -> down to 0: both become nothing."""
    terms = line(increment_minutes=30, increment_mode="down", increment_per="day")
    assert run([entry("a", "0.45"), entry("b", "0.02")], [terms]).events["billable_hours"].to_list() == [
        D(0),
        D(0),
    ]


def test_a_daily_minimum_tops_the_day_up() -> None:
    result = run([entry("a", "1"), entry("b", "0.5")], [line(minimum_hours_per_day=D(4))])
    assert result.events["billable_hours"].to_list() == [D(1), D(3)]


def test_overtime_counts_the_day_first_and_an_hour_is_premium_once() -> None:
    """Mon–Fri 9 h, Sat 4 h; daily after 8, weekly after 40: 5 daily, 40 regular by Friday, 4 weekly on Saturday.

    Value: 40 × 100 + 9 × 150 = 5,350.
    """
    days = [entry(f"e{d}", "9", work_date=date(2026, 2, d)) for d in range(2, 7)]
    days.append(entry("e7", "4", work_date=date(2026, 2, 7)))
    terms = line(overtime_daily_after=D(8), overtime_weekly_after=D(40), overtime_multiplier=D("1.5"),
                 overtime_basis="bill")  # fmt: skip
    result = run(days, [terms], [rate("100")], seed=7)
    assert sum(amounts(result).values()) == D(5350)
    assert amounts(result)["e7"] == D(600)


def test_weekly_overtime_matches_the_published_example() -> None:
    """29 CFR 778.110(a): 46 hours at 12 with overtime after 40 at 1.5 = 40 × 12 + 6 × 18 = 588."""
    hours = ["8", "8", "8", "8", "8", "6"]
    rows = [entry(f"e{i}", h, work_date=date(2026, 2, 2 + i)) for i, h in enumerate(hours)]
    terms = line(overtime_weekly_after=D(40), overtime_multiplier=D("1.5"), overtime_basis="bill")
    assert sum(amounts(run(rows, [terms], [rate("12")])).values()) == D(588)


def test_a_week_starts_where_the_line_says() -> None:
    """Sunday 10 h and Monday 10 h: one week from Sunday (20 h, 4 over 16), two weeks from Monday (none)."""
    rows = [entry("s", "10", work_date=date(2026, 2, 1)), entry("m", "10", work_date=date(2026, 2, 2))]
    for start, expected in (("sunday", D(2200)), ("monday", D(2000))):
        terms = line(overtime_weekly_after=D(16), overtime_multiplier=D("1.5"), week_start=start)
        assert sum(amounts(run(list(rows), [terms], [rate("100")])).values()) == expected


def test_the_most_specific_rate_wins_lexicographically() -> None:
    """person > task > project > grade > role …: a person's rate beats task, project and role together."""
    rates = [rate("100"), rate("150", task="T-1", project="P-1"), rate("90", role=None, person="W1")]
    assert amounts(run([entry("e", "1")], rates=rates)) == {"e": D(90)}
    assert amounts(run([entry("e", "1", worker="W2")], rates=rates)) == {"e": D(150)}


def test_the_first_card_with_any_match_wins_over_a_more_specific_later_card() -> None:
    rates = [rate("100", card="A"), rate("90", card="B", person="W1", role=None)]
    assert amounts(run([entry("e", "1")], rates=rates, cards=["A", "B"])) == {"e": D(100)}
    assert amounts(run([entry("e", "1", role="x")], rates=rates, cards=["A", "B"])) == {"e": D(90)}


def test_two_equal_rates_heard_together_are_ambiguous_and_a_later_one_replaces() -> None:
    assert kinds(run([entry("e")], rates=[rate("100"), rate("110")])) == {"e": "ambiguous-rate"}
    assert amounts(run([entry("e", "1")], rates=[rate("100"), rate("110", known_from=LATE)])) == {"e": D(110)}


def test_a_rate_counts_on_its_first_and_last_day() -> None:
    rates = [rate("100", effective_to=date(2026, 2, 2)), rate("110", effective_from=date(2026, 2, 3))]
    rows = [entry("a", "1"), entry("b", "1", work_date=date(2026, 2, 3))]
    assert amounts(run(rows, rates=rates)) == {"a": D(100), "b": D(110)}


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"currency": "EUR"}, "missing-fx"),
        ({"unit": "month"}, "missing-rate"),
        ({"price": None}, "missing-rate"),
    ],
)
def test_a_price_that_cannot_be_used_is_a_finding_and_never_zero(wrong: dict[str, Any], kind: str) -> None:
    assert kinds(run([entry("e")], rates=[rate("100") | wrong])) == {"e": kind}


def test_no_rates_at_all_is_a_finding_for_each_entry() -> None:
    assert kinds(run([entry("e")], rates=[])) == {"e": "missing-rate"}


def test_an_entry_is_rated_on_the_terms_of_its_date() -> None:
    terms = [line(effective_to=date(2026, 1, 31)), line(effective_from=date(2026, 2, 1), discount=D("0.10"))]
    rows = [entry("a", "1", work_date=date(2026, 1, 31)), entry("b", "1", work_date=date(2026, 2, 1))]
    assert amounts(run(rows, terms)) == {"a": D(200), "b": D(180)}


def test_the_order_of_arrival_changes_nothing() -> None:
    rows = [entry(f"e{i:03d}", str(1 + i % 7), worker=f"W{i % 5}", work_date=date(2026, 2, 1 + i % 28))
            for i in range(200)]  # fmt: skip
    terms = [line(increment_minutes=30, increment_mode="up", increment_per="day", overtime_daily_after=D(4),
                  overtime_weekly_after=D(20), overtime_multiplier=D("1.5"))]  # fmt: skip
    first = run(list(rows), terms).events
    for seed in range(5):
        assert run(list(rows), terms, seed=seed).events.equals(first)


def test_an_empty_run_is_empty() -> None:
    assert run([]).events.is_empty()


def test_two_versions_of_one_entry_are_refused() -> None:
    with pytest.raises(ValueError, match="two versions"):
        run([entry("e"), entry("e", version=2)])


def test_hours_worked_basis_counts_what_was_worked() -> None:
    """9.9 worked, billed up to 10; above 8 worked hours 1.9 are premium: 8.1 × 100 + 1.9 × 150 = 1,095."""
    terms = line(increment_minutes=30, increment_mode="up", increment_per="entry", overtime_daily_after=D(8),
                 overtime_multiplier=D("1.5"), overtime_basis="work")  # fmt: skip
    assert amounts(run([entry("e", "9.9")], [terms], [rate("100")])) == {"e": D(1095)}


def test_frames_are_checked_at_the_door() -> None:
    bad = frame([entry("e")], ENTRIES).with_columns(pl.col("worked_hours").cast(pl.Float64))
    with pytest.raises(TypeError, match="worked_hours"):
        rate_time(
            bad, frame([line()], LINES), frame([rate()], RATES), frame([], CARDS), policies=RatingPolicies()
        )
