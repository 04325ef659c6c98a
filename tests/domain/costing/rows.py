"""Rows of the costing tests."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

D = Decimal
Row = dict[str, Any]
MONDAY = date(2026, 2, 2)


def worked(key: str, hours: str = "8", **change: Any) -> Row:
    row = {"entry": key, "version": 1, "contract": "C-1", "line": "1", "project": "P-1", "worker": "W1",
           "entity": "US01", "work_date": MONDAY, "worked_hours": D(hours)}  # fmt: skip
    return row | change


def salaried(key: str, hours: str = "8", capacity: str = "40", **change: Any) -> Row:
    return worked(key, hours, salaried=True, weekly_capacity=D(capacity)) | change


def cost_rate(amount: str = "60", **change: Any) -> Row:
    row = {"worker": "W1", "rate": D(amount), "currency": "USD", "burden": D(0), "effective_from": date(2026, 1, 1),
           "heard": 1}  # fmt: skip
    return row | change


def cost(source: str, amount: str, **change: Any) -> Row:
    row = {"source": source, "version": 1, "kind": "labor", "contract": "C-1", "line": "1", "project": "P-1",
           "worker": "W1", "entity": "US01", "event_date": MONDAY, "hours": D(8), "amount": D(amount),
           "currency": "USD"}  # fmt: skip
    return row | change
