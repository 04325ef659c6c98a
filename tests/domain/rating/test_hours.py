"""Hours: increments, minimums, overtime by threshold and by day; worked and billable stay two quantities."""

from datetime import date, timedelta

import pytest

from tests.domain.rating.cases import MONDAY, D, amounts, entry, hours, line, lookups, rate, run
from tieout.domain.rating import RatingPolicies

SATURDAY = date(2026, 2, 7)
HUNDRED = [rate("100")]


def overtime(**change: object) -> dict[str, object]:
    return line(overtime_multiplier=D("1.5"), overtime_basis="bill", **change)


@pytest.mark.parametrize(
    ("mode", "last"),
    [("up", "0.6"), ("nearest", "0.1"), ("down", "0.1")],
)
def test_the_day_is_rounded_and_its_last_entry_takes_the_difference(mode: str, last: str) -> None:
    """0.4 + 0.3 = 0.7 in half hours: up 1.0, nearest 0.5 (0.7 ÷ 0.5 = 1.4), down 0.5."""
    terms = line(increment_minutes=30, increment_mode=mode, increment_per="day")
    assert hours(run([entry("b", "0.3"), entry("a", "0.4")], terms)) == {"a": D("0.4"), "b": D(last)}


def test_nearest_takes_the_half_up_for_the_day() -> None:
    """0.5 + 0.25 = 0.75 is exactly half way between 0.5 and 1.0: up to 1.0."""
    terms = line(increment_minutes=30, increment_mode="nearest", increment_per="day")
    assert hours(run([entry("a", "0.5"), entry("b", "0.25")], terms)) == {"a": D("0.5"), "b": D("0.5")}


def test_thirds_of_an_hour_add_up_to_a_whole_one() -> None:
    """Three times 20 minutes, each stored as 0.333333 h, are 60 minutes: down to the half hour it stays 1 h."""
    terms = line(increment_minutes=30, increment_mode="down", increment_per="day")
    assert sum(hours(run([entry(key, "0.333333") for key in "abc"], terms)).values()) == 1


def test_each_workers_day_on_each_line_is_rounded_alone() -> None:
    terms = line(increment_minutes=60, increment_mode="up", increment_per="day")
    rows = [entry("a", "0.5"), entry("b", "0.5", worker="W2"), entry("c", "0.5", work_date=date(2026, 2, 3))]
    assert set(hours(run(rows, terms)).values()) == {D(1)}


def test_a_minimum_tops_up_after_the_increment_and_only_days_with_work() -> None:
    """0.2 up to 0.5, then to 4: the last entry gets 4 − 0.5 = 3.5 more. A day of no hours stays at nothing."""
    terms = line(increment_minutes=30, increment_mode="up", increment_per="entry", minimum_hours_per_day=D(4))
    rows = [entry("a", "0.2"), entry("b", "0.2"), entry("z", "0", work_date=date(2026, 2, 3))]
    result = run(rows, terms)
    assert hours(result) == {"a": D("0.5"), "b": D("3.5"), "z": D(0)}
    assert result.events["worked_hours"].sum() == D("0.4")


def test_lines_without_an_increment_bill_what_was_worked() -> None:
    for minutes in (None, 0):
        assert hours(run([entry("a", "7.333333")], line(increment_minutes=minutes))) == {"a": D("7.333333")}


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("8 8 8 8 8 4", 44 * 100 + 4 * 50),  # weekly: 4 over 40
        ("10 10 10 10", 40 * 100 + 8 * 50),  # daily: 4 × 2; 32 regular, none weekly
        ("12 12 12 12 12", 60 * 100 + 20 * 50),  # daily 5 × 4 = 20, regular 40: none weekly
        ("9 9 9 9 9 9", 54 * 100 + (6 + 8) * 50),  # daily 6 × 1; regular 48, weekly 8
    ],
)
def test_daily_before_weekly_and_no_hour_twice(days: str, expected: int) -> None:
    rows = [entry(f"e{i}", h, work_date=MONDAY + timedelta(days=i)) for i, h in enumerate(days.split())]
    terms = overtime(overtime_daily_after=D(8), overtime_weekly_after=D(40))
    assert sum(amounts(run(rows, terms, rates=HUNDRED)).values()) == expected


