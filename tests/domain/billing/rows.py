"""Rows of billing terms and facts with the defaults of a small firm, and what the tests read from the results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import HealthCheck, Phase, settings

from tieout.domain.frames import CHARGES, HELD_CHARGES, frame

D = Decimal
FOREVER = date(2099, 12, 31)
few = settings(
    phases=[Phase.explicit, Phase.generate],
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def day(text: str) -> date:
    return date.fromisoformat(text)


def exact(value: Any) -> Decimal | None:
    return None if value is None else D(str(value))


def table(schema: pl.Schema, rows: Iterable[Mapping[str, Any]], **defaults: Any) -> pl.DataFrame:
    """Rows with text where a date or decimal belongs."""
    base = {"contract": "C-1", "line": "1", "currency": "USD"} | defaults
    return frame([_row(schema, base | dict(row)) for row in rows], schema)


def _row(schema: pl.Schema, row: Mapping[str, Any]) -> dict[str, Any]:
    read = {}
    for name, dtype in schema.items():
        value = row.get(name)
        if isinstance(dtype, pl.Decimal):
            value = exact(value)
        elif dtype == pl.Date and isinstance(value, str):
            value = day(value)
        read[name] = value
    return read


def amounts(charges: pl.DataFrame) -> list[Decimal]:
    return charges["amount"].to_list()


def due(charges: pl.DataFrame) -> list[tuple[str, Decimal]]:
    """(day, amount) of each charge."""
    return [(str(on), amount) for on, amount in charges.select("due_on", "amount").iter_rows()]


def kinds(findings: pl.DataFrame) -> list[str]:
    return sorted(set(findings["kind"].to_list()))


class Ledger:
    """Stored charges as a plain model: applies `adjust_charges` and bills the way a flow must."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def held(self) -> pl.DataFrame:
        return frame(self.rows, HELD_CHARGES)

    def apply(self, adjusted: Any) -> None:
        for back in adjusted.set_back.iter_rows(named=True):
            row = next(row for row in self.rows if row["event"] == back["event"])
            row["quantity"] -= back["quantity"]
            row["amount"] -= back["amount"]
        zero = {"billed_quantity": D(0), "billed_amount": D(0)}
        for new in adjusted.new.select(CHARGES.names()).iter_rows(named=True):
            self.rows.append({**new, **zero, "event": f"ev{len(self.rows):04}"})

    def bill(self, through: date = FOREVER) -> list[Decimal]:
        """Bill all that is due; the amounts of the lines."""
        billed = []
        for row in self.rows:
            if row["due_on"] <= through and row["amount"] != row["billed_amount"]:
                billed.append(row["amount"] - row["billed_amount"])
                row["billed_amount"], row["billed_quantity"] = row["amount"], row["quantity"]
        return billed
