"""Readings of several sources: agreement, what is held, by date or by whole period; domain rules §2.13."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import day, few, kinds, table
from tieout.domain.billing import Reconciled, UsagePolicies, reconcile_usage
from tieout.domain.frames import METER_SOURCES, USAGE_READINGS, USAGE_TERMS, empty

D = Decimal
PLAIN = UsagePolicies()


def reconciled(
    *readings: tuple[Any, ...], through: str = "2026-12-31", policies: UsagePolicies = PLAIN, **more: Any
) -> Reconciled:
    """`readings`: (source, day, quantity) or with a meter."""
    rows = [{"reading": f"r{n}", "source": r[0], "day": r[1], "quantity": r[2], "meter": r[3] if len(r) > 3 else "m"}
            for n, r in enumerate(readings)]  # fmt: skip
    terms = {"effective_from": "2026-01-01", "start": "2026-01-10", "end": "2026-06-20", "every": "month"}
    sources = more.get("sources")
    return reconcile_usage(
        table(USAGE_READINGS, rows), table(USAGE_TERMS, [terms | more.get("terms", {})]),
        empty(METER_SOURCES) if sources is None else table(METER_SOURCES, [{"meter": "m", "source": s} for s in sources]),
        through=day(through), policies=policies)  # fmt: skip


def used(got: Reconciled) -> list[tuple[str, str, str, Decimal]]:
    return [(str(a), str(b), str(c), q) for a, b, c, q in
            got.used.select("period_start", "period_end", "due_on", "quantity").iter_rows()]  # fmt: skip


def places(got: Reconciled) -> dict[str, str]:
    return dict(got.placed.select("reading", "place").iter_rows())


def test_sources_that_agree_give_one_quantity_per_period_cut_by_the_line() -> None:
    got = reconciled(
        ("a", "2026-01-15", 10), ("a", "2026-01-20", 5), ("b", "2026-01-31", 15), ("a", "2026-02-01", 7)
    )
    assert used(got) == [
        ("2026-01-10", "2026-01-31", "2026-01-31", 15),
        ("2026-02-01", "2026-02-28", "2026-02-01", 7),
    ]
    assert got.findings.is_empty()


def test_sources_that_differ_hold_that_usage_only() -> None:
    got = reconciled(("a", "2026-01-15", 10), ("b", "2026-01-16", 12), ("a", "2026-02-01", 7))
    assert used(got) == [("2026-02-01", "2026-02-28", "2026-02-01", 7)]
    assert got.findings.select("kind", "record", "seen").rows() == [
        ("usage-mismatch", "C-1/1/m/2026-01-10", "2026-01-10 to 2026-01-31: a 10, b 12")]  # fmt: skip
    assert got.waiting["quantity"].to_list() == [12]
    assert places(got) == {"r0": "disputed", "r1": "disputed", "r2": "reconciled"}


@pytest.mark.parametrize(
    ("policies", "quantity"),
    [
        (UsagePolicies(tolerance=D(2)), 98), (UsagePolicies(tolerance_share=D("0.02"), charged="highest"), 100),
        (UsagePolicies(tolerance=D(2), charged="preferred", preferred=("b",)), 100),
        (UsagePolicies(tolerance=D("1.9")), None), (UsagePolicies(tolerance_share=D("0.019")), None),
    ],
)  # fmt: skip
def test_within_the_tolerance_the_policy_says_whose_quantity_is_charged(
    policies: UsagePolicies, quantity: int | None
) -> None:
    got = reconciled(("a", "2026-01-15", 98), ("b", "2026-01-16", 100), policies=policies)
    assert got.used["quantity"].to_list() == ([] if quantity is None else [quantity])


def test_an_expected_source_that_is_silent_says_zero() -> None:
    got = reconciled(("a", "2026-01-15", 10), sources=["a", "b"])
    assert kinds(got.findings) == ["usage-mismatch"]
    assert used(reconciled(("a", "2026-01-15", 10), ("b", "2026-01-15", 10), sources=["a", "b"]))[0][3] == 10


def test_meters_of_a_line_add_up_and_one_in_dispute_holds_them_all() -> None:
    agree = [("a", "2026-01-15", 10, "x"), ("a", "2026-01-15", 5, "y")]
    assert used(reconciled(*agree))[0][3] == 15
    got = reconciled(*agree, ("b", "2026-01-15", 6, "y"))
    assert got.used.is_empty()
    assert got.findings.height == 1


def test_readings_count_by_their_date_or_when_their_period_is_over() -> None:
    readings = [("a", "2026-01-15", 10), ("a", "2026-01-25", 5)]
    assert used(reconciled(*readings, through="2026-01-20")) == [
        ("2026-01-10", "2026-01-31", "2026-01-15", 10)
    ]
    whole = UsagePolicies(whole_periods=True)
    early = reconciled(*readings, through="2026-01-20", policies=whole)
    assert early.used.is_empty()
    assert early.waiting["quantity"].to_list() == [10]
    assert used(reconciled(*readings, through="2026-01-31", policies=whole)) == [
        ("2026-01-10", "2026-01-31", "2026-01-31", 15)]  # fmt: skip


@pytest.mark.parametrize(
    ("reading", "kind"),
    [
        (("a", "2026-01-09", 1), "outside-contract"), (("a", "2026-06-21", 1), "outside-contract"),
        (("a", "2026-01-15", -1), "implausible-quantity"), (("a", None, 1), "invalid-payload"),
    ],
)  # fmt: skip
def test_a_bad_reading_is_named_and_the_others_go_on(reading: tuple[Any, ...], kind: str) -> None:
    got = reconciled(reading, ("a", "2026-01-20", 4))
    assert kind in kinds(got.findings)
    assert got.used["quantity"].to_list() == [4]
    assert places(got) == {"r0": "refused", "r1": "reconciled"}


@few
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 28), st.integers(-2, 40), st.sampled_from("xy")), max_size=20),
    st.integers(1, 28), st.integers(0, 30), st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_reading_has_one_place_whatever_the_order(
    facts: list[tuple[str, int, int, str]], through: int, tolerance: int, rng: random.Random
) -> None:
    rows = [{"reading": f"r{n:02}", "source": s, "day": f"2026-02-{d:02}", "quantity": q, "meter": m}
            for n, (s, d, q, m) in enumerate(facts)]  # fmt: skip
    terms = table(USAGE_TERMS, [{"effective_from": "2026-01-01", "every": "month"}])
    policies = UsagePolicies(tolerance=D(tolerance))

    def run() -> Reconciled:
        return reconcile_usage(table(USAGE_READINGS, rows), terms, empty(METER_SOURCES),
                               through=day(f"2026-02-{through:02}"), policies=policies)  # fmt: skip

    first = run()
    rng.shuffle(rows)
    again = run()
    assert all(vars(again)[name].equals(vars(first)[name]) for name in vars(first))
    spoken = {m: {s: sum(q for s2, d, q, m2 in facts if (s2, m2) == (s, m) and d <= through and q >= 0)
                  for s in {s for s, d, q, m2 in facts if m2 == m and d <= through and q >= 0}} for m in "xy"}  # fmt: skip
    agreed = all(max(v.values()) - min(v.values()) <= tolerance for v in spoken.values() if v)
    total = sum(min(v.values()) for v in spoken.values() if v)
    charged = first.used["quantity"].to_list()
    assert charged == ([total] if agreed and any(spoken.values()) else [])
