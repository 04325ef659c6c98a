"""The price of each entry and why: first card with any match, then the most specific rate, then the latest heard.

The choice is made once per kind of work (`shape`) and span of days, then looked up for each entry. Domain rules §2.4.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import CARDS, RATES, check_frame

# lexicographic: person outweighs everything after it
ATTRIBUTES = ("person", "task", "project", "grade", "role", "country", "worksite", "day_type", "band")
_OF_ENTRY = ("worker", "task", "project", "grade", "role", "country", "worksite", "day_type", "band")
_SHAPE = ["contract", "line", "rate_card", *_OF_ENTRY]
_CHOSEN = ["rate", "card", "price", "unit", "rate_currency", "ties"]
UNITS = ("hour", "day")


@dataclass(frozen=True)
class Prices:
    """`priced`: the entries with price, unit, card and the pieces of the trail; `unpriced`: with kind and detail."""

    priced: pl.DataFrame
    unpriced: pl.DataFrame


def resolve_prices(
    entries: pl.DataFrame, rates: pl.DataFrame, cards: pl.DataFrame, blended: frozenset[str] = frozenset()
) -> Prices:
    """Price each prepared entry from the rates as known now, in the card's own currency and unit.

    A row of `cards` that names a `rate_card` holds for terms with that card: an amendment may name another. On a card
    named in `blended` role and grade of a rate are not asked: two prices by role are then ambiguous, never chosen from.
    Of rates with the same attributes the one heard last replaces the earlier ones on the dates it covers; two heard
    together are `ambiguous-rate`; no rate, or one without a price per hour or day, is `missing-rate`.
    """
    check_frame("rates", rates, RATES)
    check_frame("cards", cards, CARDS)
    rates = _one_price(rates, blended).with_row_index("rate").with_columns(_specificity())
    shapes = entries.select(_SHAPE).unique().with_row_index("shape")
    spans = _spans(_candidates(shapes, rates, cards))
    narrow = entries.select(*_SHAPE, "work_date").with_row_index("row")
    keyed = (
        narrow.join(shapes, on=_SHAPE, nulls_equal=True).select("row", "shape", "work_date").sort("work_date")
    )
    best = keyed.join_asof(
        spans,
        left_on="work_date",
        right_on="span_from",
        by="shape",
        strategy="backward",
        check_sortedness=False,
    )
    joined = entries.hstack(best.sort("row").select(_CHOSEN)).with_columns(_price_problem().alias("kind"))
    priced = joined.filter(pl.col("kind").is_null()).join(_trail_pieces(rates), on="rate")
    unpriced = joined.filter(pl.col("kind").is_not_null()).with_columns(_price_detail().alias("detail"))
    return Prices(priced=priced, unpriced=unpriced)


def _one_price(rates: pl.DataFrame, blended: frozenset[str]) -> pl.DataFrame:
    if not blended:
        return rates
    alike = pl.col("card").is_in(sorted(blended))
    return rates.with_columns(pl.when(~alike).then(pl.col(name)).alias(name) for name in ("role", "grade"))


def _specificity() -> pl.Expr:
    bits = [
        pl.when(pl.col(name).is_not_null()).then(2 ** (len(ATTRIBUTES) - 1 - place)).otherwise(0)
        for place, name in enumerate(ATTRIBUTES)
    ]
    return pl.sum_horizontal(bits).cast(pl.Int64).alias("specificity")


def _candidates(shapes: pl.DataFrame, rates: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
    """Every rate whose stated attributes all match a shape: one equality join per combination of attributes."""
    with_cards = shapes.join(cards, on=["contract", "line"], suffix="_named")
    named = pl.col("rate_card_named")
    with_cards = with_cards.filter(named.is_null() | (named == pl.col("rate_card")).fill_null(False))
    dated = ["rate", "specificity", "price", "unit", "effective_from", "effective_to", "known_from"]
    columns = ["shape", "rank", "card", *dated, pl.col("currency").alias("rate_currency")]
    found = [with_cards.join(rates.select("card", *dated, "currency"), on="card").select(columns).clear()]
    for _, group in rates.group_by("specificity"):
        stated = [name for name in ATTRIBUTES if group[name].null_count() == 0]
        left = ["card", *("worker" if name == "person" else name for name in stated)]
        right = ["card", *stated]
        wanted = [*dict.fromkeys([*right, *dated, "currency"])]
        found.append(with_cards.join(group.select(wanted), left_on=left, right_on=right).select(columns))
    return pl.concat(found)


def _spans(candidates: pl.DataFrame) -> pl.DataFrame:
    """Per shape and first day of a span of days: the winning rate and how many tie with it; null where none holds."""
    candidates = candidates.drop_nulls("effective_from").with_columns(_order())
    starts = candidates.select("shape", pl.col("effective_from").alias("span_from"))
    after = candidates.drop_nulls("effective_to").select(
        "shape", pl.col("effective_to").dt.offset_by("1d").alias("span_from")
    )
    bounds = pl.concat([starts, after]).unique()
    held = bounds.join(candidates, on="shape").filter(
        (pl.col("effective_from") <= pl.col("span_from"))
        & (pl.col("effective_to").is_null() | (pl.col("effective_to") >= pl.col("span_from")))
    )
    first = pl.col("order") == pl.col("order").min().over("shape", "span_from")
    best = held.filter(first).sort("shape", "span_from", "rate")
    chosen = best.group_by("shape", "span_from").agg(
        pl.col("rate", "card", "price", "unit", "rate_currency").first(), pl.len().alias("ties")
    )
    spans = bounds.join(chosen, on=["shape", "span_from"], how="left")
    return spans.select("shape", "span_from", *_CHOSEN).sort("span_from")


def _order() -> pl.Expr:
    """One number to compare candidates by, lowest first: card, then specificity, then what was heard last."""
    key = pl.struct(pl.col("rank"), -pl.col("specificity"), -pl.col("known_from").to_physical())
    return key.rank("dense").cast(pl.Int64).alias("order")


def _price_problem() -> pl.Expr:
    priceless = pl.col("price").is_null() | ~pl.col("unit").is_in(UNITS).fill_null(False)
    return (
        pl.when(pl.col("rate").is_null())
        .then(pl.lit("missing-rate"))
        .when(pl.col("ties") > 1)
        .then(pl.lit("ambiguous-rate"))
        .when(priceless)
        .then(pl.lit("missing-rate"))
    )


def _price_detail() -> pl.Expr:
    role = pl.col("role").fill_null("-")
    return (
        pl.when(pl.col("rate").is_null())
        .then(pl.format("no rate for role {}, worker {} on {}", role, pl.col("worker").fill_null("-"), "work_date"))
        .when(pl.col("ties") > 1)
        .then(pl.format("{} equally specific rates on card {} for role {} on {}", "ties", "card", role, "work_date"))
        .otherwise(
            pl.format("card {} has no price by the hour or day for role {}: its unit is {}", "card", role,
                      pl.col("unit").fill_null("-"))
        )
    )  # fmt: skip


def _trail_pieces(rates: pl.DataFrame) -> pl.DataFrame:
    """Per rate the two JSON pieces of the trail: what matched, and the rate's dates."""
    rows = rates.to_dicts()
    matched = [as_json({a: row[a] for a in ATTRIBUTES if row[a] is not None}) for row in rows]
    dates = [
        as_json({"from": row["effective_from"], "known_from": row["known_from"], "to": row["effective_to"]})
        for row in rows
    ]
    pieces = {"rate": rates["rate"], "trail_matched": matched, "trail_rate": dates}
    return pl.DataFrame(pieces, schema_overrides={"trail_matched": pl.String, "trail_rate": pl.String})


def as_json(value: dict[str, object]) -> str:
    """Canonical JSON: sorted keys, no spaces, dates in ISO form."""
    plain = {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in value.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
