"""Small builders: a contract's terms over time, what was done, and its revenue by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import (
    CONTRACT_EXISTENCE,
    PLANNED_MILESTONES,
    PROMISES,
    REACHED_MILESTONES,
    READINGS,
    REVENUE_TERMS,
    VARIABLE_ESTIMATES,
    frame,
)
from tieout.domain.revenue import Performance, Recognition, plan_revenue, recognise_to_date

D = Decimal


def day(month: int, number: int, year: int = 2026) -> date:
    return date(year, month, number)


@dataclass
class Case:
    """One accounting contract C-1: `signed` with lines, then `change` by change; facts are added as they come."""

    start: date = date(2026, 1, 1)
    currency: str = "USD"
    allocation: str = "ssp"
    price: Decimal | None = None
    unit: str = "C-1"
    terms: list[dict[str, Any]] = field(default_factory=list)
    promises: list[dict[str, Any]] = field(default_factory=list)
    planned: list[dict[str, Any]] = field(default_factory=list)
    reached: list[dict[str, Any]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    variable: list[dict[str, Any]] = field(default_factory=list)

    def signed(self, *lines: dict[str, Any]) -> Case:
        return self._terms(0, self.start, {"price": self.price}, lines)

    def change(self, on: date, *lines: dict[str, Any], **terms: Any) -> Case:
        return self._terms(len(self.terms), on, terms, lines)

    def _terms(self, number: int, on: date, terms: dict[str, Any], lines: Any) -> Case:
        head = {"unit": self.unit, "change": number, "effective_on": on, "currency": self.currency,
                "allocation": self.allocation}  # fmt: skip
        self.terms.append(head | terms)
        for line in lines:
            row = {
                "unit": self.unit,
                "change": number,
                "since": on,
                "contract": self.unit,
                "entity": "US01",
            } | line
            row.setdefault("obligation", row["line"])
            for milestone, weight in row.pop("weights", {}).items():
                keys = {c: row[c] for c in ("unit", "change", "contract", "line")}
                self.planned.append(keys | {"milestone": milestone, "weight": D(weight)})
            self.promises.append(row)
        return self

    def read(self, on: date, line: str = "1", **quantities: Any) -> Case:
        exact = {k: v if isinstance(v, bool) else D(str(v)) for k, v in quantities.items()}
        self.readings.append({"contract": self.unit, "line": line, "day": on} | exact)
        return self

    def accept(self, on: date, milestone: str, line: str = "1") -> Case:
        self.reached.append({"contract": self.unit, "line": line, "milestone": milestone, "day": on})
        return self

    def estimate(self, on: date, amount: Any, **more: Any) -> Case:
        row = {"unit": self.unit, "variable": "bonus", "change": 0, "day": on, "amount": D(str(amount))}
        self.variable.append(row | more)
        return self

    def performance(self) -> Performance:
        return Performance(
            frame(self.promises, PROMISES), frame(self.planned, PLANNED_MILESTONES),
            frame(self.reached, REACHED_MILESTONES), frame(self.readings, READINGS),
        )  # fmt: skip

    def recognised(self, *days: date, contracts: Sequence[str] = ()) -> Recognition:
        done = self.performance()
        plan = plan_revenue(frame(self.terms, REVENUE_TERMS), frame(self.variable, VARIABLE_ESTIMATES), done)
        exists = [
            {"contract": contract, "signed_on": self.start, "collectible_from": self.start}
            for contract in contracts or [self.unit]
        ]
        return recognise_to_date(plan, done, frame(exists, CONTRACT_EXISTENCE), days=days)

    def revenue(self, *days: date, line: str | None = None) -> list[Decimal]:
        """Revenue to date at the end of each day, of one line or of the contract."""
        rows = self._rows(*days, line=line)
        sums = rows.group_by("day").agg(pl.col("revenue").sum()).sort("day")
        found = dict(sums.iter_rows())
        return [found.get(d, D(0)) for d in days]

    def prices(self, on: date) -> dict[str, Decimal]:
        """What each line is allocated on a day."""
        return dict(self._rows(on, line=None).select("line", "allocated_price").iter_rows())

    def kinds(self, on: date) -> list[str]:
        return sorted(self.recognised(on).findings["kind"].to_list())

    def _rows(self, *days: date, line: str | None) -> pl.DataFrame:
        rows = self.recognised(*days).to_date
        return rows if line is None else rows.filter(pl.col("line") == line)


def units(line: str, price: Any, estimate: Any, **more: Any) -> dict[str, Any]:
    return {"line": line, "method": "units", "price": D(str(price)), "estimate": D(str(estimate))} | more


def cost(line: str, price: Any, estimate: Any, **more: Any) -> dict[str, Any]:
    return {
        "line": line,
        "method": "cost_to_cost",
        "price": D(str(price)),
        "estimate": D(str(estimate)),
    } | more


def time(line: str, price: Any, start: date, end: date, basis: str = "daily", **more: Any) -> dict[str, Any]:
    return {
        "line": line, "method": "straight_line", "basis": basis, "price": D(str(price)), "start": start, "end": end,
    } | more  # fmt: skip


def at(line: str, price: Any, on: date | None, **more: Any) -> dict[str, Any]:
    return {"line": line, "method": "point_in_time", "price": D(str(price)), "end": on} | more
