"""Fees of periods are earned day by day, prepaid hours as they are drawn: nothing more than the fee, nothing early."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tieout.domain.frames import FEE_CREDITS, PERIOD_FEES, REVENUE_STEPS, frame
from tieout.domain.revenue import earn_periods, give_up

D = Decimal
KEY = {"contract": "C-1", "line": "1", "currency": "USD"}


def fee(first: date, last: date, amount: str) -> dict[str, Any]:
    return KEY | {
        "charge": f"{first}",
        "first_day": first,
        "last_day": last,
        "since": None,
        "amount": D(amount),
    }


def earned(fees: list[Any], steps: list[Any], *days: date) -> list[Decimal]:
    grid = pl.DataFrame({"contract": ["C-1"] * len(days), "day": list(days)})
    result = earn_periods(frame(fees, PERIOD_FEES), frame(steps, REVENUE_STEPS), grid)
    return result["revenue"].to_list()


def test_a_month_is_earned_by_its_days() -> None:
    month = fee(date(2026, 1, 1), date(2026, 1, 31), "3100")
    days = (date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 10), date(2026, 1, 31), date(2026, 2, 1))
    assert earned([month], [], *days) == [D(0), D(100), D(1000), D(3100), D(3100)]


def test_a_fee_that_does_not_divide_is_rounded_once_as_a_running_total() -> None:
    third = fee(date(2026, 1, 1), date(2026, 1, 3), "100")
    days = [date(2026, 1, n) for n in (1, 2, 3)]
    assert earned([third], [], *days) == [D("33.33"), D("66.67"), D(100)]


def test_what_is_drawn_is_earned_on_its_day() -> None:
    steps = [
        KEY | {"day": date(2026, 1, 5), "amount": D(1400)},
        KEY | {"day": date(2026, 1, 31), "amount": D(600)},
    ]
    assert earned([], steps, date(2026, 1, 4), date(2026, 1, 5), date(2026, 1, 31)) == [
        D(0),
        D(1400),
        D(2000),
    ]


def test_no_fees_earn_nothing() -> None:
    assert earned([], [], date(2026, 1, 1)) == []


@given(st.integers(1, 400), st.integers(0, 10**11).map(lambda cents: D(cents) / 100), st.integers(0, 500))
def test_never_more_than_the_fee_and_never_less_than_before(length: int, amount: Decimal, day: int) -> None:
    first = date(2026, 1, 1)
    one = fee(first, first + timedelta(days=length - 1), str(amount))
    before, now = earned([one], [], first + timedelta(days=day), first + timedelta(days=day + 1))
    assert 0 <= before <= now <= amount
    if day >= length - 1:
        assert before == amount


def conceded(kind: str, day: date, amount: str) -> dict[str, Any]:
    return {"charge": "2026-01-01", "kind": kind, "day": day, "amount": D(amount)}


def test_what_is_given_up_of_a_fee_leaves_its_price_whatever_the_kind_and_day() -> None:
    """31.00 for 31 days; 3.10 conceded on the 10th: 9.00; cancelled: 10.00 stay; both and 30.00 more: nothing is left."""
    month = fee(date(2026, 1, 1), date(2026, 1, 31), "31")
    tenth, last = date(2026, 1, 10), date(2026, 1, 31)
    for credits, on_the_tenth, in_the_end in (
        ([conceded("concession", tenth, "3.10")], "9", "27.90"),
        ([conceded("cancellation", tenth, "3.10")], "10", "27.90"),
        ([conceded("cancellation", tenth, "25")], "6", "6"),
        ([conceded("concession", tenth, "3.10"), conceded("cancellation", tenth, "27.90")], "0", "0"),
        ([conceded("concession", last, "3.10")], "10", "27.90"),
        ([conceded("cancellation", date(2025, 12, 1), "3.10")], "9", "27.90"),
    ):
        fees, steps = give_up(frame([month], PERIOD_FEES), frame(credits, FEE_CREDITS))
        grid = pl.DataFrame({"contract": ["C-1"] * 2, "day": [tenth, last]})
        told = earn_periods(fees, steps, grid)["revenue"].to_list()
        assert told == [D(on_the_tenth), D(in_the_end)], credits
