"""Journals in another currency: what leaves a balance leaves at what it is carried at, layers keep their rates."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.domain.frames import CLOSED_PERIODS, EXCHANGE_RATES, HELD_LINES, JOURNAL_LINES, empty, frame
from tieout.domain.subledger import Books, Exchange, NoRate, journal_for_remeasurement
from tieout.model.periods import Calendar

D = Decimal
DAY = date(2026, 3, 2)
HEARD = datetime(2026, 1, 1, tzinfo=timezone.utc)
LINES = pl.Schema({c: JOURNAL_LINES[c] for c in (
    "cause", "contract", "line", "entity", "account", "currency", "amount", "event_date")})  # fmt: skip
PLACE = {"contract": "C-1", "line": "1", "entity": "US01", "currency": "EUR"}


def rates(
    *quoted: tuple[date, str], pair: tuple[str, str] = ("EUR", "USD"), kind: str = "spot"
) -> pl.DataFrame:
    base, quote = pair
    return frame(
        [{"base": base, "quote": quote, "rate_type": kind, "day": day, "rate": D(rate), "known_from": HEARD}
         for day, rate in quoted], EXCHANGE_RATES,
    )  # fmt: skip


def books(known: pl.DataFrame, held: pl.DataFrame | None = None) -> Books:
    exchange = Exchange(known, empty(HELD_LINES) if held is None else held)
    return Books(empty(CLOSED_PERIODS), {"US01": "USD"}, exchange)


def entry(cause: str, day: date, **amounts: int | str) -> list[dict[str, Any]]:
    return [
        {**PLACE, "cause": cause, "account": account, "amount": D(amount), "event_date": day}
        for account, amount in amounts.items()
    ]


def written(known: pl.DataFrame, *causes: tuple[str, list[dict[str, Any]]]) -> pl.DataFrame:
    """The journals of each cause type in turn, each on what the ones before left."""
    found: list[pl.DataFrame] = []
    for cause_type, rows in causes:
        held = pl.concat([*found, empty(JOURNAL_LINES)]).select(HELD_LINES.names())
        found.append(books(known, held).write(frame(rows, LINES), cause_type))
    return pl.concat(found)


def worth(lines: pl.DataFrame, account: str) -> Decimal:
    total: Decimal = lines.filter(pl.col("account") == account)["functional_amount"].sum()
    return total


def test_a_receivable_is_settled_at_what_it_is_carried_at() -> None:
    later = DAY + timedelta(days=14)
    lines = written(
        rates((DAY, "1.25"), (later, "1.29")),
        ("release", entry("I1", DAY, receivable=40_000, billing_clearing=-40_000)),
        ("payment", entry("P1", later, cash_clearing=10_000, receivable=-10_000)),
        ("payment", entry("P2", later, cash_clearing=30_000, receivable=-30_000)),
    )
    assert (worth(lines, "receivable"), worth(lines, "cash_clearing"), worth(lines, "fx_gain")) == (
        D(0), D(51_600), D(-1_600),
    )  # fmt: skip


def test_layers_of_a_contract_liability_are_drawn_first_in_first_out() -> None:
    later = DAY + timedelta(days=10)
    lines = written(
        rates((DAY, "1.20"), (later, "1.30")),
        ("release", entry("I1", DAY, contract_liability=-40, receivable=40)),
        ("release", entry("I2", later, contract_liability=-60, receivable=60)),
        ("revenue", entry("R1", later, contract_liability=50, revenue=-50)),
        ("revenue", entry("R2", later, contract_liability=50, revenue=-50)),
    )
    earned = lines.filter(pl.col("account") == "revenue")["functional_amount"].to_list()
    assert earned == [D("-61"), D("-65")]  # 40 x 1.20 + 10 x 1.30, 50 x 1.30
    assert worth(lines, "contract_liability") == 0
    assert worth(lines, "fx_gain") == 0


def test_what_moves_within_a_position_moves_at_its_worth() -> None:
    later = DAY + timedelta(days=10)
    lines = written(
        rates((DAY, "1.20"), (later, "1.30")),
        ("revenue", entry("R1", DAY, unbilled_receivable=100, revenue=-100)),
        ("position", entry("U1", later, unbilled_receivable=-100, contract_asset=100)),
    )
    assert (worth(lines, "contract_asset"), worth(lines, "fx_gain")) == (D(120), D(0))


def test_a_reversal_is_the_exact_opposite() -> None:
    rows = [row | {"functional_amount": D("123.45") if row["amount"] > 0 else D("-123.45")}
            for row in entry("X", DAY, receivable=-100, cash_clearing=100)]  # fmt: skip
    lines = books(rates()).write(
        frame(rows, pl.Schema({**LINES, "functional_amount": LINES["amount"]})), "reversal"
    )
    assert sorted(lines["functional_amount"]) == [D("-123.45"), D("123.45")]


def test_without_a_rate_nothing_is_booked() -> None:
    with pytest.raises(NoRate, match="no exchange rate from EUR to USD for 2026-03-02"):
        books(rates((date(2026, 1, 29), "1.2"))).write(
            frame(entry("I1", DAY, receivable=1, revenue=-1), LINES), "release"
        )


def test_a_rate_quoted_the_other_way_round_divides() -> None:
    known = rates((DAY, "1.10"), pair=("USD", "EUR"))
    lines = books(known).write(
        frame(entry("I1", DAY, receivable=1_100, billing_clearing=-1_100), LINES), "release"
    )
    assert worth(lines, "receivable") == D(1_000)


def test_remeasuring_moves_monetary_balances_and_no_liability() -> None:
    held = frame(
        [PLACE | {"account": account, "amount": D(amount), "functional_amount": D(value)}
         for account, amount, value in (("receivable", 100, 120), ("contract_liability", -50, -60), ("refund_liability", -10, -12))],
        HELD_LINES,
    ).with_columns(pl.lit("K").alias("cause"), pl.lit(DAY).alias("event_date"))  # fmt: skip
    lines = journal_for_remeasurement(held, books(rates((DAY, "1.30"))))
    assert {row["account"]: row["functional_amount"] for row in lines.to_dicts() if row["account"] != "fx_gain"} == {
        "receivable": D(10), "refund_liability": D(-1),
    }  # fmt: skip
    assert worth(lines, "fx_gain") == D(-9)
    assert set(lines["amount"]) == {D(0)}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-500, 500).filter(bool), st.integers(50, 200)), min_size=1, max_size=8),
    st.sampled_from(["receivable", "contract_liability"]),
)
def test_a_balance_that_comes_back_to_nothing_is_worth_nothing(
    moves: list[tuple[int, int]], account: str
) -> None:
    """Whatever the rates were in between; every journal balances in both currencies."""
    days = [DAY + timedelta(days=n) for n in range(len(moves) + 1)]
    known = rates(
        *((day, str(D(rate) / 100)) for day, (_, rate) in zip(days, [*moves, (0, 100)], strict=True))
    )
    whole = sum(amount for amount, _ in moves)
    steps = [*(amount for amount, _ in moves), -whole]
    causes = [
        ("release", entry(f"J{n:02}", day, **{account: step, "billing_clearing": -step}))
        for n, (day, step) in enumerate(zip(days, steps, strict=True)) if step
    ]  # fmt: skip
    lines = written(known, *causes)
    assert worth(lines, account) == 0
    sums = lines.group_by("journal").agg(pl.col("amount", "functional_amount").sum())
    assert set(sums["amount"]) == set(sums["functional_amount"]) == {D(0)}


def test_revenue_is_taken_back_at_what_it_was_booked_at() -> None:
    """100 on DAY at 1.20 and 100 ten days later at 1.30; of an unknown origin half of each, of a known one its own."""
    later = DAY + timedelta(days=10)
    last = later + timedelta(days=5)
    origin = pl.Schema({**LINES, "origin": pl.Date()})
    known = rates((DAY, "1.20"), (later, "1.30"), (last, "1.50"))
    earned = written(
        known,
        ("revenue", entry("R1", DAY, unbilled_receivable=100, revenue=-100)),
        ("revenue", entry("R2", later, unbilled_receivable=100, revenue=-100)),
    )
    for day, expected in ((None, "62.50"), (DAY, "60.00"), (later, "65.00")):
        rows = [{**row, "origin": day} for row in entry("R3", last, unbilled_receivable=-50, revenue=50)]
        back = books(known, earned.select(HELD_LINES.names())).write(frame(rows, origin), "revenue")
        assert (worth(back, "revenue"), worth(back, "unbilled_receivable")) == (D(expected), D("-62.50"))
        assert worth(back, "fx_gain") == D("62.50") - D(expected)


def test_revenue_takes_the_last_average_of_its_fiscal_period_and_documents_the_spot() -> None:
    """By 4-4-5 weeks P02 of 2026 is 25 January to 21 February: averages dated a day before or after do not count."""
    first = date(2026, 2, 1)
    known = pl.concat([
        rates((first, "1.10")),
        rates((date(2026, 1, 24), "1.01"), (date(2026, 2, 10), "1.20"), (date(2026, 2, 21), "1.25"),
              (date(2026, 2, 22), "1.40"), kind="average"),
    ])  # fmt: skip
    exchange = Exchange(known, empty(HELD_LINES), averaged={"US01": Calendar("445")})
    now = Books(empty(CLOSED_PERIODS), {"US01": "USD"}, exchange)
    earned = entry("R1", first, unbilled_receivable=100, revenue=-100)
    lines = now.write(frame(earned, LINES), "revenue")
    assert (worth(lines, "unbilled_receivable"), worth(lines, "revenue")) == (D(125), D(-125))
    billed = frame(entry("D1", first, receivable=100, contract_liability=-100), LINES)
    assert worth(now.write(billed, "release"), "contract_liability") == D(-110)
    later = frame(entry("R2", date(2026, 4, 6), unbilled_receivable=100, revenue=-100), LINES)
    with pytest.raises(NoRate, match="no average rate from EUR to USD for 2026-P04"):
        now.write(later, "revenue")
