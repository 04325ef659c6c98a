"""The single values of a scenario file: numbers, texts, dates, amounts, codes, each checked by itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from tieout.hub import converters
from tieout.model.money import minor_unit


def _exact(value: Any) -> Any:
    """Numbers come as int or Decimal; a text or a bool is no number."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"a number expected, got {value!r}")
    return Decimal(value)


def _text(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("text with a NUL character")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _date(value: Any) -> Any:
    if not isinstance(value, date):
        raise ValueError(f"a date such as 2026-01-31 expected, got {value!r}")
    if not converters.EARLIEST <= value <= converters.LATEST:
        raise ValueError(f"a date from {converters.EARLIEST} to {converters.LATEST} expected, got {value}")
    return value


def _six(value: Decimal) -> Decimal:
    if value != round(value, 6):
        raise ValueError(f"{value} has more than 6 decimals")
    return value


def _currency(code: str) -> str:
    minor_unit(code)  # UnknownCurrency says what is wrong
    return code


def _country(code: str) -> str:
    if code not in converters.COUNTRIES:
        raise ValueError(f"an ISO 3166 country such as NO expected, got {code!r}")
    return code


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"a time zone such as America/New_York expected, got {name!r}") from None
    return name


MONEY = "money"
"""Marks a field that holds an amount: it has no more decimals than its currency (`amounts.py`)."""
Number = Annotated[Decimal, BeforeValidator(_exact, json_schema_input_type=float)]
Text = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=200)]
Day = Annotated[date, BeforeValidator(_date, json_schema_input_type=str)]
Share = Annotated[Number, Field(ge=0, le=1)]
NotNegative = Annotated[Number, Field(ge=0)]
Amount = Annotated[Number, MONEY]
Owed = Annotated[NotNegative, MONEY]
Price = Annotated[NotNegative, AfterValidator(_six)]
Rated = Annotated[Number, Field(gt=0), AfterValidator(_six)]
Currency = Annotated[Text, AfterValidator(_currency)]
Country = Annotated[Text, AfterValidator(_country)]
TimeZone = Annotated[Text, AfterValidator(_zone)]
PeriodCode = Annotated[Text, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2]|P(0[1-9]|1[0-3]))$")]
