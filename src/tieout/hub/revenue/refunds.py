"""What of the units' billing is expected to be given back, by obligation and day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import REFUND_INPUT, frame
from tieout.domain.revenue import expected_refunds
from tieout.hub.revenue.credits import CONCESSION, expected_back, places_of
from tieout.hub.revenue.plan import Facts, Planned
from tieout.hub.revenue.terms import Unit
from tieout.model.money import round_to_minor

_ZERO = Decimal(0)
Billed = Mapping[tuple[str, str, date], Decimal]
"""What is billed, net, by unit, obligation and day."""


def refunds(facts: Facts, planned: Planned, billed: Billed) -> dict[tuple[str, str, date], Decimal]:
    """What is expected to be given back of what is billed, by unit, obligation and day."""
    units = {unit.key: unit for unit in facts.units}
    lowering = planned.estimates.filter(pl.col("amount").min().over("unit", "variable") < 0)
    rows: list[dict[str, Any]] = []
    for (key, _), amounts in lowering.group_by("unit", "variable", maintain_order=True):
        rows += _of_amount(units[str(key)], facts, planned.estimates, amounts.sort("day"), billed)
    found = expected_refunds(frame(rows, REFUND_INPUT))
    return {(r["unit"], r["obligation"], r["day"]): r["refund_amount"] for r in found.iter_rows(named=True)}


def _of_amount(
    unit: Unit, facts: Facts, estimates: pl.DataFrame, amounts: pl.DataFrame, billed: Billed
) -> list[dict[str, Any]]:
    """One expected amount on each day that is billed about, with the price of all that it belongs to."""
    currency = str(unit.changes[0].head["currency"])
    of = estimates.filter(pl.col("unit") == unit.key)
    given = _given(unit, facts.documents)
    named = amounts["obligations"].to_list()[0]
    known = list(zip(amounts["day"].to_list(), amounts["amount"].to_list(), strict=True))
    rows = []
    for (key, obligation, day), amount in billed.items():
        expected = -next((a for d, a in reversed(known) if d <= day), _ZERO)
        if key != unit.key or expected <= 0 or (named is not None and obligation not in named):
            continue
        back = sum((a for (_, d), a in given.items() if d <= day), _ZERO)
        own = sum((a for (o, d), a in given.items() if d <= day and o == obligation), _ZERO)
        total = expected_back(of, day)
        left = expected - round_to_minor(min(back, total) * expected / total, currency)
        rows.append(
            {"unit": key, "obligation": obligation, "currency": currency, "day": day, "expected_amount": left,
             "billed_amount": amount + own, "price": _stated(unit, named, day)}
        )  # fmt: skip
    return rows


def _given(unit: Unit, documents: pl.DataFrame) -> dict[tuple[str, date], Decimal]:
    """What concessions gave back by obligation and day."""
    places = places_of(unit)
    found: dict[tuple[str, date], Decimal] = {}
    for row in documents.filter(pl.col("credit_kind") == CONCESSION).iter_rows(named=True):
        obligation = places.get((row["contract"], row["line"]))
        if obligation is not None:
            key = obligation, row["released_on"]
            found[key] = found.get(key, _ZERO) - row["net_amount"]
    return found


def _stated(unit: Unit, named: list[str] | None, day: date) -> Decimal:
    """What the lines cost together that an amount belongs to, on a day."""
    change = [c for c in unit.changes if c.day <= day] or unit.changes[:1]
    return sum(
        (row["price"] or _ZERO for row in change[-1].lines if named is None or row["obligation"] in named),
        _ZERO,
    )
