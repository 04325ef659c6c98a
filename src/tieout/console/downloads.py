"""Tables as files: every row of a list as it is filtered, figures as plain numbers, texts that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from nicegui import ui

from tieout.console import words
from tieout.hub.exceptions import Page
from tieout.model.money import shown

MOST_ROWS = 50_000
_QUANTITIES = ("hours", "quantity")


async def offer(load: Callable[[str | None], Awaitable[Page]], fields: Sequence[str], name: str) -> None:
    """Send every row of a list as `name`.csv; says so where there are more than a file holds."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await load(cursor)
        rows += page.rows
        cursor = page.cursor
        if cursor is None or len(rows) >= MOST_ROWS:
            break
    if cursor is not None:
        ui.notify(
            f"The first {len(rows):,} rows only: choose a narrower filter for the others.", type="warning"
        )
    ui.download.content(as_csv(rows, fields), f"{name}.csv", "text/csv")


def as_csv(rows: Sequence[Mapping[str, Any]], fields: Sequence[str] | None = None) -> bytes:
    """The rows as CSV with a heading; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    columns = list(fields if fields is not None else rows[0] if rows else ())
    out = io.StringIO()
    writer = csv.writer(out)
    if columns:
        writer.writerow(columns)
    writer.writerows([_cell(column, row) for column in columns] for row in rows)
    return out.getvalue().encode()


def _cell(column: str, row: Mapping[str, Any]) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return (
            words.hours(value) if column.endswith(_QUANTITIES) else f"{shown(value, row.get('currency')):f}"
        )
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "＝")
    return f"'{text}" if risky else text
