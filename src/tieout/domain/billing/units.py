"""Units delivered at a price each: pieces, licences, days, whatever the line counts."""

from __future__ import annotations

from datetime import date

import polars as pl

from tieout.domain.billing.amounts import VALUE_BELOW, WHOLE, rounded_parts, too_large, value_above
from tieout.domain.billing.charges import Charged, charge_key, in_charge_order, nothing_charged, trail
from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    ends_after_start,
    in_order,
    known_currency,
    line_record,
    missing,
    no_overlap,
    not_negative,
    plain,
    sound,
)
from tieout.domain.frames import DELIVERIES, UNIT_PRICES, check_frame

KIND = "units"
_INVALID = "invalid-contract"


def unit_charges(deliveries: pl.DataFrame, prices: pl.DataFrame, *, through: date) -> Charged:
    """One charge per delivery (DELIVERIES, the current version of each) on or before `through`.

    Amount = quantity × the price in force on the day (UNIT_PRICES, within the line's start and end), rounded once, due
    that day (scenario format, `units`). A delivery without a price is `missing-rate`, outside the line's dates
    `outside-contract`, below zero `implausible-quantity`; the others go on. A later version of a delivery is a
    correction: `adjust_charges` takes the difference.
    """
    check_frame("deliveries", deliveries, DELIVERIES)
    check_frame("unit prices", prices, UNIT_PRICES)
    if deliveries.is_empty() and prices.is_empty():
        return nothing_charged()
    if deliveries["delivery"].n_unique() != deliveries.height:
        raise ValueError("deliveries holds two versions of one delivery")
    judged = _judge_prices(prices)
    priced = _priced(deliveries, sound(prices, judged))
    bad = _judge_deliveries(sound(priced, judged), prices)
    good = sound(priced, judged).join(bad, left_on="delivery", right_on="record", how="anti")
    due = good.filter(pl.col("day") <= through)
    return Charged(_valued(due), in_order(pl.concat([judged, bad])))


def _judge_prices(prices: pl.DataFrame) -> pl.DataFrame:
    checks = [
        known_currency(prices), missing(_INVALID, "price", "price"), not_negative(_INVALID, "price", "price"),
        missing(_INVALID, "effective_from", "first day of the price"), ends_after_start("start", "end"),
        ends_after_start("effective_from", "effective_to"), no_overlap(LINE, "prices of a line"),
    ]  # fmt: skip
    return complaints(prices, checks, record=line_record(), day="effective_from")


def _priced(deliveries: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Deliveries beside the price in force on their day; null where there is none."""
    joined = deliveries.sort("day").join_asof(
        prices.drop_nulls("effective_from").sort("effective_from"), left_on="day", right_on="effective_from",
        by=LINE, strategy="backward", check_sortedness=False, coalesce=False,
    )  # fmt: skip
    ended = (pl.col("effective_to") < pl.col("day")).fill_null(False)
    return joined.with_columns(pl.when(~ended).then("price").alias("price"))


def _judge_deliveries(priced: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    spans = prices.group_by(LINE).agg(
        pl.col("start").min().alias("line_start"),
        pl.when(pl.col("end").is_null().any()).then(None).otherwise(pl.col("end").max()).alias("line_end"),
        pl.lit(True).alias("known"),
    )
    told = priced.join(spans, on=LINE, how="left")
    outside = (pl.col("day") < pl.col("line_start")).fill_null(False) | (
        pl.col("day") > pl.col("line_end")
    ).fill_null(False)
    on_day = pl.format("delivered on {}", "day")
    checks = [
        missing("invalid-payload", "day", "date"), missing("implausible-quantity", "quantity", "quantity"),
        not_negative("implausible-quantity", "quantity", "quantity"),
        Check("unknown-reference", "a delivery belongs to a line with unit prices", pl.col("known").is_null(),
              line_record()),
        Check("outside-contract", "a delivery lies within the dates of its line", outside, on_day),
        Check("missing-rate", "a price is in force on the day",
              pl.col("price").is_null() & pl.col("known") & ~outside & pl.col("day").is_not_null(), on_day),
        Check(_INVALID, "price × quantity fits the books", too_large("price", "quantity"),
              pl.format("{} × {}", plain("price"), plain("quantity"))),
    ]  # fmt: skip
    return complaints(told, checks, record=pl.col("delivery"), day="day")


def _valued(due: pl.DataFrame) -> pl.DataFrame:
    sized = due.with_columns(
        value_above("price", "quantity", due).alias("#above"), pl.lit(VALUE_BELOW, WHOLE).alias("#below")
    )
    valued = rounded_parts(sized, above="#above", below="#below", by=["delivery"])
    nothing = pl.lit(None, pl.Date)
    why = trail(
        price=plain("price"), quantity=plain("quantity"), rule=pl.lit("units delivered"), unit=pl.col("unit")
    )
    return in_charge_order(
        valued.with_columns(
            charge_key(KIND, "delivery"), pl.lit(KIND).alias("kind"), pl.col("delivery").alias("item"),
            pl.col("day").alias("due_on"), nothing.alias("period_start"), nothing.alias("period_end"), why,
        )
    )  # fmt: skip
