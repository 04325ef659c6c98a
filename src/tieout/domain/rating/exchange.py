"""Rates between currencies on a day: the contract's own rate, else the market's latest, never a guess.

Domain rules §2.5, scenario-format.md: the rate of a day is the latest on or before it, at most so many days old. That
limit is for market rates (`spot`, `average`): a rate agreed in a contract holds until another is agreed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.frames import EXCHANGE_RATES, check_frame
from tieout.model.decimals import WIDE, widen
from tieout.model.money import round_to_minor
from tieout.model.periods import MONTHS, Calendar, period_around

CONTRACT, SPOT, AVERAGE = "contract", "spot", "average"
_PERIOD_DAYS = 366
"""No fiscal period is longer."""
_PAIR = ["from_currency", "to_currency", "rate_type"]


def with_exchange(
    rows: pl.DataFrame,
    rates: pl.DataFrame,
    *,
    source: str,
    target: str,
    day: str,
    wanted: str,
    max_age_days: int,
) -> pl.DataFrame:
    """Adds `exchange_rate`, `exchange_inverse`, `exchange_day`, `exchange_type` to the rows; null where none is known.

    `source`, `target`, `day` and `wanted` name columns: from which currency to which, on which day, by which type of
    rate (null: `contract`, else `spot`). A pair quoted the other way round is divided by. One currency needs no rate:
    its `exchange_rate` is 1. Two rates of one pair, type and day heard together are none.
    """
    check_frame("exchange rates", rates, EXCHANGE_RATES)
    if rows.select((pl.col(source) == pl.col(target)).fill_null(False).all()).item():
        return rows.with_columns(
            pl.lit(1).cast(WIDE).alias("exchange_rate"), pl.lit(False).alias("exchange_inverse"),
            pl.lit(None, pl.Date).alias("exchange_day"), pl.lit(None, pl.String).alias("exchange_type"),
        )  # fmt: skip
    keys = [source, target, day, wanted]
    asked = (
        rows.select(keys)
        .unique()
        .rename(dict(zip(keys, ["from_currency", "to_currency", "day", "wanted"], strict=True)))
    )
    answers = _answers(asked.with_row_index("question"), _both_ways(rates), max_age_days)
    named = answers.rename(dict(zip(["from_currency", "to_currency", "day", "wanted"], keys, strict=True)))
    return rows.join(named.drop("question"), on=keys, how="left", nulls_equal=True, maintain_order="left")


def with_rate(
    rows: pl.DataFrame,
    rates: pl.DataFrame,
    *,
    source: str,
    target: str,
    day: str,
    entity: str,
    max_age_days: int,
    averaged: Mapping[str, Calendar] | None,
) -> pl.DataFrame:
    """`with_exchange` by the rate of the day; `averaged`, by the average rate of the entity's fiscal period of the day (IAS 21.22).

    `averaged` are the calendars of the entities, by months unless stated. The average of a period is the one dated last
    inside it, as known now; one dated outside it is none.
    """
    wanted = pl.lit(None if averaged is None else AVERAGE, pl.String).alias("_wanted")
    if averaged is None:
        told = with_exchange(rows.with_columns(wanted), rates, source=source, target=target, day=day,
                             wanted="_wanted", max_age_days=max_age_days)  # fmt: skip
        return told.drop("_wanted")
    spans = [
        (code, on, *period_around(on, averaged.get(code, MONTHS)))
        for code, on in rows.select(entity, day).unique().iter_rows()
    ]
    schema = {entity: pl.String, day: pl.Date, "_first": pl.Date, "_last": pl.Date}
    placed = rows.join(
        pl.DataFrame(spans, schema=schema, orient="row"), on=[entity, day], how="left", maintain_order="left"
    )
    told = with_exchange(placed.with_columns(wanted), rates, source=source, target=target, day="_last",
                         wanted="_wanted", max_age_days=_PERIOD_DAYS)  # fmt: skip
    outside = pl.col("exchange_day") < pl.col("_first")
    inside = told.with_columns(
        pl.when(~outside.fill_null(False)).then(name).alias(name)
        for name in ("exchange_rate", "exchange_day")
    )
    return inside.drop("_first", "_last", "_wanted")


@dataclass(frozen=True)
class Quote:
    """A rate of one pair and day; `inverse`: it is quoted the other way round and divides."""

    rate: Decimal
    inverse: bool = False

    def converted(self, amount: Decimal, currency: str) -> Decimal:
        """An amount in the other currency, rounded once to its minor unit."""
        with localcontext(prec=60):
            return round_to_minor(amount / self.rate if self.inverse else amount * self.rate, currency)


def converted(amount: pl.Expr) -> pl.Expr:
    """An amount in the other currency at the row's rate, not rounded (twelve decimals)."""
    rate = widen("exchange_rate")
    return pl.when("exchange_inverse").then(widen(amount) / rate).otherwise(widen(amount) * rate)


