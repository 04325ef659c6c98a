"""Rate approved time: value = hours × price × multiplier × (1 − discount), rounded once, with the trail of why."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tieout.domain.frames import FINDINGS, RATED, SET_ASIDE, SHARE, conform
from tieout.domain.rating.policies import RatingPolicies
from tieout.domain.rating.prepare import prepare_entries
from tieout.domain.rating.prices import resolve_prices
from tieout.model.decimals import WIDE, round_by_currency, widen


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
) -> RatingResult:
    """Rate time and materials entries (ENTRIES, LINES, RATES, CARDS) into events (RATED) and findings (FINDINGS)."""
    prepared = prepare_entries(entries, lines, policies=policies)
    billable = prepared.billable.with_columns(_day_type(policies))
    prices = resolve_prices(billable, rates, cards)
    unpriced = prices.unpriced.with_columns(
        pl.lit(None, FINDINGS["amount"]).alias("amount"), pl.col("kind").alias("reason")
    )
    result = RatingResult(
        events=_value(prices.priced),
        findings=pl.concat([prepared.findings, conform("findings", unpriced, FINDINGS)]).sort("entry"),
        waiting=prepared.waiting,
        non_billable=prepared.non_billable,
        withdrawn=prepared.withdrawn,
        refused=pl.concat([prepared.refused, conform("refused", unpriced, SET_ASIDE)]).sort("entry"),
    )
    _check_conservation(entries, result)
    return result


def _day_type(policies: RatingPolicies) -> pl.Expr:
    return (
        pl.when(pl.col("work_date").is_in(list(policies.holidays)) if policies.holidays else pl.lit(False))
        .then(pl.lit("holiday"))
        .when(pl.col("work_date").dt.weekday() >= 6)
        .then(pl.lit("weekend"))
        .otherwise(pl.lit("weekday"))
        .alias("day_type")
    )


def _value(priced: pl.DataFrame) -> pl.DataFrame:
    """Adds amount (rounded half away from zero to the minor unit, once), the effective multiplier and the trail."""
    one = pl.lit(1).cast(WIDE)
    discount = widen(pl.col("discount").fill_null(0))
    extra = widen(pl.col("overtime_multiplier").fill_null(1)) - one
    weighted = widen("billable_hours") + widen("premium_hours") * extra
    hours = pl.when(pl.col("billable_hours") == 0).then(one).otherwise(widen("billable_hours"))
    multiplier = pl.when(pl.col("billable_hours") == 0).then(one).otherwise(weighted / hours)
    currencies = priced["currency"].unique().to_list()
    amount = round_by_currency(weighted * widen("price") * (one - discount), "currency", currencies)
    valued = priced.with_columns(
        amount.alias("amount"),
        multiplier.round(6, mode="half_away_from_zero").cast(SHARE).alias("multiplier"),
        discount.cast(SHARE).alias("discount"),
        _trail(),
    )
    return conform("events", valued, RATED).sort("work_date", "entry")


def _trail() -> pl.Expr:
    """Canonical JSON (sorted keys, no spaces): card, discount, increment, matched, overtime, rate, unit."""
    number = pl.col("increment_minutes").cast(pl.String)
    increment = (
        pl.when(pl.col("increment_minutes").is_null())
        .then(pl.lit("null"))
        .otherwise(
            pl.concat_str(
                pl.lit('{"minutes":'), number, pl.lit(',"mode":"'), pl.col("increment_mode").fill_null("up"),
                pl.lit('","per":"'), pl.col("increment_per").fill_null("entry"), pl.lit('"}'),
            )
        )
    )  # fmt: skip
    overtime = (
        pl.when(pl.col("premium_hours") == 0)
        .then(pl.lit("null"))
        .otherwise(
            pl.concat_str(
                pl.lit('{"hours":"'), pl.col("premium_hours").cast(pl.String), pl.lit('","multiplier":"'),
                pl.col("overtime_multiplier").cast(pl.String), pl.lit('"}'),
            )
        )
    )  # fmt: skip
    card = (
        pl.col("card").str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    )
    return pl.concat_str(
        pl.lit('{"card":"'), card, pl.lit('","discount":"'),
        pl.col("discount").fill_null(0).cast(SHARE).cast(pl.String),
        pl.lit('","increment":'), increment, pl.lit(',"matched":'), pl.col("trail_matched"),
        pl.lit(',"overtime":'), overtime, pl.lit(',"rate":'), pl.col("trail_rate"), pl.lit(',"unit":"hour"}'),
    ).alias("trail")  # fmt: skip


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
