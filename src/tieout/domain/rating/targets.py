"""Which events a person's request means: an entry's, or the open ones of a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import polars as pl

Row = Mapping[str, Any]
ZERO = Decimal(0)


def by_line(events: pl.DataFrame, requests: pl.DataFrame) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The events of the lines that requests name, in order of (date, entry, event)."""
    lines = requests.select("contract", "line").unique()
    touched = events.join(lines, on=["contract", "line"], how="semi").sort("work_date", "entry", "event")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in touched.iter_rows(named=True):
        found.setdefault((row["contract"], row["line"]), []).append(row)
    return found


def of_request(request: Row, events: Mapping[tuple[str, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The events of the request's entry, or of its line where it names none."""
    rows = events.get((request["contract"], request["line"]), [])
    return [row for row in rows if request["entry"] is None or row["entry"] == request["entry"]]


def total(values: Iterable[Decimal]) -> Decimal:
    """The sum of exact amounts."""
    return sum(values, ZERO)


def refused(request: Row, name: str, code: str, detail: str) -> dict[str, Any]:
    """A row of REFUSED_REQUESTS."""
    kept = {key: request[key] for key in ("contract", "line", "entry", "amount")}
    return {"request": request[name], **kept, "code": code, "detail": detail}
