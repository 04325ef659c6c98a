"""What holds for every contract, whatever its terms, changes and facts: found by Hypothesis."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.revenue.cases import Case, day
from tieout.domain.frames import LINE_REVENUE, empty, frame
from tieout.domain.revenue import Recognition, unbooked
from tieout.domain.revenue.shares import largest_remainder, portion, scale
from tieout.model.money import allocate, minor_unit, round_to_minor

D = Decimal
CURRENCIES = ("USD", "JPY", "KWD")
ENDS = [day(m + 1, 1) - timedelta(days=1) for m in range(1, 12)] + [day(12, 31)]
few = settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def money(currency: str, low: int = 0, high: int = 10**9) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: D(n).scaleb(-minor_unit(currency)))


@st.composite
def lines(draw: st.DrawFn, currency: str, number: int) -> dict[str, Any]:
    method = draw(
        st.sampled_from(
            ["units", "cost_to_cost", "labor_hours", "straight_line", "point_in_time", "milestone"]
        )
    )
    row: dict[str, Any] = {
        "line": str(number), "method": method, "price": draw(money(currency)), "ssp": draw(money(currency)),
    }  # fmt: skip
    if method in ("units", "cost_to_cost", "labor_hours"):
        row["estimate"] = D(draw(st.integers(1, 10**5)))
    if method in ("straight_line", "point_in_time"):
        first = day(1, 1) + timedelta(days=draw(st.integers(0, 200)))
        row |= {"start": first, "end": first + timedelta(days=draw(st.integers(0, 160))),
                "basis": draw(st.sampled_from(["daily", "monthly"]))}  # fmt: skip
    if method == "milestone":
        row["weights"] = {"a": draw(st.integers(1, 9)), "b": draw(st.integers(1, 9))}
    return row


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to three obligations, two changes, readings, milestones and a variable amount with re-estimates."""
    currency = draw(st.sampled_from(CURRENCIES))
    case = Case(currency=currency, allocation=draw(st.sampled_from(["ssp", "stated"])))
    held = [draw(lines(currency, n)) for n in range(1, draw(st.integers(1, 3)) + 1)]
    case.signed(*map(dict, held))
    for n in range(draw(st.integers(0, 2))):
        action = draw(st.sampled_from(["price", "add", "end", "estimate"]))
        if action == "add":
            held = [*held, draw(lines(currency, len(held) + 1 + n))]
        elif action == "end":
            held = held[1:]
        elif action == "price" and held:
            held = [held[0] | {"price": draw(money(currency))}, *held[1:]]
        terms: dict[str, Any] = {
            "treatment": draw(st.sampled_from(["auto", "separate", "prospective", "cumulative"]))
        }
        if draw(st.booleans()):
            terms["price"] = draw(money(currency))
        case.change(day(3 + 4 * n, draw(st.integers(1, 30))), *map(dict, held), **terms)
    for on in sorted(draw(st.sets(st.integers(0, 364), max_size=5))):
        line = str(draw(st.integers(1, 3)))
        done = draw(st.integers(0, 10**5))
        case.read(day(1, 1) + timedelta(days=on), line, cost=done, hours=done, units=done,
                  uninstalled_cost=draw(st.sampled_from([0, done // 3])))  # fmt: skip
    for milestone in draw(st.sets(st.sampled_from(["a", "b"]))):
        case.accept(
            day(1, 1) + timedelta(days=draw(st.integers(0, 364))), milestone, str(draw(st.integers(1, 3)))
        )
    for on in sorted(draw(st.sets(st.integers(0, 364), max_size=3))):
        case.estimate(day(1, 1) + timedelta(days=on), draw(money(currency, -(10**6), 10**6)))
    return case


def together(found: list[Case]) -> Case:
    """All contracts in one run, C-0, C-1, …: what holds of them there holds of each (last property)."""
    both = Case()
    for number, case in enumerate(found):
        for kind in ("terms", "promises", "planned", "reached", "readings", "variable"):
            for row in getattr(case, kind):
                named = {k: f"C-{number}" for k in ("unit", "contract") if k in row}
                getattr(both, kind).append(row | named)
    return both


def run(case: Case, *days: date) -> Recognition:
    return case.recognised(*days, contracts=sorted({t["unit"] for t in case.terms}))


portfolios = st.lists(cases(), min_size=8, max_size=8).map(together)


@few
@given(portfolios)
def test_prices_of_all_obligations_add_up_to_the_price_of_the_contract(case: Case) -> None:
    """Σ allocated = what the contract or its lines state + the latest estimate, whatever the treatment.

    Where a line was ended it keeps what it earned; then the price must be stated for the whole contract.
    """
    rows = run(case, *ENDS).to_date
    for unit in sorted({t["unit"] for t in case.terms}):
        terms = [t for t in case.terms if t["unit"] == unit]
        promises = [p for p in case.promises if p["unit"] == unit]
        for on in (ENDS[0], ENDS[-1]):
            last = [t for t in terms if t["effective_on"] <= on][-1]
            lines_now = {p["line"]: p["price"] for p in promises if p["change"] == last["change"]}
            ever = {p["line"] for p in promises if p["change"] <= last["change"]}
            before = [t for t in terms if t.get("price") is not None and t["change"] < last["change"]]
            if last.get("price") is None and (before or ever != set(lines_now)):
                continue
            fixed = last["price"] if last.get("price") is not None else sum(lines_now.values(), D(0))
            estimates = [v["amount"] for v in case.variable if v["unit"] == unit and v["day"] <= on]
            allocated = rows.filter((pl.col("day") == on) & (pl.col("unit") == unit))["allocated_price"].sum()
            assert allocated == fixed + (estimates[-1] if estimates else 0)


@few
@given(portfolios)
def test_revenue_is_in_the_minor_unit_and_within_the_price_of_an_unchanged_contract(case: Case) -> None:
    changed = {t["unit"] for t in case.terms if t["change"] > 0}
    for row in run(case, *ENDS).to_date.iter_rows(named=True):
        assert row["revenue"] == round_to_minor(row["revenue"], row["currency"])
        assert D(0) <= row["percent_complete"] <= D(1)
        if row["unit"] not in changed and row["allocated_price"] >= 0:
            assert D(0) <= row["revenue"] <= row["allocated_price"]


@few
@given(portfolios, st.randoms(use_true_random=False))
def test_the_order_in_which_facts_arrive_does_not_matter(case: Case, order: random.Random) -> None:
    before = run(case, *ENDS)
    for rows in (case.promises, case.readings, case.reached, case.planned, case.variable, case.terms):
        order.shuffle(rows)
    after = run(case, *ENDS)
    assert after.to_date.equals(before.to_date)
    assert sorted(after.findings.rows()) == sorted(before.findings.rows())


@few
@given(portfolios, st.sets(st.sampled_from(ENDS)))
def test_other_days_book_the_same_totals_and_a_second_run_adds_nothing(case: Case, days: set[date]) -> None:
    """One run at year end and some month ends, then at all month ends: the books as if it had been one run."""
    some, every = run(case, *days, ENDS[-1]).to_date, run(case, *ENDS).to_date
    first = unbooked(some, empty(LINE_REVENUE))
    assert unbooked(some, first).is_empty()
    booked = pl.concat([first, unbooked(every, first)])
    whole = unbooked(every, empty(LINE_REVENUE))
    for on in ENDS:
        assert _sums(booked, on) == _sums(whole, on)


def _sums(rows: pl.DataFrame, on: date) -> set[tuple[Any, ...]]:
    sums = rows.filter(pl.col("event_date") <= on).group_by("unit", "line").agg(pl.col("amount").sum())
    return set(sums.filter(pl.col("amount") != 0).rows())


@few
@given(st.lists(cases(), min_size=2, max_size=3))
def test_contracts_in_one_run_are_as_each_alone(found: list[Case]) -> None:
    rows = run(together(found), *ENDS).to_date
    alone = [case.recognised(*ENDS).to_date["revenue"].to_list() for case in found]
    assert [rows.filter(pl.col("unit") == f"C-{n}")["revenue"].to_list() for n in range(len(found))] == alone


@settings(few, max_examples=40)
@given(st.data())
def test_shares_in_frames_are_the_shares_of_the_model(data: st.DataObject) -> None:
    """Largest remainder on 128-bit integers = `model.money.allocate` on decimals, up to 10¹² units."""
    currency = data.draw(st.sampled_from(CURRENCIES))
    total = data.draw(money(currency, -(10**14), 10**14))
    weights = data.draw(st.lists(money("USD", 0, 10**12), min_size=1, max_size=6).filter(any))
    rows = pl.DataFrame(
        {"g": [1] * len(weights), "currency": [currency] * len(weights), "total": [total] * len(weights),
         "weight": weights},
        schema={"g": pl.Int64, "currency": pl.String, "total": pl.Decimal(20, 4), "weight": pl.Decimal(20, 4)},
    )  # fmt: skip
    got = largest_remainder(rows, total="total", weight="weight", by=["g"], share="share")["share"].to_list()
    assert got == allocate(total, weights, currency)
    part, of = weights[0], sum(weights, D(0))
    value = rows.select(portion(pl.col("total"), pl.lit(part), pl.lit(of), scale(rows)).alias("p"))["p"][0]
    assert value == round_to_minor(total * part / of, currency)


def test_an_empty_run_is_empty() -> None:
    case = Case()
    assert case.recognised(day(1, 31)).to_date.is_empty()
    assert frame([], LINE_REVENUE).is_empty()
