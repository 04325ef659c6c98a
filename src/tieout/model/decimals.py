"""Exact decimal arithmetic in frames: widen first, round once, ratios never through a stored share.

Polars keeps the larger input scale in `a * b` and `a / b` and rounds half-even in between, so inputs are widened
to 12 decimals before any product. Two inputs of at most six decimals then multiply exactly.
"""

from __future__ import annotations

import polars as pl

from tieout.model.money import minor_unit

WIDE = pl.Decimal(38, 12)


def widen(column: str | pl.Expr) -> pl.Expr:
    """The column as Decimal(38, 12), ready to be multiplied."""
    return (pl.col(column) if isinstance(column, str) else column).cast(WIDE)


def round_to_minor(expr: pl.Expr, digits: int) -> pl.Expr:
    """Rounded to `digits` decimals, half away from zero; still Decimal(38, 12)."""
    return widen(expr).round(digits, mode="half_away_from_zero")


def round_by_currency(expr: pl.Expr, currency: str, currencies: list[str]) -> pl.Expr:
    """Rounded to the minor unit of the currency named in column `currency`, one of `currencies`."""
    digits: dict[int, list[str]] = {}
    for code in currencies:
        digits.setdefault(minor_unit(code), []).append(code)
    if len(digits) <= 1:
        return round_to_minor(expr, next(iter(digits), 2))
    parts = [
        pl.when(pl.col(currency).is_in(codes)).then(round_to_minor(expr, count))
        for count, codes in digits.items()
    ]
    return pl.coalesce(parts)


def ratio(numerator: pl.Expr, amount: pl.Expr, denominator: pl.Expr, digits: int) -> pl.Expr:
    """numerator × amount ÷ denominator rounded to `digits`, half away from zero, exact to the last tie.

    The quotient is first taken at 12 decimals, then corrected by its remainder, so a value a hair under a half
    never rounds up. Zero where the denominator is zero. Inputs carry at most six decimals.
    """
    product, below = widen(numerator) * widen(amount), widen(denominator)
    safe = pl.when(below == 0).then(pl.lit(1).cast(WIDE)).otherwise(below)
    guess = (product / safe).round(digits, mode="half_away_from_zero")
    unit = pl.lit(1).cast(WIDE) / pl.lit(10**digits).cast(WIDE)
    sign = pl.when((product < 0) != (safe < 0)).then(-1).otherwise(1).cast(WIDE)
    twice = (
        (product - guess * safe) * pl.lit(2).cast(WIDE) * pl.when(safe < 0).then(-1).otherwise(1).cast(WIDE)
    )
    towards = twice * sign
    size = safe.abs() * unit
    step = pl.when(towards >= size).then(sign * unit).when(towards < -size).then(-sign * unit)
    exact = guess + step.otherwise(pl.lit(0).cast(WIDE))
    return pl.when(below == 0).then(pl.lit(0).cast(WIDE)).otherwise(exact)
