"""Rows of the rating tests: one worker, one contract line, one card; and the run over them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import (
    CARD_RULES,
    CARDS,
    ENTRIES,
    ENTRY_BANDS,
    EXCHANGE_RATES,
    HOLIDAYS,
    HOURS,
    LINES,
    LIVE_EVENTS,
    MONEY,
    RATES,
    frame,
)
from tieout.domain.rating import Lookups, RatingPolicies, RatingResult, rate_time

D = Decimal
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 3, 1, tzinfo=UTC)
MONDAY = date(2026, 2, 2)
Row = dict[str, Any]


def entry(key: str, hours: str = "8", **change: Any) -> Row:
    row = {
        "entry": key, "version": 1, "contract": "C-1", "line": "1", "project": "P-1", "project_state": "active",
        "task": "T-1", "task_state": "open", "worker": "W1", "role": "consultant", "country": "US",
        "work_date": MONDAY, "worked_hours": D(hours), "billable": True, "state": "approved", "recorded_at": EARLY,
    }  # fmt: skip
    return row | change


def line(**change: Any) -> Row:
    row = {
        "contract": "C-1", "line": "1", "effective_from": date(2026, 1, 1), "start": date(2026, 1, 1),
        "end": date(2026, 12, 31), "customer": "ACME", "entity": "US01", "currency": "USD",
        "billing_method": "time_and_materials", "rate_card": "STD", "contract_state": "active",
    }  # fmt: skip
    return row | change


def rate(price: str | None = "200", **change: Any) -> Row:
    row = {
        "card": "STD", "currency": "USD", "role": "consultant", "unit": "hour",
        "price": None if price is None else D(price), "effective_from": date(2026, 1, 1), "known_from": EARLY,
    }  # fmt: skip
    return row | change


def fx(pair: str, value: str, day: date = MONDAY, kind: str = "spot", known: datetime = EARLY) -> Row:
    base, quote = pair.split("/")
    return {
        "base": base,
        "quote": quote,
        "rate_type": kind,
        "day": day,
        "rate": D(value),
        "known_from": known,
    }


def lookups(
    holidays: Sequence[Row] = (),
    bands: Sequence[Row] = (),
    card_rules: Sequence[Row] = (),
    rates: Sequence[Row] = (),
) -> Lookups:
    return Lookups(
        frame(holidays, HOLIDAYS), frame(bands, ENTRY_BANDS), frame(card_rules, CARD_RULES),
        frame(rates, EXCHANGE_RATES),
    )  # fmt: skip


def run(
    entries: Sequence[Row], *lines: Row, rates: Sequence[Row] | None = None, cards: Sequence[str] = ("STD",),
    policies: RatingPolicies | None = None, found: Lookups | None = None,
) -> RatingResult:  # fmt: skip
    terms = lines or (line(),)
    keys = sorted({(row["contract"], row["line"]) for row in terms})
    chain = [
        {"contract": c, "line": n, "rank": i, "card": card} for c, n in keys for i, card in enumerate(cards)
    ]
    return rate_time(
        frame(entries, ENTRIES), frame(terms, LINES), frame([rate()] if rates is None else rates, RATES),
        frame(chain, CARDS), policies=policies or RatingPolicies(), lookups=found,
    )  # fmt: skip


def amounts(result: RatingResult) -> dict[str, Decimal]:
    return dict(result.events.select("entry", "amount").iter_rows())


def hours(result: RatingResult) -> dict[str, Decimal]:
    return dict(result.events.select("entry", "billable_hours").iter_rows())


def kinds(result: RatingResult) -> dict[str, str]:
    return dict(result.findings.select("entry", "kind").iter_rows())


def stored(events: pl.DataFrame, billed: bool, entries: Collection[str] | None = None) -> pl.DataFrame:
    """The events as a store would hold them (LIVE_EVENTS); with `billed` all, or those of `entries`, are invoiced."""
    on = pl.lit(billed) if entries is None else pl.col("entry").is_in(sorted(entries)) & billed
    hours, money = pl.lit(0).cast(HOURS), pl.lit(0).cast(MONEY)
    return events.with_columns(
        pl.col("entry").alias("event"), pl.lit("time").alias("kind"), pl.lit(None, pl.String).alias("reverses"),
        pl.col("billable_hours").alias("quantity"),
        pl.when(on).then("billable_hours").otherwise(hours).alias("billed_quantity"),
        pl.when(on).then("amount").otherwise(money).alias("billed_amount"),
        credited_quantity=hours, credited_amount=money, reversed_quantity=hours, reversed_amount=money,
    ).select(LIVE_EVENTS.names())  # fmt: skip
