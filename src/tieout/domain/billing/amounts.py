"""Exact values of charges in whole numbers: one rounding at the charge, running totals where parts must add up.

Prices and quantities become whole millionths (128-bit integers), so no quotient is rounded before the amount is.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tieout.domain.frames import MONEY, QUANTITY
from tieout.domain.revenue.shares import amount, scale, whole

WHOLE = pl.Int128
MILLION = 1_000_000
LARGEST_WHOLE_VALUE = 10**15
"""Price × quantity, both counted in whole units, that fits the books with its six and four decimals."""


def millionths(column: str | pl.Expr) -> pl.Expr:
    """The decimal (at most six places) as a whole number of millionths."""
    return whole(pl.col(column) if isinstance(column, str) else column, pl.lit(MILLION))


def value_above(price: str, quantity: str, rows: pl.DataFrame) -> pl.Expr:
    """price × quantity in minor units of column `currency`, as the whole number above `VALUE_BELOW`."""
    return millionths(price) * millionths(quantity) * scale(rows)


VALUE_BELOW = MILLION * MILLION


def halves_away(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """above ÷ below (positive) as a whole number, half away from zero; both whole numbers."""
    two = pl.lit(2, WHOLE)
    size = (two * above.abs() + below) // (two * below)
    return pl.when(above < 0).then(pl.lit(0, WHOLE) - size).otherwise(size)


def rounded_parts(rows: pl.DataFrame, *, above: str, below: str, by: Sequence[str]) -> pl.DataFrame:
    """`rows` with `amount`: parts in the order of the rows whose running total is above ÷ below rounded once.

    `above` (minor units × below) and `below` are whole numbers; `below` is the same within a group. The rows come back
    group by group. Domain rules §1, cumulative rounding: parts always add up to the rounded whole.
    """
    grouped = rows.sort(by, maintain_order=True)
    begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in by)
    # one running total over all rows less what stood before the group: a window per group is many times slower
    summed = grouped.with_columns(
        pl.col(above).cum_sum().alias("#sum"), begins.fill_null(True).alias("#begins")
    ).with_columns((pl.col("#begins") | (pl.int_range(pl.len()) == 0)).alias("#begins"))
    before = pl.when("#begins").then(pl.col("#sum") - pl.col(above)).forward_fill()
    running = summed.with_columns((pl.col("#sum") - before).alias("#running"))
    rounded = running.with_columns(halves_away(pl.col("#running"), pl.col(below)).alias("#total"))
    earlier = pl.when("#begins").then(pl.lit(0, WHOLE)).otherwise(pl.col("#total").shift(1))
    part = pl.col("#total") - earlier
    valued = rounded.with_columns(amount(part, scale(rounded)).cast(MONEY).alias("amount"))
    return valued.drop("#sum", "#begins", "#running", "#total", above, below)


def too_large(price: str, quantity: str) -> pl.Expr:
    """Whether price × quantity is beyond what the books can hold exactly."""
    one = pl.lit(1, WHOLE)
    sized = [pl.col(name).abs().cast(pl.Decimal(38, 0)).cast(WHOLE) + one for name in (price, quantity)]
    return sized[0] * sized[1] > pl.lit(LARGEST_WHOLE_VALUE, WHOLE)


def rounded_quantity(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """above ÷ below (both counted in millionths of a unit) as a quantity with six decimals, half away from zero."""
    return (halves_away(above, below).cast(pl.Decimal(38, 6)) / pl.lit(MILLION)).cast(QUANTITY)
