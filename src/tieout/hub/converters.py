"""Converters of the mappings: one source value into one canonical value, strictly; what does not fit is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from babel import Locale

EARLIEST, LATEST = date(1990, 1, 1), date(2100, 12, 31)
LARGEST = Decimal(10) ** 15
LONGEST = 4000
_SIX = Decimal("0.000001")
_NUMBER = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$", re.ASCII)
_DATE = re.compile(r"^(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?$", re.ASCII)
_LOCALE = Locale("en")
_CURRENCIES = frozenset(_LOCALE.currencies)
COUNTRIES = frozenset(str(code) for code in _LOCALE.territories if re.fullmatch("[A-Z]{2}", str(code))) - {
    "ZZ",
    "EU",
    "UN",
}


class Unfit(ValueError):
    """A value that a converter refuses; the text says what was seen and expected."""


class Unmapped(ValueError):
    """A value that the table of an enum does not hold."""


def text(value: Any) -> str:
    """Text as it came; numbers (ids) as their digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unfit(f"text expected, got {_shown(value)}")
    result = format(value, "f") if isinstance(value, Decimal) else str(value)
    if "\x00" in result:
        raise Unfit("text with a NUL character")
    try:
        result.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unfit("text that is not valid Unicode") from error
    if len(result) > LONGEST:
        raise Unfit(f"text of {len(result)} characters, at most {LONGEST} are taken")
    return result


def decimal(value: Any) -> Decimal:
    """An exact number from a number or its text; never NaN, infinite or beyond 10^15."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unfit(f"a number expected, got {_shown(value)}")
    if isinstance(value, str) and not _NUMBER.match(value):
        raise Unfit(f"a number expected, got {_shown(value)}")
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise Unfit(f"a number expected, got {_shown(value)}") from error
    if not number.is_finite() or abs(number) >= LARGEST:
        raise Unfit(f"a number below 10^15 expected, got {_shown(value)}")
    return number


def unsigned(value: Any) -> Decimal:
    """An exact number that is not below zero."""
    number = decimal(value)
    if number < 0:
        raise Unfit(f"a number not below zero expected, got {number}")
    return number


def integer(value: Any) -> int:
    """A whole number (8, "8" and 8.0 are the same; 8.5 is refused)."""
    number = decimal(value)
    if number != number.to_integral_value():
        raise Unfit(f"a whole number expected, got {_shown(value)}")
    if abs(number) > 2**31 - 1:
        raise Unfit(f"a whole number within 32 bits expected, got {_shown(value)}")
    return int(number)


def civil_date(value: Any) -> date:
    """The civil date of an ISO date or datetime, as the source wrote it (no shift between zones)."""
    match = _DATE.match(value) if isinstance(value, str) else None
    if match is None:
        raise Unfit(f"an ISO date expected, got {_shown(value)}")
    try:
        result = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise Unfit(f"a date of the calendar expected, got {_shown(value)}") from error
    if not EARLIEST <= result <= LATEST:
        raise Unfit(f"a date from {EARLIEST} to {LATEST} expected, got {_shown(value)}")
    return result


def timestamp(value: Any) -> datetime:
    """A moment in UTC; a zone is needed."""
    civil_date(value)
    try:
        moment = datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value.replace("Z", "+00:00")))
    except ValueError as error:
        raise Unfit(f"an ISO moment expected, got {_shown(value)}") from error
    if moment.tzinfo is None:
        raise Unfit(f"a moment with its zone expected, got {_shown(value)}")
    return moment.astimezone(timezone.utc)


_FLAGS = {"true": True, "t": True, "false": False, "f": False}


def boolean(value: Any) -> bool:
    """true/false, also as the words true/false and T/F."""
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(value.lower()) if isinstance(value, str) else None
    if flag is None:
        raise Unfit(f"true or false expected, got {_shown(value)}")
    return flag


def currency(value: Any) -> str:
    """An ISO 4217 code."""
    if not isinstance(value, str) or value not in _CURRENCIES:
        raise Unfit(f"an ISO 4217 currency expected, got {_shown(value)}")
    return value


def country(value: Any) -> str:
    """An ISO 3166 two-letter code, or the English name of a country."""
    if isinstance(value, str):
        if value in COUNTRIES:
            return value
        code = _NAMES.get(value.casefold())
        if code is not None:
            return code
    raise Unfit(f"an ISO 3166 country expected, got {_shown(value)}")


def minutes_to_hours(value: Any) -> Decimal:
    """Hours with six decimals from whole minutes."""
    return (Decimal(integer(value)) / 60).quantize(_SIX)


def cents_to_amount(value: Any) -> Decimal:
    """An amount in currency units from hundredths."""
    return Decimal(integer(value)).scaleb(-2)


def percent_to_share(value: Any) -> Decimal:
    """A share of one from per cent (12.5 -> 0.125), 0 to 100 with at most four decimals."""
    percent = decimal(value)
    if not 0 <= percent <= 100 or percent != round(percent, 4):
        raise Unfit(f"per cent from 0 to 100 of at most four decimals expected, got {percent}")
    return percent.scaleb(-2)


def number_text(value: Any) -> str:
    """Digits only, as text: numbers that are names (12 and "12" are the same, 12.0 is refused)."""
    result = text(value)
    if not (result.isascii() and result.isdigit()):
        raise Unfit(f"digits expected, got {_shown(value)}")
    return result


def enum(value: Any, values: Mapping[str, Any]) -> Any:
    """The canonical word for a source's word."""
    name = str(value).lower() if isinstance(value, bool) else text(value)
    if name not in values:
        raise Unmapped(f"the value {_shown(value)} is not in the table ({', '.join(map(str, values))})")
    return values[name]


_NAMES = {
    name.casefold(): code for code, name in _LOCALE.territories.items() if code in COUNTRIES
} | {"united states of america": "US", "usa": "US"}  # fmt: skip

CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": text, "integer": integer, "decimal": decimal, "unsigned": unsigned, "date": civil_date, "timestamp": timestamp,
    "boolean": boolean, "currency": currency, "country": country, "minutes_to_hours": minutes_to_hours,
    "cents_to_amount": cents_to_amount, "percent_to_share": percent_to_share, "number_text": number_text,
}  # fmt: skip


def _shown(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
