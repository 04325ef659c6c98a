"""Why this price: the trail kept on each event, as canonical JSON (sorted keys, no spaces).

Keys: card, day (of a price by the day), discount, exchange (of a card in another currency), increment, matched,
overtime, rate, unit. A trail is written once for all entries that share it.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import EXCHANGE_RATE, SHARE

_KEYS = [
    "terms", "rate", "premium_hours", "exchange_rate", "exchange_inverse", "exchange_day", "exchange_type", "day_hours",
    "day_step", "day_total", "days",
]  # fmt: skip


def with_trail(valued: pl.DataFrame) -> pl.DataFrame:
    """Adds `trail` to entries that carry terms, rate, hours, exchange and day."""
    keys = [key for key in _KEYS if key in ("terms", "rate") or valued[key].n_unique() > 1]
    kinds = valued.unique(keys).with_columns(_trail()).select(*keys, "trail")
    return valued.join(kinds, on=keys, nulls_equal=True, how="left", maintain_order="left")


def _trail() -> pl.Expr:
    return pl.concat_str(
        pl.lit('{"card":'), _quoted(pl.col("card")), _day(), pl.lit(',"discount":"'),
        pl.col("discount").fill_null(0).cast(SHARE).cast(pl.String), pl.lit('"'), _exchange(),
        pl.lit(',"increment":'), _increment(), pl.lit(',"matched":'), pl.col("trail_matched"),
        pl.lit(',"overtime":'), _overtime(), pl.lit(',"rate":'), pl.col("trail_rate"), pl.lit(',"unit":"'),
        pl.col("unit"), pl.lit('"}'),
    ).alias("trail")  # fmt: skip


def _increment() -> pl.Expr:
    said = pl.concat_str(
        pl.lit('{"minutes":'), pl.col("increment_minutes"), pl.lit(',"mode":"'),
        pl.col("increment_mode").fill_null("up"), pl.lit('","per":"'), pl.col("increment_per").fill_null("entry"),
        pl.lit('"}'),
    )  # fmt: skip
    return pl.when(pl.col("increment_minutes").is_null()).then(pl.lit("null")).otherwise(said)


def _overtime() -> pl.Expr:
    factor = pl.col("overtime_multiplier").fill_null(1).cast(SHARE)
    said = pl.concat_str(
        pl.lit('{"hours":"'), pl.col("premium_hours").cast(pl.String), pl.lit('","multiplier":"'),
        factor.cast(pl.String), pl.lit('"}'),
    )  # fmt: skip
    return pl.when(pl.col("premium_hours") == 0).then(pl.lit("null")).otherwise(said)


def _day() -> pl.Expr:
    said = pl.concat_str(
        pl.lit(',"day":{"day_hours":"'), pl.col("day_hours"), pl.lit('","days":"'), pl.col("days"),
        pl.lit('","hours":"'), pl.col("day_total"), pl.lit('","step":"'), pl.col("day_step"), pl.lit('"}'),
    )  # fmt: skip
    return pl.when(pl.col("unit") == "day").then(said).otherwise(pl.lit(""))


def _exchange() -> pl.Expr:
    said = pl.concat_str(
        pl.lit(',"exchange":{"currency":'), _quoted(pl.col("rate_currency")), pl.lit(',"day":"'),
        pl.col("exchange_day").cast(pl.String), pl.lit('","inverse":'), pl.col("exchange_inverse").cast(pl.String),
        pl.lit(',"price":"'), pl.col("card_price").cast(pl.String), pl.lit('","rate":"'),
        pl.col("exchange_rate").cast(EXCHANGE_RATE).cast(pl.String), pl.lit('","type":'),
        _quoted(pl.col("exchange_type")), pl.lit("}"),
    )  # fmt: skip
    return pl.when(pl.col("exchange_day").is_not_null()).then(said).otherwise(pl.lit(""))


def _quoted(text: pl.Expr) -> pl.Expr:
    escaped = text.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return pl.concat_str(pl.lit('"'), escaped, pl.lit('"'))
