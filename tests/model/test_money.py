"""Minor units, the one rounding, and shares that add up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.model.money import UnknownCurrency, allocate, apportion, minor_unit, round_to_minor, shown


def test_minor_units_follow_iso_4217() -> None:
    assert [minor_unit(code) for code in ("USD", "JPY", "KWD")] == [2, 0, 3]
    with pytest.raises(UnknownCurrency):
        minor_unit("DOLLARS")


def test_rounding_is_half_away_from_zero() -> None:
    """Binary floats print 987.34; the exact amount is a tie (Dynamics 365 rounding table, 987.345 at 0.01)."""
    assert round_to_minor(Decimal("987.345"), "USD") == Decimal("987.35")
    assert round_to_minor(Decimal("-0.005"), "USD") == Decimal("-0.01")


def test_the_largest_remainder_wins_and_ties_go_to_the_first() -> None:
    third = [Decimal(1)] * 3
    assert allocate(Decimal("100.00"), third, "USD") == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]
    assert allocate(Decimal("-100.00"), third, "USD")[0] == Decimal("-33.34")


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any))
def test_shares_always_add_up(cents: int, weights: list[int]) -> None:
    total = Decimal(cents).scaleb(-2)
    assert sum(allocate(total, [Decimal(w) for w in weights], "USD")) == total


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("100.0000", "USD", "100.00"),
        ("0", "USD", "0.00"),
        ("1250.0000", None, "1250.00"),
        ("1250.0000", "JPY", "1250"),
        ("1.2000", "KWD", "1.200"),
        ("79.515000", "USD", "79.515"),
        ("-0.5", "USD", "-0.50"),
        ("12345678901234567890.1234", "USD", "12345678901234567890.1234"),
    ],
)
def test_an_amount_is_shown_in_its_minor_unit_and_never_rounded(
    value: str, currency: str | None, text: str
) -> None:
    assert f"{shown(Decimal(value), currency):f}" == text


def test_exact_amounts_take_the_rounding_of_their_sum() -> None:
    """0.19 of 10.03, -2.00 and 0 are 1.9057, -0.38 and 0, in sum 1.5257: whatever the total, nothing stays nothing."""
    exact = [Decimal("1.9057"), Decimal("-0.38"), Decimal(0)]
    for total, shares in (("1.53", ["1.91", "-0.38", "0"]), ("1.52", ["1.90", "-0.38", "0"]),
                          ("1.51", ["1.90", "-0.39", "0"])):  # fmt: skip
        assert apportion(Decimal(total), exact, "EUR") == [Decimal(share) for share in shares]
