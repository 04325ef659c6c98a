"""The cells of a price list: text, prices and dates as people write them, or why they cannot be used."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Any

LONGEST_TEXT = 200
NOT_STATED = {"", "n/a", "na", "none", "-"}
_PRICE = re.compile(r"\$?\s*((?:\d{1,3}(?:,\d{3})+|\d{1,14})(?:\.\d+)?)\s*(?:USD)?")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})")
_PUNCTUATION = set(" ()[]{}/\\&,.:;'\"’‘“”–—-#*%@_!?<>=|+$€£®™°")


class Unusable(ValueError):
    """A cell that cannot be used; the text says what is wrong and what was expected."""


def shown(cell: Any) -> str:
    """A cell as a message shows it: short, on one line."""
    text = " ".join(str(cell).split()) if cell is not None else ""
    return text if len(text) <= 60 else text[:57] + "…"


def text(cell: Any) -> str:
    """A cell's text with single spaces; numbers as a spreadsheet shows them (15 digits)."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{Decimal(format(cell, '.15g')):f}".removesuffix(".0")
    return " ".join(str(cell).split())


def label(cell: Any) -> str | None:
    """A role or another attribute; None when the cell is empty."""
    words = text(cell)
    if words.casefold() in NOT_STATED:
        return None
    if words[0] in "=+@":
        raise Unusable("a formula, not a text: save the file with its values")
    strange = sorted({c for c in words if not (c in _PUNCTUATION or unicodedata.category(c)[0] in "LMN")})
    if strange:
        listed = ", ".join(ascii(c) for c in strange[:4])
        raise Unusable(f"characters that no text here has ({listed}): the file was saved in another encoding")
    if len(words) > LONGEST_TEXT:
        raise Unusable(f"longer than {LONGEST_TEXT} characters")
    return words


def price(cell: Any) -> Decimal:
    """A price above zero with at most six decimals; `$` and thousands commas are understood."""
    words = text(cell)
    if not words:
        raise Unusable("empty: a price is expected")
    if words.startswith("="):
        raise Unusable("a formula, not a price: save the file with its values")
    match = _PRICE.fullmatch(words)
    if match is None:
        raise Unusable("not a price: a number above zero such as 1,013.38 is expected")
    amount = Decimal(match[1].replace(",", ""))
    if amount <= 0:
        raise Unusable("a price above zero is expected")
    if -int(amount.normalize().as_tuple().exponent) > 6:
        raise Unusable("at most six decimals can be kept")
    return amount


def day(cell: Any, us: bool) -> date | None:
    """A date: ISO, or month/day/year in a list of the United States; None when the cell is empty or N/A."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    words = text(cell)
    if words.casefold() in NOT_STATED:
        return None
    expected = "month/day/year such as 6/1/2006" if us else "YYYY-MM-DD"
    match = _SLASHED.fullmatch(words) if us else None
    try:
        if match is None:
            return date.fromisoformat(words)
        year = int(match[3]) + (2000 if len(match[3]) == 2 else 0)
        return date(year, int(match[1]), int(match[2]))
    except ValueError:
        raise Unusable(f"not a date: {expected} is expected") from None


def unit(cell: Any) -> str:
    """`hour` or `day`."""
    words = text(cell).casefold().removeprefix("per ").strip()
    found = {"": "hour", "hour": "hour", "hours": "hour", "hourly": "hour", "day": "day", "daily": "day"}.get(
        words
    )
    if found is None:
        raise Unusable("not a price of an hour or a day")
    return found
