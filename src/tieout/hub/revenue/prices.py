"""The fixed price of a contract line, from its billing plan; what is billed by quantity alone has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.billing import recurring_charges
from tieout.domain.frames import RECURRING_TERMS, frame
from tieout.hub.contract_lines import items
from tieout.hub.rating.plans import fee_terms
from tieout.model.money import round_to_minor

PERIODIC = ("recurring", "retainer")
"""Billing methods whose price is a fee per period."""


@dataclass(frozen=True)
class Fee:
    """The fee of a line under one version of its terms, and on which of its days it holds."""

    line: Mapping[str, Any]
    effective_from: date
    effective_to: date | None


def fixed_price(line: Mapping[str, Any], currency: str) -> Decimal | None:
    """The amount of a line, else what its schedule or milestones add up to, or its units; none for fees by period."""
    method = line["billing_method"]
    if line.get("amount") is not None:
        amount: Decimal = line["amount"]
        return amount
    if method == "units":
        return _of_units(line, currency)
    parts = items(line, "schedule") if method == "fixed_fee" else items(line, "milestones")
    stated = [part["amount"] for part in parts if part.get("amount") is not None]
    return sum(stated, Decimal(0)) if stated else None


def _of_units(line: Mapping[str, Any], currency: str) -> Decimal | None:
    price, units = line.get("price"), line.get("estimated_units")
    return None if price is None or units is None else round_to_minor(price * units, currency)


def periodic_prices(
    asked: Sequence[tuple[Sequence[Fee], date | None, date | None, str]],
) -> list[Decimal | None]:
    """Each line's fees of all periods from its start to its end (fees, start, end, currency); none without an end."""
    rows = [
        {
            "contract": f"{place}", "line": fee.line["line"], "currency": currency, "start": start, "end": end,
            "effective_from": fee.effective_from, "effective_to": fee.effective_to,
            "timing": "advance", **fee_terms(fee.line),
        }
        for place, (fees, start, end, currency) in enumerate(asked) if end is not None
        for fee in fees
    ]  # fmt: skip
    if not rows:
        return [None] * len(asked)
    last = max(end for _, _, end, _ in asked if end is not None)
    charged = recurring_charges(frame(rows, RECURRING_TERMS), through=last).charges
    sums = dict(charged.group_by("contract").agg(pl.col("amount").sum()).iter_rows())
    return [sums.get(f"{place}") for place in range(len(asked))]
