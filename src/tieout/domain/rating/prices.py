"""The price of each entry and why: first card with any match, then the most specific rate, then the latest heard."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import CARDS, RATES, check_frame

# lexicographic: person outweighs everything after it
ATTRIBUTES = ("person", "task", "project", "grade", "role", "country", "worksite", "day_type", "band")
_OF_ENTRY = ("worker", "task", "project", "grade", "role", "country", "worksite", "day_type")
_SHAPE = ["contract", "line", "rate_card", *_OF_ENTRY]


@dataclass(frozen=True)
class Prices:
    """`priced`: the entries with price, card and the pieces of the trail; `unpriced`: with kind and detail."""

    priced: pl.DataFrame
    unpriced: pl.DataFrame


def resolve_prices(entries: pl.DataFrame, rates: pl.DataFrame, cards: pl.DataFrame) -> Prices:
    """Price each prepared entry from the rates as known now. Domain rules §2.4.

    A row of `cards` that names a `rate_card` holds for terms with that card: an amendment may name another.
    Of rates with the same attributes the one heard last replaces the earlier ones on the dates it covers; two heard
    together are `ambiguous-rate`; no rate, or only one in another currency or unit, is `missing-rate`.
    """
    check_frame("rates", rates, RATES)
    check_frame("cards", cards, CARDS)
    rates = rates.with_row_index("rate").with_columns(_specificity())
    shapes = entries.select(_SHAPE).unique().with_row_index("shape")
    candidates = _candidates(shapes, rates, cards)
    keyed = entries.join(shapes, on=_SHAPE, nulls_equal=True).with_row_index("row")
    best = _best(keyed.select("row", "shape", "work_date", "currency"), candidates)
    joined = keyed.join(best, on="row", how="left").drop("shape", "row")
    joined = joined.with_columns(_price_problem().alias("kind"), _price_detail().alias("detail"))
    priced = joined.filter(pl.col("kind").is_null()).join(_trail_pieces(rates), on="rate")
    return Prices(priced=priced, unpriced=joined.filter(pl.col("kind").is_not_null()))


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
    found = []
    for _, group in rates.group_by("specificity"):
        stated = [name for name in ATTRIBUTES if group[name].null_count() == 0]
        if "band" in stated:  # entries carry no time of day
            continue
        left = ["card", *("worker" if name == "person" else name for name in stated)]
        right = ["card", *stated]
        wanted = [*dict.fromkeys([*right, *dated, "currency"])]
        matched = with_cards.join(group.select(wanted), left_on=left, right_on=right)
        found.append(
            matched.select("shape", "rank", "card", *dated, pl.col("currency").alias("rate_currency"))
        )
    if found:
        return pl.concat(found)
    none = with_cards.join(rates, on="card").rename({"currency": "rate_currency"})
    return none.select("shape", "rank", "card", *dated, "rate_currency").clear()


def _best(entries: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """One row per entry that has any match: the winning rate, and how many tie with it."""
    day = pl.col("work_date")
    effective = (pl.col("effective_from") <= day) & (
        pl.col("effective_to").is_null() | (pl.col("effective_to") >= day)
    )
    matches = entries.join(candidates.with_columns(_order()), on="shape").filter(effective)
    best = matches.filter(pl.col("order") == pl.col("order").min().over("row")).sort("row", "rate")
    return best.group_by("row", maintain_order=True).agg(
        pl.col("rate", "card", "price", "unit", "rate_currency").first(), pl.len().alias("ties")
    )


def _order() -> pl.Expr:
    """One number to compare candidates by, lowest first: card, then specificity, then what was heard last."""
    key = pl.struct(pl.col("rank"), -pl.col("specificity"), -pl.col("known_from").to_physical())
    return key.rank("dense").cast(pl.Int64).alias("order")


def _price_problem() -> pl.Expr:
    return (
        pl.when(pl.col("rate").is_null())
        .then(pl.lit("missing-rate"))
        .when(pl.col("ties") > 1)
        .then(pl.lit("ambiguous-rate"))
        .when((pl.col("rate_currency") != pl.col("currency")) | (pl.col("unit") != "hour"))
        .then(pl.lit("missing-rate"))
    )


def _price_detail() -> pl.Expr:
    role = pl.col("role").fill_null("-")
    return (
        pl.when(pl.col("rate").is_null())
        .then(pl.format("no rate for role {}, worker {} on {}", role, "worker", "work_date"))
        .when(pl.col("ties") > 1)
        .then(pl.format("{} equally specific rates on card {} for role {} on {}", "ties", "card", role, "work_date"))
        .otherwise(
            pl.format("card {} prices role {} in {} by the {}, the contract is in {} and bills by the hour", "card",
                      role, "rate_currency", "unit", "currency")
        )
    )  # fmt: skip


def _trail_pieces(rates: pl.DataFrame) -> pl.DataFrame:
    """Per rate the two JSON pieces of the trail: what matched, and the rate's dates."""
    rows = rates.to_dicts()
    matched = [_json({a: row[a] for a in ATTRIBUTES if row[a] is not None}) for row in rows]
    dates = [
        _json({"from": row["effective_from"], "known_from": row["known_from"], "to": row["effective_to"]})
        for row in rows
    ]
    pieces = {"rate": rates["rate"], "trail_matched": matched, "trail_rate": dates}
    return pl.DataFrame(pieces, schema_overrides={"trail_matched": pl.String, "trail_rate": pl.String})


def _json(value: dict[str, object]) -> str:
    plain = {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in value.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
