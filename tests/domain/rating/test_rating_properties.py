"""What holds for any time on any terms: nothing lost, no order matters, slices change nothing, totals by the rule."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.domain.rating.cases import MONDAY, D, entry, fx, line, lookups, rate, run, stored
from tieout.domain.billing import gone_entries, reconcile_events
from tieout.domain.rating import RatingPolicies, RatingResult

few = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
PRICES = [
    rate("133.335"),
    rate("800", role=None, task="daily", unit="day"),
    rate("95.5", role="eur", currency="EUR"),
]
KNOWN = lookups(rates=[fx("EUR/USD", "1.0837"), fx("EUR/USD", "1.1", MONDAY + timedelta(days=9))])
MODES = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "nearest": ROUND_HALF_UP}


@st.composite
def work(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entries of two workers over two weeks on two contracts, in all states, at prices by hour and day."""
    count = draw(st.integers(1, 25))
    return [
        entry(
            f"e{n:02d}", str(D(draw(st.integers(0, 900))) / 100), worker=draw(st.sampled_from(["W1", "W2"])),
            contract=draw(st.sampled_from(["C-1", "C-2"])), work_date=MONDAY + timedelta(days=draw(st.integers(0, 13))),
            task=draw(st.sampled_from(["T-1", "T-1", "daily"])), role=draw(st.sampled_from(["consultant", "eur", "?"])),
            state=draw(st.sampled_from(["approved"] * 5 + ["submitted", "withdrawn"])),
            billable=draw(st.sampled_from([True, True, True, False])),
        )
        for n in range(count)
    ]  # fmt: skip


@st.composite
def terms(draw: st.DrawFn) -> list[dict[str, Any]]:
    stated = {
        "increment_minutes": draw(st.sampled_from([None, 6, 15, 20, 60])),
        "increment_mode": draw(st.sampled_from(["up", "nearest", "down", None])),
        "increment_per": draw(st.sampled_from(["entry", "day", None])),
        "minimum_hours_per_day": draw(st.sampled_from([None, D(2), D(4)])),
        "overtime_daily_after": draw(st.sampled_from([None, D(4), D(8)])),
        "overtime_weekly_after": draw(st.sampled_from([None, D(20), D(40)])),
        "overtime_multiplier": D("1.5"),
        "overtime_basis": draw(st.sampled_from(["bill", "work", None])),
        "overtime_day_types": draw(st.sampled_from([None, ["weekend"], []])),
        "discount": draw(st.sampled_from([None, D("0.05")])),
        "week_start": draw(st.sampled_from([None, "sunday"])),
    }
    return [line(**stated), line(contract="C-2", **stated)]


def rated(entries: list[dict[str, Any]], lines: list[dict[str, Any]]) -> RatingResult:
    return run(entries, *lines, rates=PRICES, found=KNOWN)


def same(one: RatingResult, other: RatingResult) -> bool:
    return all(a.equals(b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@few
@given(work(), terms(), st.integers(0, 9))
def test_every_entry_comes_out_once_in_whatever_order_it_came(
    entries: list[dict[str, Any]], lines: list[dict[str, Any]], seed: int
) -> None:
    first = rated(entries, lines)
    out = [key for frame in vars(first).values() if "version" in frame.columns for key in frame["entry"]]
    assert sorted(out) == [row["entry"] for row in entries]
    assert (first.events["amount"] >= 0).all()
    shuffled = random.Random(seed).sample(entries, len(entries))
    assert same(rated(shuffled, list(reversed(lines))), first)


@few
@given(work(), terms())
def test_rating_in_slices_of_contracts_is_rating_at_once(
    entries: list[dict[str, Any]], lines: list[dict[str, Any]]
) -> None:
    whole = rated(entries, lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tieout.domain.rating.rate.SLICE", 1)
        assert same(rated(entries, lines), whole)


@few
@given(work(), terms())
def test_premium_hours_are_never_more_than_billable_ones_and_the_value_lies_between(
    entries: list[dict[str, Any]], lines: list[dict[str, Any]]
) -> None:
    """Between all regular and all premium hours: multiplier from 1 to 1.5 for a price by the hour."""
    by_hour = rated(entries, lines).events.filter(unit="hour")
    assert by_hour.filter(~by_hour["multiplier"].is_between(1, D("1.5"))).is_empty()


@few
@example([20, 20, 20], 30, "down")
@given(
    st.lists(st.integers(1, 480), min_size=1, max_size=6), st.sampled_from([5, 6, 15, 30, 45]),
    st.sampled_from(sorted(MODES)),
)  # fmt: skip
def test_a_rounded_day_is_what_arithmetic_by_hand_gives(minutes: list[int], step: int, mode: str) -> None:
    """Minutes of the day ÷ step, rounded by the mode, × step ÷ 60 h; entries are whole minutes to six decimals."""
    worked = [(D(m) / 60).quantize(D("0.000001")) for m in minutes]
    rows = [entry(f"e{n}", str(h)) for n, h in enumerate(worked)]
    policies = RatingPolicies(implausible_above_hours=D(48))
    result = run(
        rows, line(increment_minutes=step, increment_mode=mode, increment_per="day"), policies=policies
    )
    steps = int((D(sum(minutes)) / step).quantize(D(1), rounding=MODES[mode]))
    expected = (D(steps * step) / 60).quantize(D("0.000001"), rounding=ROUND_HALF_UP)
    assert result.events["billable_hours"].sum() == expected
    assert (result.events["billable_hours"] >= 0).all()


@few
@given(st.lists(st.integers(1, 799), min_size=1, max_size=6), st.integers(1, 10**6))
def test_a_day_price_is_paid_once_however_many_entries_share_it(hundredths: list[int], cents: int) -> None:
    """Σ amounts = days × price rounded; days = hours ÷ 8 up to halves, at most 1; in whole fractions."""
    rows = [entry(f"e{n}", str(D(h) / 100)) for n, h in enumerate(hundredths)]
    policies = RatingPolicies(implausible_above_hours=D(99))
    price = D(cents) / 100
    result = run(rows, rates=[rate(str(price), unit="day")], policies=policies)
    halves = -(-Fraction(sum(hundredths), 100) / 8 // Fraction(1, 2))
    days = min(Fraction(1), halves * Fraction(1, 2))
    exact = Decimal(days.numerator) * price / days.denominator
    assert result.events["amount"].sum() == exact.quantize(D("0.01"), rounding=ROUND_HALF_UP)
    assert result.events["units"].sum() == D(days.numerator) / days.denominator


@few
@given(work(), terms(), st.booleans())
def test_rating_again_on_its_own_output_changes_nothing(
    entries: list[dict[str, Any]], lines: list[dict[str, Any]], billed: bool
) -> None:
    """Billed or not, by the hour or the day, in a foreign currency or not."""
    first = rated(entries, lines)
    changes = reconcile_events(first.events, stored(first.events, billed), gone_entries(first))
    assert [rows.height for rows in vars(changes).values()] == [0, 0, 0, 0, 0]
