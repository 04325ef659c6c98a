"""The value of priced work: hours × price × multiplier × (1 − discount) in the contract's currency, rounded once.

Domain rules §2.5. A price by the day counts days, not hours; `multiplier` then is the days in one billable hour, so
that hours × price × multiplier × (1 − discount) is the value for either unit.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import HOURS, MONEY, PRICE, SHARE
from tieout.domain.rating.exchange import converted
from tieout.domain.rating.hours import WORKER_DAY
from tieout.domain.rating.runs import MILLION, in_runs, millionths, running, to_hours, without_runs
from tieout.model.decimals import WIDE, ratio, round_by_currency, widen
from tieout.model.money import minor_unit

DAY_HOURS, DAY_STEP = 8 * MILLION, MILLION // 2
_ONE = pl.lit(1).cast(WIDE)
_DAY_COLUMNS = ["day_hours", "day_step", "day_total", "days"]


def with_value(priced: pl.DataFrame, card_rules: pl.DataFrame) -> pl.DataFrame:
    """Adds `amount`, `units`, `multiplier`, `price` in the contract's currency, and what the trail says of a day.

    `priced` holds billable and premium hours, the card's price and unit, discount and multiplier of the line, and the
    exchange rate from the card's currency to the contract's.
    """
    valued = _by_hour(priced.filter(pl.col("unit") == "hour"))
    by_day = priced.filter(pl.col("unit") == "day")
    if not by_day.is_empty():
        valued = pl.concat([valued, _by_day(by_day, card_rules).select(valued.columns)])
    return valued.with_columns(
        pl.col("price").alias("card_price"),
        converted(pl.col("price")).round(6, mode="half_away_from_zero").cast(PRICE).alias("price"),
    )


def _by_hour(rows: pl.DataFrame) -> pl.DataFrame:
    extra = widen(pl.col("overtime_multiplier").fill_null(1)) - _ONE
    weighted = widen("billable_hours") + widen("premium_hours") * extra
    amount = converted(weighted * widen("price") * (_ONE - _discount()))
    rounded = round_by_currency(amount, "currency", rows["currency"].unique().to_list())
    nothing = [pl.lit(None, HOURS).alias(name) for name in _DAY_COLUMNS]
    return rows.with_columns(
        rounded.cast(MONEY).alias("amount"),
        pl.col("billable_hours").alias("units"),
        _per_hour(weighted),
        *nothing,
    )


def _per_hour(weighted: pl.Expr) -> pl.Expr:
    """Price units in one billable hour, overtime included; one where there are no hours."""
    none = pl.col("billable_hours") == 0
    hours = pl.when(none).then(_ONE).otherwise(widen("billable_hours"))
    share = pl.when(none).then(_ONE).otherwise(weighted / hours)
    return share.round(6, mode="half_away_from_zero").cast(SHARE).alias("multiplier")


def _by_day(rows: pl.DataFrame, card_rules: pl.DataFrame) -> pl.DataFrame:
    """Days of each worker-day on one card: hours ÷ hours of a day, rounded up to the step, at most one.

    The day is shared among its entries by hours, running totals rounded, so the parts add up. Where the card has
    overtime, premium hours stay out of the day and count an hour's share of the price each, times the multiplier.
    """
    ruled = rows.join(card_rules.drop("blended"), on="card", how="left", maintain_order="left")
    premium = pl.when(pl.col("day_overtime").fill_null(False)).then(millionths("premium_hours")).otherwise(0)
    counted = ruled.with_columns(
        _or_default("day_hours", DAY_HOURS), _or_default("day_step", DAY_STEP), premium.alias("day_premium")
    ).with_columns((millionths("billable_hours") - pl.col("day_premium")).alias("regular"))
    total = pl.col("regular").sum().over([*WORKER_DAY, "card"])
    counted = counted.with_columns(total.alias("day_total"))
    steps = -(-(pl.col("day_total") * MILLION) // (pl.col("day_hours") * pl.col("day_step")))
    days = pl.min_horizontal(steps * pl.col("day_step"), pl.lit(MILLION, pl.Int64))
    counted = counted.with_columns(days.alias("days"))
    runs = in_runs(counted, [*WORKER_DAY, "card", "rate"], ["entry"])
    runs = runs.with_columns(
        running(pl.col("regular")).alias("upto_regular"), running(pl.col("day_premium")).alias("upto_premium")
    )
    valued = _day_amounts(runs)
    return without_runs(valued).drop("regular", "day_premium", "upto_regular", "upto_premium", "day_overtime")


def _or_default(column: str, default: int) -> pl.Expr:
    stated = millionths(column)
    return pl.when(stated > 0).then(stated).otherwise(pl.lit(default, pl.Int64)).alias(column)


def _day_amounts(runs: pl.DataFrame) -> pl.DataFrame:
    days, hours, total = (widen(to_hours(pl.col(name))) for name in ("days", "day_hours", "day_total"))
    regular, premium = widen(to_hours(pl.col("upto_regular"))), widen(to_hours(pl.col("upto_premium")))
    factor = widen(pl.col("overtime_multiplier").fill_null(1))
    whole = pl.when(total == 0).then(_ONE).otherwise(total)
    below = whole * hours
    units = days * regular * hours + premium * whole
    weighted = days * regular * hours + premium * factor * whole
    rate = widen("exchange_rate")
    value = weighted * widen("price") * (_ONE - _discount())
    value = pl.when("exchange_inverse").then(value).otherwise(value * rate)
    divisor = pl.when("exchange_inverse").then(below * rate).otherwise(below)
    found = runs.with_columns(
        _part(ratio(units, _ONE, below, 6)).cast(HOURS).alias("units"),
        _part(ratio(weighted, _ONE, below, 6)).alias("weighted"),
        _part(_in_minor_units(value, divisor, runs["currency"].unique().to_list()))
        .cast(MONEY)
        .alias("amount"),
    ).with_columns(_per_hour(pl.col("weighted")))
    return found.with_columns(to_hours(pl.col(name)).alias(name) for name in _DAY_COLUMNS).drop("weighted")


def _part(upto: pl.Expr) -> pl.Expr:
    """A row's own part of a running total inside its run."""
    before = pl.when(pl.col("run_starts")).then(pl.lit(0).cast(WIDE)).otherwise(upto.shift(1))
    return upto - before


def _in_minor_units(value: pl.Expr, divisor: pl.Expr, currencies: list[str]) -> pl.Expr:
    digits = sorted({minor_unit(code) for code in currencies} or {2})
    return pl.coalesce(
        pl.when(pl.col("currency").is_in([c for c in currencies if minor_unit(c) == count]))
        .then(ratio(value, _ONE, divisor, count))
        for count in digits
    )  # fmt: skip


def _discount() -> pl.Expr:
    return widen(pl.col("discount").fill_null(0))
