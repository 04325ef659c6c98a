"""Money in Python decimals: minor units of ISO 4217, the one rounding, exact shares of one amount."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from functools import cache

from babel.core import get_global
from babel.numbers import get_currency_precision


class UnknownCurrency(ValueError):
    """A currency code that ISO 4217 does not list."""


def is_currency(code: str) -> bool:
    """Whether ISO 4217 lists the code."""
    return code in get_global("all_currencies")


@cache
def minor_unit(currency: str) -> int:
    """Decimals of the currency's smallest unit: USD 2, JPY 0, KWD 3."""
    if not is_currency(currency):
        raise UnknownCurrency(f"{currency!r} is not an ISO 4217 currency code")
    return get_currency_precision(currency)


def round_to_minor(amount: Decimal, currency: str) -> Decimal:
    """The amount in the currency's minor unit, rounded half away from zero."""
    with localcontext(prec=60):
        return amount.quantize(Decimal(1).scaleb(-minor_unit(currency)), rounding=ROUND_HALF_UP)


def shown(value: Decimal, currency: str | None = None) -> Decimal:
    """The same number as people write it: the currency's minor unit (2 decimals without one), more where it has more.

    Idle zeros go, nothing is rounded: 100.0000 USD -> 100.00, 1250 JPY -> 1250, a price of 1.234500 -> 1.2345.
    """
    least = minor_unit(currency) if currency and is_currency(currency) else 2
    with localcontext(prec=60):
        held = -int(value.normalize().as_tuple().exponent) if value else 0
        return value.quantize(Decimal(1).scaleb(-max(least, held)))


def apportion(total: Decimal, exact: Sequence[Decimal], currency: str) -> list[Decimal]:
    """The exact amounts in the minor unit, so that they add up to `total`, which is their sum rounded some way.

    Largest remainder, ties to the first; nothing stays nothing while anything else can take what is over.
    """
    unit = Decimal(1).scaleb(-minor_unit(currency))
    with localcontext(prec=60):
        shares = [part.quantize(unit, rounding=ROUND_FLOOR) for part in exact]
        order = [i for i in range(len(exact)) if exact[i]] or list(range(len(exact)))
        order.sort(key=lambda i: (shares[i] - exact[i], i))
        each, rest = divmod(int((total - sum(shares)) / unit), len(order))
        for place, i in enumerate(order):
            shares[i] += (each + (place < rest)) * unit
    return shares


def allocate(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Shares of `total` in proportion to `weights` that add up to it exactly.

    Largest remainder, ties to the first. `total` is already in the minor unit; weights are not negative and not
    all zero.
    """
    whole = sum(weights, Decimal(0))
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights must not be negative and must not all be zero")
    if total != round_to_minor(total, currency):
        raise ValueError(f"{total} has more decimals than {currency} allows")
    sign = -1 if total < 0 else 1
    with localcontext(prec=60):
        exact = [abs(total) * weight / whole for weight in weights]
    return [sign * share for share in apportion(abs(total), exact, currency)]