def _both_ways(rates: pl.DataFrame) -> pl.DataFrame:
    """Per pair, type and day the rate heard last, as quoted and turned round; as quoted wins where both exist."""
    last = rates.filter(
        pl.col("known_from") == pl.col("known_from").max().over("base", "quote", "rate_type", "day")
    )
    one = last.group_by("base", "quote", "rate_type", "day").agg(
        pl.col("rate").first(), (pl.col("rate").n_unique() == 1).alias("certain")
    )
    one = one.filter(pl.col("certain") & (pl.col("rate") > 0))
    names = {"base": "from_currency", "quote": "to_currency"}
    turned = {"base": "to_currency", "quote": "from_currency"}
    columns = [*_PAIR, "day", "rate", "inverse"]
    both = pl.concat([
        one.rename(names).with_columns(pl.lit(False).alias("inverse")).select(columns),
        one.rename(turned).with_columns(pl.lit(True).alias("inverse")).select(columns),
    ])  # fmt: skip
    ordered = both.sort(*_PAIR, "day", "inverse")
    return ordered.unique([*_PAIR, "day"], keep="first", maintain_order=True)


def _answers(asked: pl.DataFrame, rates: pl.DataFrame, max_age_days: int) -> pl.DataFrame:
    types = _types(asked)
    found = (
        asked.join(types, on="question")
        .sort("day")
        .join_asof(
            rates.rename({"day": "rate_day"}).sort("rate_day"), left_on="day", right_on="rate_day", by=_PAIR,
            strategy="backward", check_sortedness=False,
        )
    )  # fmt: skip
    young = (pl.col("rate_type") == CONTRACT) | (
        (pl.col("day") - pl.col("rate_day")).dt.total_days() <= max_age_days
    )
    best = (
        found.filter(pl.col("rate").is_not_null() & young)
        .sort("question", "place")
        .unique("question", keep="first", maintain_order=True)
    )
    joined = asked.join(
        best.select("question", "rate_type", "rate_day", "rate", "inverse"), on="question", how="left"
    )
    same = pl.col("from_currency") == pl.col("to_currency")
    return joined.select(
        "question", "from_currency", "to_currency", "day", "wanted",
        pl.when(same).then(pl.lit(1).cast(WIDE)).otherwise(widen("rate")).alias("exchange_rate"),
        (pl.col("inverse").fill_null(False) & ~same.fill_null(False)).alias("exchange_inverse"),
        pl.when(~same).then("rate_day").alias("exchange_day"),
        pl.when(~same).then("rate_type").alias("exchange_type"),
    )  # fmt: skip


def _types(asked: pl.DataFrame) -> pl.DataFrame:
    """Per question the types of rate in the order they are tried."""
    schema: dict[str, Any] = {"question": asked.schema["question"], "rate_type": pl.String, "place": pl.Int64}
    rows: list[tuple[int, str, int]] = []
    for question, wanted in asked.select("question", "wanted").iter_rows():
        tried: Sequence[str] = (CONTRACT, SPOT) if wanted is None else (wanted,)
        rows += [(question, kind, place) for place, kind in enumerate(tried)]
    return pl.DataFrame(rows, schema=schema, orient="row")
