"""Tiers: what a quantity of a period costs, band by band, after the units that are included."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from tieout.domain.billing.amounts import (
    VALUE_BELOW,
    WHOLE,
    millionths,
    rounded_parts,
    too_large,
    value_above,
)
from tieout.domain.billing.charges import Charged, charge_key, in_charge_order, nothing_charged, trail
from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    in_minor_unit,
    in_order,
    known_currency,
    line_record,
    missing,
    no_overlap,
    not_negative,
    one_of,
    plain,
    sound,
)
from tieout.domain.frames import QUANTITY, TIERS, USAGE_TERMS, USED, check_frame

KIND = "usage"
MODES = ("graduated", "volume", "package")
_INVALID = "invalid-contract"
_TERMS = [*LINE, "effective_from"]
_ZERO = pl.lit(0).cast(QUANTITY)
_OPEN = pl.lit(Decimal("99999999999999.999999")).cast(QUANTITY)
"""The largest quantity there is, as the end of the last tier."""


def usage_charges(used: pl.DataFrame, terms: pl.DataFrame, tiers: pl.DataFrame) -> Charged:
    """Charges of reconciled usage (USED) by its terms and tiers (USAGE_TERMS, TIERS): one per band and period.

    Terms are those in force on the period's first day, tiers those of the same `effective_from`; tiers count from
    zero on what is left after `included`, and both restart with each period. `up_to` is inclusive, null in the last.
    *graduated* prices the units of each band at its price; *volume* all units at the price of the band reached;
    *package* the units of each band in whole packages of `package_size`, rounded up, at a price per package. A
    `flat_amount` is charged once for a band that is reached, on a line of its own. The sum of a period is rounded
    once, each band is the difference of running totals. Domain rules §1, §2.12.
    """
    check_frame("used", used, USED)
    check_frame("usage terms", terms, USAGE_TERMS)
    check_frame("tiers", tiers, TIERS)
    if used.is_empty() and terms.is_empty() and tiers.is_empty():
        return nothing_charged()
    judged = pl.concat([_judge_terms(terms, tiers), _judge_tiers(tiers, terms)])
    told = _with_terms(used, sound(terms, judged))
    bad = _judge_used(told, judged)
    priced = told.filter(pl.col("mode").is_not_null() & (pl.col("quantity") >= 0))
    banded = _banded(priced, tiers)
    large = Check(
        _INVALID, "price × quantity fits the books", too_large("price", "quantity"), pl.format(
            "{} × {}", plain("price"), plain("quantity"))
    )  # fmt: skip
    oversized = complaints(banded, [large], record=line_record(), day="period_start")
    findings = in_order(pl.concat([judged, bad, oversized]))
    return Charged(_valued(sound(banded, oversized)), findings)


def _judge_terms(terms: pl.DataFrame, tiers: pl.DataFrame) -> pl.DataFrame:
    counted = tiers.group_by(_TERMS).agg(pl.len().alias("tiers"))
    rows = terms.join(counted, on=_TERMS, how="left")
    package = pl.col("mode") == "package"
    checks = [
        known_currency(rows), one_of(_INVALID, "mode", MODES, "mode"), no_overlap(LINE, "terms of a line"),
        missing(_INVALID, "effective_from", "first day of the terms"),
        not_negative(_INVALID, "included", "included"),
        Check(_INVALID, "a package has a size", package & (pl.col("package_size").fill_null(0) <= 0),
              plain("package_size")),
        Check("missing-rate", "usage has a price", pl.col("tiers").is_null(), pl.lit("no tiers")),
    ]  # fmt: skip
    return complaints(rows, checks, record=line_record(), day="effective_from")


def _judge_tiers(tiers: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    rows = tiers.join(terms.select(*_TERMS, "currency"), on=_TERMS, how="left")
    open_ones = pl.col("up_to").is_null().sum().over(_TERMS)
    checks = [
        missing(_INVALID, "price", "price"), not_negative(_INVALID, "price", "price"),
        not_negative(_INVALID, "flat_amount", "flat amount"), in_minor_unit(rows, "flat_amount"),
        Check(_INVALID, "a tier ends above zero", pl.col("up_to") <= 0, plain("up_to")),
        Check(_INVALID, "tiers end at different quantities", pl.len().over(*_TERMS, "up_to") > 1,
              pl.format("two tiers up to {}", plain("up_to").fill_null("the end"))),
        Check(_INVALID, "the last tier, and only it, is open", open_ones != 1, pl.format("{} open tiers", open_ones)),
    ]  # fmt: skip
    return complaints(rows, checks, record=line_record(), day="effective_from")


def _with_terms(used: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Usage beside the terms in force on its period's first day; null where there are none."""
    chosen = terms.select(
        *LINE, "currency", "effective_from", "effective_to", "unit", "included", "mode", "package_size"
    )
    joined = used.sort("period_start").join_asof(
        chosen.sort("effective_from"), left_on="period_start", right_on="effective_from", by=LINE,
        strategy="backward", check_sortedness=False, coalesce=False,
    )  # fmt: skip
    ended = (pl.col("effective_to") < pl.col("period_start")).fill_null(False)
    return joined.with_columns(pl.when(~ended).then("mode").alias("mode"))


