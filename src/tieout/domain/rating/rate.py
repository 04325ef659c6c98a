"""Rate time: each entry becomes one event with hours, price, value and the trail of why, or is set aside by a rule."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tieout.domain.frames import FINDINGS, LINES, RATED, SET_ASIDE, SHARE, check_frame, conform
from tieout.domain.rating.exchange import with_exchange
from tieout.domain.rating.policies import Lookups, RatingPolicies
from tieout.domain.rating.prepare import checked, prepare_checked
from tieout.domain.rating.prices import resolve_prices
from tieout.domain.rating.trail import with_trail
from tieout.domain.rating.value import with_value

SLICE = 250_000
"""Entries rated at a time: bounds the memory of a run over millions; any size gives the same events."""


@dataclass(frozen=True)
class RatingResult:
    """Every entry that came in, exactly once: an event, or set aside with its reason.

    `findings` has one row per entry in `refused`; `waiting`, `non_billable`, `withdrawn`, `refused` are SET_ASIDE.
    """

    events: pl.DataFrame
    findings: pl.DataFrame
    waiting: pl.DataFrame
    non_billable: pl.DataFrame
    withdrawn: pl.DataFrame
    refused: pl.DataFrame


def rate_time(
    entries: pl.DataFrame,
    lines: pl.DataFrame,
    rates: pl.DataFrame,
    cards: pl.DataFrame,
    *,
    policies: RatingPolicies,
    lookups: Lookups | None = None,
) -> RatingResult:
    """Rate time and materials entries (ENTRIES, LINES, RATES, CARDS) into events (RATED) and findings (FINDINGS).

    Three quantities stay apart: `worked_hours` as recorded, `billable_hours` after increments and minimums, and the
    hours that cost (`domain/costing`). `units` are what the price counts: hours, or days of a price by the day.
    A price in a currency without exchange rate is `missing-fx`. Domain rules §2.1–2.5.
    """
    check_frame("lines", lines, LINES)
    found = lookups or Lookups()
    rated = [_rate(part, lines, rates, cards, policies, found) for part in _whole_contracts(checked(entries))]
    orders = {"findings": ["entry"], "refused": ["entry"]}
    parts = {name: [vars(one)[name] for one in rated] for name in vars(rated[0])}
    result = RatingResult(
        **{name: _together(rows, orders.get(name, ["work_date", "entry"])) for name, rows in parts.items()}
    )
    _check_conservation(entries, result)
    return result


def _together(parts: list[pl.DataFrame], order: list[str]) -> pl.DataFrame:
    rows = pl.concat(parts)
    return rows if rows.is_empty() else rows.sort(order)


def _whole_contracts(entries: pl.DataFrame) -> list[pl.DataFrame]:
    """The entries in slices of whole contracts: nothing after the 24-hour rule looks beyond a contract."""
    if entries.height <= SLICE:
        return [entries]
    sizes = entries.group_by("contract").len().sort("contract")
    numbered = sizes.select("contract", ((pl.col("len").cum_sum() - 1) // SLICE).alias("slice"))
    marks = entries.select("contract").join(
        numbered, on="contract", how="left", nulls_equal=True, maintain_order="left"
    )["slice"]
    return [entries.filter(marks == number) for number in numbered["slice"].unique().sort()]


def _rate(
    entries: pl.DataFrame,
    lines: pl.DataFrame,
    rates: pl.DataFrame,
    cards: pl.DataFrame,
    policies: RatingPolicies,
    lookups: Lookups,
) -> RatingResult:
    prepared = prepare_checked(entries, lines, policies, lookups)
    blended = frozenset(lookups.card_rules.filter("blended")["card"].to_list())
    prices = resolve_prices(prepared.billable, rates, cards, blended)
    exchanged = with_exchange(
        prices.priced, lookups.exchange_rates, source="rate_currency", target="currency", day="work_date",
        wanted="exchange_rate_type", max_age_days=policies.exchange_max_age_days,
    )  # fmt: skip
    without = _without_exchange(exchanged.filter(pl.col("exchange_rate").is_null()))
    valued = with_value(exchanged.filter(pl.col("exchange_rate").is_not_null()), lookups.card_rules)
    unpriced = _kept_out(prices.unpriced, without)
    return RatingResult(
        events=_events(valued),
        findings=pl.concat([prepared.findings, conform("findings", unpriced, FINDINGS)]),
        waiting=prepared.waiting,
        non_billable=prepared.non_billable,
        withdrawn=prepared.withdrawn,
        refused=pl.concat([prepared.refused, conform("refused", unpriced, SET_ASIDE)]),
    )


def _without_exchange(rows: pl.DataFrame) -> pl.DataFrame:
    said = pl.format(
        "card {} prices in {}, the contract is in {}: no exchange rate for {}", "card", "rate_currency", "currency",
        "work_date",
    )  # fmt: skip
    return rows.with_columns(pl.lit("missing-fx").alias("kind"), said.alias("detail"))


def _kept_out(*parts: pl.DataFrame) -> pl.DataFrame:
    columns = [*dict.fromkeys([*FINDINGS, *SET_ASIDE])]
    rows = [
        part.with_columns(pl.lit(None, FINDINGS["amount"]).alias("amount"), pl.col("kind").alias("reason")).select(columns)
        for part in parts if not part.is_empty()
    ]  # fmt: skip
    return pl.concat(rows) if rows else pl.DataFrame(schema={**FINDINGS, **SET_ASIDE})


def _events(valued: pl.DataFrame) -> pl.DataFrame:
    discount = pl.col("discount").fill_null(0).cast(SHARE)
    rows = with_trail(valued).with_columns(discount)
    return conform("events", rows, RATED)


def _check_conservation(entries: pl.DataFrame, result: RatingResult) -> None:
    """Entries and worked hours that came in = those that went out; a difference is a defect, never data."""
    parts = [result.events, result.waiting, result.non_billable, result.withdrawn, result.refused]
    count = sum(part.height for part in parts)
    hours = sum((part["worked_hours"].sum() for part in parts), Decimal(0))
    if count != entries.height or hours != entries["worked_hours"].sum():
        came = (entries.height, entries["worked_hours"].sum())
        raise AssertionError(f"rating lost entries or hours: in {came}, out {(count, hours)}")
    if result.findings.height != result.refused.height:
        raise AssertionError("rating set entries aside without a finding")
