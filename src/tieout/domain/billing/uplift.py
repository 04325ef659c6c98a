"""Prices that rise by a rate at every anniversary: the stated price compounds from the day it was stated."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext

import polars as pl

from tieout.domain.billing.complaints import LINE
from tieout.domain.billing.periods import with_periods
from tieout.domain.frames import PRICE

_SIX = Decimal("0.000001")


def uplifted(spans: pl.DataFrame, *, horizon: date) -> pl.DataFrame:
    """Spans (first, last, price, start, uplift_rate, uplift_every) cut at the anniversaries of `start` within them.

    The price of the part that begins with the n-th anniversary after the span's first day is price × (1 + rate)^n,
    rounded to six decimals. Spans without a rate stay whole; an open span is cut up to `horizon`.
    """
    if spans["uplift_rate"].null_count() == spans.height:
        return spans
    rising = pl.col("uplift_rate").is_not_null()
    plain = spans.filter(~rising)
    years = spans.filter(rising).with_columns(
        pl.col("last").fill_null(horizon).alias("#last"),
        pl.col("uplift_every").fill_null("year").alias("#every"),
        pl.coalesce("start", "first").alias("#anchor"),
    )
    named = years.rename({"every": "#own", "anchor": "#own_anchor", "#every": "every", "#anchor": "anchor"})
    cut = with_periods(named, first="first", last="#last").drop("every", "anchor")
    cut = cut.rename({"#own": "every", "#own_anchor": "anchor"}).sort(*LINE, "first", "period_start")
    counted = cut.with_columns(
        pl.int_range(pl.len()).over(*LINE, "first").alias("#n"),
        (pl.col("period_end") >= pl.col("#last")).alias("#is_last"),
    ).with_columns(
        pl.max_horizontal("first", "period_start").alias("first"),
        pl.when("#is_last").then("last").otherwise("period_end").alias("last"),
    )
    return pl.concat([plain, _raised(counted).select(spans.columns)])


def _raised(rows: pl.DataFrame) -> pl.DataFrame:
    """The price by its number of uplifts; each distinct case is computed once, exactly."""
    cases = rows.select("price", "uplift_rate", "#n").unique()
    prices = [_price(*case) for case in cases.iter_rows()]
    table = cases.with_columns(pl.Series("#price", prices, dtype=PRICE))
    joined = rows.join(table, on=["price", "uplift_rate", "#n"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("#price").alias("price"))


def _price(price: Decimal, rate: Decimal, times: int) -> Decimal:
    with localcontext(prec=400):
        return (price * (1 + rate) ** times).quantize(_SIX, rounding=ROUND_HALF_UP)