def _judge_used(told: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Negative quantities; usage of lines without terms then, unless the terms themselves were refused."""
    checks = [not_negative("implausible-quantity", "quantity", "quantity")]
    homeless = Check(
        "outside-contract", "usage lies within terms of its line", pl.col("mode").is_null(),
        pl.format("{} to {}", "period_start", "period_end"),
    )  # fmt: skip
    return pl.concat(
        [
            complaints(told, checks, record=line_record(), day="period_start"),
            complaints(sound(told, judged), [homeless], record=line_record(), day="period_start"),
        ]
    )


def _banded(priced: pl.DataFrame, tiers: pl.DataFrame) -> pl.DataFrame:
    """One row per period and band with something in it; `quantity` is what the band's price multiplies."""
    ordered = tiers.sort(*_TERMS, "up_to", nulls_last=True).with_columns(
        pl.col("up_to").shift(1).over(_TERMS).fill_null(_ZERO).alias("lower"),
        (pl.int_range(pl.len()).over(_TERMS) + 1).alias("band"),
        pl.col("up_to").fill_null(_OPEN),
    )
    joined = priced.rename({"quantity": "used"}).join(ordered, on=_TERMS, how="inner")
    left = (pl.col("used") - pl.col("included").fill_null(0)).clip(lower_bound=0).cast(QUANTITY)
    told = joined.with_columns(left.alias("net"))
    inside = pl.min_horizontal("net", "up_to") - pl.col("lower")
    reached = (pl.col("net") > pl.col("lower")) & (pl.col("net") <= pl.col("up_to"))
    units = (
        pl.when(pl.col("mode") == "volume")
        .then(pl.when(reached).then("net").otherwise(_ZERO))
        .otherwise(inside)
    )
    banded = told.with_columns(units.cast(QUANTITY).alias("units")).filter(pl.col("units") > 0)
    size = millionths(pl.col("package_size").fill_null(1))
    size = pl.when(size <= 0).then(pl.lit(1, WHOLE)).otherwise(size)
    packages = ((millionths("units") + size - 1) // size).cast(pl.Decimal(38, 0)).cast(QUANTITY)
    counted = pl.when(pl.col("mode") == "package").then(packages).otherwise("units")
    return banded.with_columns(counted.cast(QUANTITY).alias("quantity"))


def _valued(banded: pl.DataFrame) -> pl.DataFrame:
    by = [*LINE, "period_start"]
    sized = banded.sort(*by, "band").with_columns(
        value_above("price", "quantity", banded).alias("#above"), pl.lit(VALUE_BELOW, WHOLE).alias("#below")
    )
    bands = rounded_parts(sized, above="#above", below="#below", by=by).with_columns(
        charge_key(KIND, "period_start", "band"), pl.format("tier {}", "band").alias("item")
    )
    flats = banded.filter(pl.col("flat_amount") > 0).with_columns(
        pl.lit(1).cast(QUANTITY).alias("quantity"), pl.col("flat_amount").cast(TIERS["price"]).alias("price"),
        pl.col("flat_amount").alias("amount"), charge_key(KIND, "period_start", "band", pl.lit("flat")),
        pl.format("tier {} flat", "band").alias("item"),
    )  # fmt: skip
    why = trail(
        band=pl.col("band"), included=plain("included"), mode=pl.col("mode"), package_size=plain("package_size"),
        price=plain("price"), rule=pl.lit("usage"), units=plain("units"), used=plain("used"), unit=pl.col("unit"),
    )  # fmt: skip
    both = pl.concat([bands.select(sorted(bands.columns)), flats.select(sorted(bands.columns))])
    return in_charge_order(both.with_columns(pl.lit(KIND).alias("kind"), why))
