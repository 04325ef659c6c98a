"""The lines of a contract and its caps as one version of its terms states them: checked when they come, read as frames.

A line is {line, project, name, ...} with the terms of LINES, a cap {cap, lines, includes, amount, hours, over}; numbers
are exact text, dates ISO. Terms without a list of lines describe one line themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.hub import converters
from tieout.hub.converters import Unfit

LINE = "1"
"""The one line of terms that list none."""
_MOST = 500

Kind = Callable[[Any], Any]


def _one_of(*words: str) -> Kind:
    return lambda value: converters.enum(value, {word: word for word in words})


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Unfit("a list expected")
    return [converters.text(one) for one in value]


LINE_TERMS: Mapping[str, Kind] = {
    "line": converters.text, "name": converters.text, "project": converters.text,
    "billing_method": _one_of("time_and_materials"), "rate_card": converters.text, "discount": converters.decimal,
    "increment_minutes": converters.integer, "increment_mode": _one_of("up", "nearest", "down"),
    "increment_per": _one_of("entry", "day"), "minimum_hours_per_day": converters.decimal,
    "overtime_daily_after": converters.decimal, "overtime_weekly_after": converters.decimal,
    "overtime_multiplier": converters.decimal, "overtime_basis": _one_of("bill", "work"),
}  # fmt: skip
CAP_TERMS: Mapping[str, Kind] = {
    "cap": converters.text, "lines": _texts, "includes": _texts, "amount": converters.decimal,
    "hours": converters.decimal, "over": _one_of("hold", "write_off"),
}  # fmt: skip


def lines(value: Any) -> list[dict[str, Any]]:
    """The lines as they are kept; Unfit says which of them is wrong and why."""
    found = _checked(value, LINE_TERMS, ("line", "billing_method"))
    named = [row["line"] for row in found]
    if len(set(named)) != len(named):
        raise Unfit("two lines have one name")
    if not found:
        raise Unfit("a contract has at least one line")
    return found


def caps(value: Any) -> list[dict[str, Any]]:
    """The caps as they are kept; a cap without `lines` stands on all of them."""
    return _checked(value, CAP_TERMS, ("over",))


def _checked(value: Any, terms: Mapping[str, Kind], needed: Sequence[str]) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise Unfit(f"a list of at most {_MOST} expected")
    return [_one(row, place, terms, needed) for place, row in enumerate(value, 1)]


def _one(row: Any, place: int, terms: Mapping[str, Kind], needed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise Unfit(f"number {place}: names and values expected")
    if unknown := sorted(set(row) - set(terms)):
        raise Unfit(f"number {place}: there is no term {unknown[0]}")
    told = {name: value for name, value in row.items() if value is not None}
    if missing := [name for name in needed if name not in told]:
        raise Unfit(f"number {place}: {missing[0]} is missing")
    try:
        return {name: _kept(terms[name](value)) for name, value in sorted(told.items())}
    except ValueError as error:
        raise Unfit(f"number {place}: {error}") from None


def _kept(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def read_lines(terms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of one version of a contract's terms, numbers exact again."""
    if terms["lines"] is not None:
        return [_read(row, LINE_TERMS) for row in terms["lines"]]
    own = ("billing_method", "rate_card", "discount", "increment_minutes", "increment_mode")
    return [{"line": LINE, **{name: terms[name] for name in own}}]


def read_caps(terms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The caps of one version of a contract's terms, numbers exact again."""
    if terms["caps"] is not None:
        return [_read(row, CAP_TERMS) for row in terms["caps"]]
    if terms["cap_amount"] is None:
        return []
    return [{"amount": terms["cap_amount"], "over": terms["cap_over"] or "hold"}]


def _read(row: Mapping[str, Any], terms: Mapping[str, Kind]) -> dict[str, Any]:
    return {name: terms[name](value) for name, value in row.items()}
