"""Retainers: drawdown, rollover with cap and expiry, overage; the roll-forward closes; domain rules §3."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import day, due, few, kinds, table
from tieout.domain.billing import Drawn, draw_retainers, retainer_fees
from tieout.domain.frames import RETAINER_DRAWS, RETAINER_TERMS

D = Decimal
BASE: dict[str, Any] = {
    "effective_from": "2026-01-01", "start": "2026-01-01", "kind": "hours", "every": "month", "timing": "advance",
    "proration": "daily", "price": 1000, "rollover": "none", "overage": "bill",
}  # fmt: skip


def drawn(*draws: tuple[str, Any, Any], through: str = "2026-04-30", **terms: Any) -> Drawn:
    """`draws`: (day, hours, value)."""
    rows = [{"draw": f"e{n}", "day": d, "quantity": q, "amount": a} for n, (d, q, a) in enumerate(draws)]
    return draw_retainers(
        table(RETAINER_TERMS, [BASE | terms]), table(RETAINER_DRAWS, rows), through=day(through)
    )


def rolled(got: Drawn) -> list[tuple[Decimal, ...]]:
    """(opening, fee, drawn, expired, closing) of each period."""
    names = ["opening_amount", "fee_amount", "drawn_amount", "expired_amount", "closing_amount"]
    return got.periods.select(names).rows()


def test_fees_are_due_at_the_beginning_of_each_period() -> None:
    got = retainer_fees(table(RETAINER_TERMS, [BASE]), through=day("2026-02-01"))
    assert due(got.charges) == [("2026-01-01", 1000), ("2026-02-01", 1000)]
    assert got.charges["kind"].unique().to_list() == ["retainer"]


def test_work_draws_the_balance_and_the_draw_that_crosses_is_split_by_value() -> None:
    """1,000 prepaid; 800 and 600 for 6 h: 200 covered of the second (2 h), 400 over (4 h), due on 31 January."""
    got = drawn(("2026-01-20", 6, 600), ("2026-01-10", 8, 800), through="2026-01-31")
    assert got.split.select("draw", "covered_quantity", "covered_amount", "over_quantity", "over_amount").sort(
        "draw").rows() == [("e0", 2, 200, 4, 400), ("e1", 8, 800, 0, 0)]  # fmt: skip
    assert got.split.filter(got.split["over_amount"] > 0).select("overage", "due_on").rows() == [
        ("bill", day("2026-01-31"))]  # fmt: skip
    assert rolled(got) == [(0, 1000, 1000, 0, 0)]


def test_without_rollover_the_rest_expires_at_the_end_of_its_period_not_before() -> None:
    work = ("2026-01-10", 3, 300)
    assert rolled(drawn(work, through="2026-01-30")) == [(0, 1000, 300, 0, 700)]
    assert rolled(drawn(work, through="2026-01-31")) == [(0, 1000, 300, 700, 0)]


def test_everything_rolls_over_until_the_line_ends() -> None:
    """700 left of January roll into February: 1,700 less 1,200 is 500, which expires with the line."""
    got = drawn(("2026-01-10", 3, 300), ("2026-02-10", 12, 1200), rollover="all", end="2026-02-28")
    assert rolled(got) == [(0, 1000, 300, 0, 700), (700, 1000, 1200, 500, 0)]
    assert got.split["over_amount"].sum() == 0


def test_a_rollover_of_one_period_draws_the_older_fee_first_and_then_lets_it_expire() -> None:
    """January 1,000 rolls into February, which draws 400: of January 600 expire, February's 1,000 roll on."""
    got = drawn(("2026-02-10", 4, 400), rollover="periods", rollover_periods=1, through="2026-03-31")
    assert rolled(got) == [(0, 1000, 0, 0, 1000), (1000, 1000, 400, 600, 1000), (1000, 1000, 0, 1000, 1000)]


def test_a_rollover_cap_lets_the_oldest_part_above_it_expire() -> None:
    got = drawn(("2026-01-10", 1, 100), rollover="all", rollover_cap=1500, through="2026-02-28")
    assert rolled(got) == [(0, 1000, 100, 0, 900), (900, 1000, 0, 400, 1500)]


def test_overage_can_be_held() -> None:
    got = drawn(("2026-01-10", 12, 1200), overage="hold", through="2026-01-15")
    assert got.split.select("over_amount", "overage").rows() == [(200, "hold")]


def test_an_availability_retainer_covers_all_work_and_has_no_balance() -> None:
    got = drawn(("2026-01-10", 99, 9900), kind="availability", rollover=None, overage=None)
    assert got.split.select("covered_amount", "over_amount").rows() == [(9900, 0)]
    assert got.periods.is_empty()


