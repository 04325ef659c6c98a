"""JSON whose numbers keep their digits: fractions are read as Decimal and written as they are, never as float."""

from __future__ import annotations

import json
import re
import secrets
from datetime import date, datetime
from decimal import Decimal
from typing import Any

_MARK = secrets.token_hex(8)
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


def dumps(value: Any) -> str:
    """JSON text; a Decimal becomes a number with its own digits, a date its ISO text."""
    text = json.dumps(value, default=_plain, ensure_ascii=True, separators=(",", ":"))
    return _MARKED.sub(r"\1", text) if _MARK in text else text


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; fractions as Decimal."""
    return json.loads(text, parse_float=Decimal)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("a number of a record must be finite")
        return f"{_MARK}{value:f}"  # taken out of its quotes again by `dumps`
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a record holds no {type(value).__name__}")
