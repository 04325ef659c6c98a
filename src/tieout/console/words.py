"""How figures, dates and states are written for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tieout.model.money import shown


def money(amount: Any, currency: str | None = None) -> str:
    """`41,200.00 USD`; negative amounts in parentheses; nothing for nothing."""
    if amount is None:
        return ""
    value = shown(Decimal(str(amount)), currency)
    text = f"{abs(value):,f}"
    text = f"({text})" if value < 0 else text
    return f"{text} {currency}" if currency else text


def hours(value: Any) -> str:
    """`7.5`: hours without idle zeros."""
    return "" if value is None else f"{Decimal(str(value)).normalize():f}"


def day(value: Any) -> str:
    """`2026-03-02`."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value or "")


def moment(value: Any) -> str:
    """`2026-03-02 09:15` UTC."""
    return value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else str(value or "")


def totals(rows: Iterable[Mapping[str, Any]], amount: str = "amount", currency: str = "currency",
           nothing: str = "0.00") -> str:  # fmt: skip
    """The sum per currency: `41,200.00 USD, 900.00 EUR`; `nothing` without any."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row.get(amount) is not None and row.get(currency):
            sums[row[currency]] = sums.get(row[currency], Decimal(0)) + Decimal(str(row[amount]))
    return ", ".join(money(value, code) for code, value in sorted(sums.items())) or nothing


def person(name: Any) -> str:
    """Who, in a list: the name before the domain; the whole address stands where one row is shown."""
    return str(name or "").partition("@")[0]


def count(number: int, one: str, many: str = "") -> str:
    """`3 invoices`, `1 invoice`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
