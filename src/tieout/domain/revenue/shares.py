"""Exact shares of amounts in frames: largest remainder at one moment, one rounding of a running total over time.

Amounts become whole minor units (128-bit integers), so a share is decided by its exact remainder, never by a
quotient that was rounded before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from tieout.domain.frames import MONEY, SHARE
from tieout.model.money import minor_unit

_WHOLE = pl.Int128
_FINE = pl.Decimal(38, 6)
_CENTS = pl.Decimal(38, 4)


def largest_remainder(
    rows: pl.DataFrame, *, total: str, weight: str, by: Sequence[str], share: str
) -> pl.DataFrame:
    """`rows` with the column `share`: parts of `total` in proportion to `weight` that add up to it within `by`.

    Largest remainder in the minor unit of column `currency`, ties to the first row. Rows of one group carry the same
    total. Where all weights of a group are zero its rows share alike. Same rule as `model.money.allocate`.
    """
    if rows.is_empty():
        return rows.with_columns(pl.lit(None, MONEY).alias(share))
    fine = whole(pl.col(weight).cast(_FINE), pl.lit(1_000_000))
    sized = rows.with_columns(scale(rows).alias("#scale"), fine.alias("#weight")).with_columns(
        whole(pl.col(total).abs(), pl.col("#scale")).alias("#units"),
        pl.when(pl.col("#weight").sum().over(by) == 0)
        .then(pl.lit(1, _WHOLE))
        .otherwise(pl.col("#weight"))
        .alias("#weight"),
    )
    product, sum_of_weights = pl.col("#units") * pl.col("#weight"), pl.col("#weight").sum().over(by)
    parts = sized.with_columns(
        (product // sum_of_weights).alias("#part"),
        (sum_of_weights - product % sum_of_weights).alias("#short"),
    )
    left = pl.col("#units") - pl.col("#part").sum().over(by)
    first = pl.col("#short").rank("ordinal").over(by) <= left
    units = pl.col("#part") + first.cast(_WHOLE)
    sign = pl.when(pl.col(total) < 0).then(-1).otherwise(1).cast(_CENTS)
    shared = parts.with_columns((amount(units, pl.col("#scale")) * sign).cast(MONEY).alias(share))
    return shared.drop("#scale", "#weight", "#units", "#part", "#short")


def portion(value: pl.Expr, done: pl.Expr, of: pl.Expr, scale: pl.Expr) -> pl.Expr:
    """value × done ÷ of, rounded once to the minor unit, half away from zero; exact to the last tie.

    `done` and `of` carry at most six decimals and `of` is positive; `value` is in the minor unit already.
    """
    units = whole(value.abs(), scale)
    above, below = whole(done.cast(_FINE), pl.lit(1_000_000)), whole(of.cast(_FINE), pl.lit(1_000_000))
    two = pl.lit(2, _WHOLE)
    rounded = (two * units * above + below) // (two * below)
    sign = pl.when(value < 0).then(-1).otherwise(1).cast(_CENTS)
    return (amount(rounded, scale) * sign).cast(MONEY)


def share_of(done: pl.Expr, of: pl.Expr) -> pl.Expr:
    """done ÷ of as a share with six decimals, half away from zero; 0 where `of` is not positive. For reading only."""
    above, below = whole(done, pl.lit(1_000_000)), whole(of, pl.lit(1_000_000))
    millionths = (pl.lit(2_000_000, _WHOLE) * above + below) // (pl.lit(2, _WHOLE) * below)
    share = millionths.cast(_FINE) / pl.lit(1_000_000).cast(_FINE)
    return pl.when(of > 0).then(share).otherwise(0).cast(SHARE)


def in_minor_unit(value: pl.Expr, scale: pl.Expr) -> pl.Expr:
    """The amount rounded to the minor unit, half away from zero."""
    one = pl.lit(1).cast(_FINE)
    fine = whole(value.abs(), pl.lit(10_000))
    tenth = pl.lit(10_000, _WHOLE)
    two = pl.lit(2, _WHOLE)
    rounded = (two * fine * scale.cast(_WHOLE) + tenth) // (two * tenth)
    sign = pl.when(value < 0).then(-one).otherwise(one).cast(_CENTS)
    return (amount(rounded, scale) * sign).cast(MONEY)


def scale(rows: pl.DataFrame, column: str = "currency") -> pl.Expr:
    """How many minor units one unit of each row's currency has: USD 100, JPY 1, KWD 1000."""
    known = {code: 10 ** minor_unit(code) for code in rows[column].unique().drop_nulls().to_list()}
    if not known:
        return pl.lit(100, _WHOLE)
    return pl.col(column).replace_strict(known, return_dtype=pl.Int64).cast(_WHOLE)


def whole(value: pl.Expr, units: pl.Expr) -> pl.Expr:
    """The amount as a whole number of its smallest units."""
    return (value.cast(_FINE) * units.cast(pl.Decimal(38, 0)).cast(_FINE)).cast(_WHOLE)


def amount(units: pl.Expr, scale: pl.Expr) -> pl.Expr:
    """Whole minor units as an amount again, Decimal(38, 4)."""
    return units.cast(_CENTS) / scale.cast(_CENTS)


def stacked(parts: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """The parts one under the other with exactly these columns; no parts are no rows."""
    chosen = [
        part.select(pl.col(column).cast(dtype) for column, dtype in schema.items())
        for part in parts
        if not part.is_empty()
    ]
    return pl.concat(chosen) if chosen else pl.DataFrame(schema=schema)