@pytest.mark.parametrize(
    ("hours_and_price", "straight", "total"),
    [
        ("46 12", 552, "588"),  # 29 CFR 778.110(a): 46 × 12 + 6 × 6
        ("46 13", 598, "637"),  # 29 CFR 778.110(b): regular rate (552 + 46) ÷ 46 = 13; 46 × 13 + 6 × 6.50
        ("46 6.20", "285.20", "303.80"),  # 778.110(b) of 1981: (276 + 9.20) ÷ 46 = 6.20; + 6 × 3.10
        ("50 10.46", 523, "575.30"),  # 29 CFR 778.111(a): 523 ÷ 50 = 10.46; + 10 × 5.23
    ],
)
def test_published_overtime(hours_and_price: str, straight: object, total: str) -> None:
    """Truth T021, T022, T023, T057: one week, overtime after 40 at one and a half of the regular rate."""
    worked, price = hours_and_price.split()
    first, rest = entry("a", "24"), D(worked) - 24
    rows = [first, entry("b", str(rest / 2), work_date=date(2026, 2, 3)),
            entry("c", str(rest / 2), work_date=date(2026, 2, 4))]  # fmt: skip
    without = run(rows, line(), rates=[rate(price)])
    assert sum(amounts(without).values()) == D(str(straight))
    assert sum(amounts(run(rows, overtime(overtime_weekly_after=D(40)), rates=[rate(price)])).values()) == D(
        total
    )


def test_overtime_by_the_basis_of_work_leaves_what_the_minimum_adds_regular() -> None:
    """7 worked, topped up to 10: by work nothing is over 8; by bill 2 hours are."""
    for basis, expected in (("work", 1000), ("bill", 1100)):
        terms = line(overtime_multiplier=D("1.5"), overtime_basis=basis, overtime_daily_after=D(8),
                     minimum_hours_per_day=D(10))  # fmt: skip
        assert sum(amounts(run([entry("a", "7")], terms, rates=HUNDRED)).values()) == expected


def test_by_the_basis_of_work_non_billable_hours_count_towards_overtime_and_cost_nothing() -> None:
    """4 non-billable, then 6 billable on one day: 2 of the 6 are over 8, 4 × 100 + 2 × 150 = 700; by bill 600."""
    day = [entry("a", "4", billable=False), entry("b", "6")]
    for basis, expected in (("work", 700), ("bill", 600)):
        terms = line(overtime_multiplier=D("1.5"), overtime_basis=basis, overtime_daily_after=D(8))
        assert amounts(run(day, terms, rates=HUNDRED)) == {"b": D(expected)}


def test_all_hours_of_a_day_that_policy_or_line_names_are_premium_once() -> None:
    """Saturday 10 h at 1.5: 10 × 150 = 1,500, though 2 of them are also over 8; they stay out of the weekly count."""
    saturday = [entry("s", "10", work_date=SATURDAY)]
    by_policy = RatingPolicies(overtime_day_types=("weekend",))
    terms = overtime(overtime_daily_after=D(8), overtime_weekly_after=D(40))
    assert amounts(run(saturday, terms, rates=HUNDRED, policies=by_policy)) == {"s": D(1500)}
    by_line = overtime(overtime_day_types=["weekend", "holiday"])
    assert amounts(run(saturday, by_line, rates=HUNDRED)) == {"s": D(1500)}
    off = overtime(overtime_day_types=[])
    assert amounts(run(saturday, off, rates=HUNDRED, policies=by_policy)) == {"s": D(1000)}
    week = [entry(f"d{i}", "8", work_date=MONDAY + timedelta(days=i)) for i in range(5)] + saturday
    assert sum(amounts(run(week, terms, rates=HUNDRED, policies=by_policy)).values()) == 4000 + 1500


def test_a_holiday_of_the_entitys_calendar_is_one_for_that_entity_only() -> None:
    """Monday is a holiday of US01: 8 × 150; for DE01 it is a weekday: 8 × 100."""
    calendar = lookups(holidays=[{"entity": "US01", "day": MONDAY}])
    for entity, expected in (("US01", 1200), ("DE01", 800)):
        terms = overtime(overtime_day_types=["holiday"], entity=entity)
        assert amounts(run([entry("a")], terms, rates=HUNDRED, found=calendar)) == {"a": D(expected)}


def test_the_weekend_is_the_days_that_policy_names() -> None:
    friday = entry("f", work_date=date(2026, 2, 6))
    policies = RatingPolicies(weekend=("friday", "saturday"), overtime_day_types=("weekend",))
    assert amounts(run([friday], overtime(), rates=HUNDRED, policies=policies)) == {"f": D(1200)}


def test_worked_hours_are_never_changed_by_what_is_billed() -> None:
    terms = overtime(increment_minutes=60, increment_mode="up", increment_per="day", minimum_hours_per_day=D(6),
                     overtime_daily_after=D(4))  # fmt: skip
    result = run([entry("a", "1.2"), entry("b", "2.9")], terms)
    assert result.events.select("worked_hours", "billable_hours").rows() == [
        (D("1.2"), D("1.2")), (D("2.9"), D("4.8")),
    ]  # fmt: skip