def test_a_security_retainer_covers_nothing_and_its_balance_stands() -> None:
    got = drawn(("2026-01-10", 9, 900), kind="security", rollover=None, overage=None, through="2026-02-01")
    assert got.split.select("covered_amount", "over_amount", "overage").rows() == [(0, 900, "bill")]
    assert rolled(got) == [(0, 1000, 0, 0, 1000), (1000, 1000, 0, 0, 2000)]


def test_a_fee_that_changes_later_in_the_running_period_does_not_end_it_early() -> None:
    """April half at 1,000, half at 2,000: 500 + 1,000; on the 15th nothing has expired yet."""
    rows = [BASE | {"effective_from": "2026-04-01", "start": "2026-04-01", "effective_to": "2026-04-15"},
            BASE | {"effective_from": "2026-04-16", "start": "2026-04-01", "price": 2000}]  # fmt: skip
    work = table(RETAINER_DRAWS, [{"draw": "e", "day": "2026-04-02", "quantity": 1, "amount": 100}])
    got = draw_retainers(table(RETAINER_TERMS, rows), work, through=day("2026-04-15"))
    assert rolled(got) == [(0, 1500, 100, 0, 1400)]
    assert got.periods["period_end"].to_list() == [day("2026-04-30")]


@pytest.mark.parametrize(
    ("terms", "work", "kind"),
    [
        ({"kind": "gold"}, ("2026-01-10", 1, 1), "invalid-contract"), ({"rollover": "some"}, ("2026-01-10", 1, 1),
         "invalid-contract"), ({"rollover": "periods"}, ("2026-01-10", 1, 1), "invalid-contract"),
        ({"overage": None}, ("2026-01-10", 1, 1), "invalid-contract"), ({"currency": "ZZZ"}, ("2026-01-10", 1, 1),
         "unknown-currency"), ({}, ("2025-12-31", 1, 1), "outside-contract"),
        ({"end": "2026-01-20"}, ("2026-02-10", 1, 1), "outside-contract"),
        ({}, ("2026-01-10", -1, 1), "implausible-quantity"), ({}, ("2026-01-10", 1, None), "missing-rate"),
    ],
)  # fmt: skip
def test_bad_terms_and_bad_work_are_named(
    terms: dict[str, Any], work: tuple[str, Any, Any], kind: str
) -> None:
    got = drawn(work, **terms)
    assert kind in kinds(got.findings)
    assert got.split.is_empty()


@few
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 28), st.integers(1, 40), st.integers(0, 2000)), max_size=15),
    st.sampled_from(["none", "all", "periods"]), st.integers(0, 3), st.none() | st.integers(0, 2000),
    st.none() | st.just("2026-05-15"), st.integers(1, 6), st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_roll_forward_closes_and_earlier_periods_stand_whatever_comes_later(
    work: list[tuple[int, int, int, int]], rollover: str, periods: int, cap: int | None, end: str | None, month: int,
    rng: random.Random,
) -> None:  # fmt: skip
    rows = [{"draw": f"e{n:02}", "day": f"2026-{m:02}-{d:02}", "quantity": D(q) / 4, "amount": a}
            for n, (m, d, q, a) in enumerate(work)]  # fmt: skip
    terms = table(RETAINER_TERMS, [BASE | {"rollover": rollover, "rollover_periods": periods, "rollover_cap": cap,
                                           "end": end}])  # fmt: skip
    whole = draw_retainers(terms, table(RETAINER_DRAWS, rows), through=day("2026-06-30"))
    opening = whole.periods["opening_amount"].to_list()
    assert opening == [0, *whole.periods["closing_amount"].to_list()[:-1]]
    assert whole.split["covered_amount"].sum() == whole.periods["drawn_amount"].sum()
    assert min(whole.periods["closing_amount"].to_list()) >= 0
    placed = whole.split["draw"].to_list() + whole.findings["record"].to_list()
    assert sorted(placed) == sorted(row["draw"] for row in rows)
    rng.shuffle(rows)
    assert draw_retainers(terms, table(RETAINER_DRAWS, rows), through=day("2026-06-30")).split.sort("draw").equals(
        whole.split.sort("draw"))  # fmt: skip
    early = draw_retainers(terms, table(RETAINER_DRAWS, rows), through=day(f"2026-{month:02}-28"))
    done = early.periods.filter("ended")
    assert done.equals(whole.periods.head(done.height))
