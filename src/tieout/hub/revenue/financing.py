"""Payments that lie more than a year from the work: flagged for a person, who decides whether they finance anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import PAYMENT_PLAN, frame
from tieout.domain.revenue import flag_financing
from tieout.hub.contract_lines import items
from tieout.hub.rating.plans import agreed_days
from tieout.hub.revenue.terms import Unit

_TERMS_DAYS = 30


def flagged(units: Sequence[Unit], terms: Mapping[str, Sequence[Mapping[str, Any]]]) -> pl.DataFrame:
    """`financing-significant` (REVENUE_FINDINGS) of units, from the dated parts of their fees (IFRS 15.60-63)."""
    rows = [
        row
        for unit in units
        for contract in unit.contracts
        for row in _payments(unit.key, terms[contract][-1])
    ]
    return flag_financing(frame(rows, PAYMENT_PLAN))


def _payments(unit: str, segment: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is paid when, and when the work for it is done: evenly between the first and the last day of its line."""
    due_after = timedelta(days=segment["payment_terms_days"] or _TERMS_DAYS)
    for line in segment["lines"]:
        parts = [one for one in items(line, "schedule") if one.get("due_on") is not None]
        amounts = [_amount(one, line) for one in parts]
        first, last = _worked(segment, line)
        whole = sum(amounts, Decimal(0))
        if first is None or last is None or not whole:
            continue
        before = Decimal(0)
        for one, amount in sorted(zip(parts, amounts, strict=True), key=lambda pair: str(pair[0]["due_on"])):
            middle = (before + amount / 2) / whole
            done = first + timedelta(days=int((last - first).days * middle))
            before += amount
            yield {"unit": unit, "pays_on": one["due_on"] + due_after, "performed_on": done, "amount": amount}


def _amount(part: Mapping[str, Any], line: Mapping[str, Any]) -> Decimal:
    stated: Decimal | None = part.get("amount")
    return (
        stated
        if stated is not None
        else (part.get("share") or Decimal(0)) * (line.get("amount") or Decimal(0))
    )


def _worked(segment: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[date | None, date | None]:
    if line.get("revenue_method") == "point_in_time":
        return line.get("revenue_at"), line.get("revenue_at")
    first, last = agreed_days(segment, line)
    return line.get("revenue_from") or first, line.get("revenue_to") or last
