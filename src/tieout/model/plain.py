"""Values as JSON knows them, for every door: exact numbers as strings, money in its currency's minor unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tieout.model.money import is_currency, shown

_COUNTED = (
    "hours",
    "quantity",
    "rate",
    "share",
    "discount",
    "multiplier",
    "progress",
    "percent",
    "days",
    "minutes",
    "fx",
)
"""Names of exact numbers that are no money end so; every other one is an amount or a price."""


def plain(value: Any, currency: str | None = None, name: str = "") -> Any:
    """A value as JSON. Floats are for measured seconds and ratios only.

    Amounts and prices stand in the minor unit of the `currency` of their record or of what holds it (two decimals where
    there is none), hours and other numbers without idle zeros. Nothing is rounded: a price keeps the decimals it has.
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        named = value.get("currency")
        inside = named if isinstance(named, str) else currency
        return {str(key): plain(item, _currency_of(key, inside), str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, currency, name) for item in value]
    if isinstance(value, Decimal):
        return _number(value, currency, name)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value) if isinstance(value, UUID) else value


def _currency_of(key: Any, currency: str | None) -> str | None:
    """Sums by currency have the currency as their name."""
    return key if isinstance(key, str) and is_currency(key) else currency


def _number(value: Decimal, currency: str | None, name: str) -> str:
    if not value.is_finite():
        return str(value)
    if name.endswith(_COUNTED):
        return f"{value.normalize():f}" if value else "0"
    return f"{shown(value, currency):f}"
