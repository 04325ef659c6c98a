"""Running totals rounded once, and periods around an anchor, against the rule written plainly."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import few
from tieout.domain.billing.amounts import WHOLE, halves_away, rounded_parts
from tieout.domain.billing.periods import MONTHS, with_periods
from tieout.model.money import minor_unit, round_to_minor

D = Decimal
LARGEST = 75 * 10**36
"""Three of these are beyond 128 bits: a running total over several groups passes the end of the number line."""


@few
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-(10**9), 10**9)), max_size=25),
    st.integers(1, 10**6), st.sampled_from(["USD", "JPY", "KWD"]),
)  # fmt: skip
def test_parts_of_a_group_are_differences_of_its_rounded_running_total(
    facts: list[tuple[str, int]], below: int, currency: str
) -> None:
    rows = pl.DataFrame(
        {"g": [g for g, _ in facts], "n": list(range(len(facts))), "currency": [currency] * len(facts),
         "a": pl.Series([a for _, a in facts], dtype=WHOLE), "b": pl.Series([below] * len(facts), dtype=WHOLE)},
        schema_overrides={"g": pl.String, "n": pl.Int64, "currency": pl.String},
    )  # fmt: skip
    got = dict(rounded_parts(rows, above="a", below="b", by=["g"]).select("n", "amount").iter_rows())
    for group in "abc":
        running, booked = 0, D(0)
        for number, (name, above) in enumerate(facts):
            if name == group:
                running += above
                whole = round_to_minor(D(running) / below * D(1).scaleb(-minor_unit(currency)), currency)
                assert got[number] == whole - booked
                booked = whole


def test_one_groups_size_does_not_disturb_another() -> None:
    rows = pl.DataFrame({"g": ["a", "b", "c", "d"], "currency": ["USD"] * 4}).with_columns(
        pl.Series("a", [LARGEST, LARGEST, LARGEST, 250], dtype=WHOLE),
        pl.Series("b", [10**30, 10**30, 10**30, 100], dtype=WHOLE),
    )
    expected = [750000, 750000, 750000, D("0.03")]
    assert rounded_parts(rows, above="a", below="b", by=["g"])["amount"].to_list() == expected


@pytest.mark.parametrize(("above", "expected"), [(5, 1), (-5, -1), (4, 0), (-4, 0), (15, 2), (-15, -2)])
def test_a_half_is_rounded_away_from_zero(above: int, expected: int) -> None:
    df = pl.DataFrame({"a": pl.Series([above], dtype=WHOLE), "b": pl.Series([10], dtype=WHOLE)})
    assert df.select(halves_away(pl.col("a"), pl.col("b"))).item() == expected


def beginning(anchor: date, months: int) -> date:
    index = anchor.year * 12 + anchor.month - 1 + months
    length = calendar.monthrange(index // 12, index % 12 + 1)[1]
    return date(index // 12, index % 12 + 1, min(anchor.day, length))


@few
@given(st.integers(0, 1500), st.sampled_from(sorted(MONTHS)), st.integers(0, 1500), st.integers(0, 900))
def test_periods_cover_every_day_once_and_begin_on_the_anchors_day(
    anchored: int, every: str, start: int, length: int
) -> None:
    anchor, first = (date(2023, 1, 1) + timedelta(days=n) for n in (anchored, start))
    last = first + timedelta(days=length)
    row = pl.DataFrame({"every": [every], "anchor": [anchor], "first": [first], "last": [last]})
    got = with_periods(row, first="first", last="last").select("period_start", "period_end").rows()
    assert got[0][0] <= first <= got[0][1]
    assert got[-1][0] <= last <= got[-1][1]
    for (_, end), (begin, _) in pairwise(got):
        assert begin == end + timedelta(days=1)
    months = MONTHS[every]
    expected = {beginning(anchor, months * n) for n in range(-200, 200)}
    assert {begin for begin, _ in got} <= expected
