"""Frames round and divide exactly as Python decimals do."""

import random
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import polars as pl

from tieout.model.decimals import WIDE, ratio, round_by_currency, round_to_minor, widen

ROWS = 100_000


def _decimals(seed: int, low: int, high: int, scale: int) -> list[Decimal]:
    rng = random.Random(seed)
    return [Decimal(rng.randint(low, high)).scaleb(-scale) for _ in range(ROWS)]


def _half_away(value: Fraction, digits: int) -> Decimal:
    scaled = abs(value) * 10**digits
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return (Decimal(whole) if value >= 0 else -Decimal(whole)).scaleb(-digits)


def test_products_round_half_away_from_zero_like_python_decimals() -> None:
    """hours × price × 1.5 × 0.95 on 100,000 random rows, against Decimal with 60 digits."""
    hours, prices = _decimals(1, -2400, 2400, 2), _decimals(2, 1, 90_000, 2)
    df = pl.DataFrame({"h": pl.Series(hours, dtype=WIDE), "p": pl.Series(prices, dtype=WIDE)})
    product = widen("h") * widen("p") * pl.lit(Decimal("1.5")).cast(WIDE) * pl.lit(Decimal("0.95")).cast(WIDE)
    got = df.select(round_to_minor(product, 2).alias("x"))["x"].to_list()
    with localcontext(prec=60):
        expected = [
            (h * p * Decimal("1.425")).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
            for h, p in zip(hours, prices, strict=True)
        ]
    assert got == expected


def test_a_ratio_is_exact_to_the_last_tie() -> None:
    """numerator × amount ÷ denominator on 100,000 random rows of both signs, against fractions."""
    n, a, d = _decimals(3, -(10**9), 10**9, 6), _decimals(4, -(10**10), 10**10, 4), _decimals(5, 1, 10**7, 6)
    df = pl.DataFrame({k: pl.Series(v, dtype=WIDE) for k, v in (("n", n), ("a", a), ("d", d))})
    got = df.select(ratio(pl.col("n"), pl.col("a"), pl.col("d"), 2).alias("x"))["x"].to_list()
    expected = [
        _half_away(Fraction(x) * Fraction(y) / Fraction(z), 2) for x, y, z in zip(n, a, d, strict=True)
    ]
    assert got == expected


def test_exact_ties_go_away_from_zero_and_near_ties_do_not() -> None:
    """1 × 0.05 ÷ 2 = 0.025 -> 0.03, its negative -> -0.03; a denominator a hair larger -> 0.02."""
    rows = [
        ("1", "0.05", "2"),
        ("-1", "0.05", "2"),
        ("1", "-0.05", "-2"),
        ("1", "0.05", "2.000001"),
        ("1", "5", "0"),
    ]
    df = pl.DataFrame({k: pl.Series([Decimal(r[i]) for r in rows], dtype=WIDE) for i, k in enumerate("nad")})
    got = df.select(ratio(pl.col("n"), pl.col("a"), pl.col("d"), 2).alias("x"))["x"].to_list()
    assert got == [Decimal("0.03"), Decimal("-0.03"), Decimal("0.03"), Decimal("0.02"), Decimal(0)]


def test_a_quotient_a_hair_under_a_tie_rounds_down() -> None:
    """50,000,000 ÷ 10,000,000,000.0001 = 0.00499999999999995: at 12 decimals it looks like 0.005, and is not."""
    df = pl.DataFrame({"a": pl.Series([Decimal(50_000_000), Decimal(-50_000_000)], dtype=WIDE)})
    below = pl.lit(Decimal("10000000000.0001")).cast(WIDE)
    got = df.select(ratio(pl.lit(1).cast(WIDE), pl.col("a"), below, 2).alias("x"))["x"].to_list()
    assert got == [Decimal(0), Decimal(0)]


def test_each_currency_rounds_to_its_own_minor_unit() -> None:
    df = pl.DataFrame({"a": pl.Series([Decimal("1.5555")] * 3, dtype=WIDE), "c": ["USD", "JPY", "KWD"]})
    got = df.select(round_by_currency(pl.col("a"), "c", ["USD", "JPY", "KWD"]).alias("x"))["x"].to_list()
    assert got == [Decimal("1.56"), Decimal(2), Decimal("1.556")]
