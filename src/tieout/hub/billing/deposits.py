"""Deposits on documents: each is asked for by an invoice of its own, and taken off the invoices that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tieout.domain.billing import deduct_deposits
from tieout.domain.billing.deposits import DEDUCTION, KIND
from tieout.domain.frames import DEPOSIT_BALANCES, FINAL_INVOICES, frame

__all__ = ["KIND", "PURPOSE", "asks_in_advance", "deducted"]
PURPOSE = "prepayment"
"""What an invoice is for that asks for deposits (type 386 of UNTDID 1001)."""
_MICRO = Decimal("0.000001")
_ZERO = Decimal(0)


def deducted(rows: Sequence[dict[str, Any]], through: date) -> list[dict[str, Any]]:
    """Billable rows with as much of the deposits taken off as the work of each payer and currency carries.

    The rest of a deposit waits for the next invoice. Domain rules §3.
    """
    work: dict[tuple[str, ...], Decimal] = {}
    for row in rows:
        if row["kind"] not in (KIND, DEDUCTION) and not row["untaxed"]:
            work[_place(row)] = work.get(_place(row), _ZERO) + row["amount"]
    held = {(*_place(row), row["event"]): row for row in rows if row["kind"] == DEDUCTION}
    if not held:
        return list(rows)
    invoices = [
        {"invoice": "|".join(place), "contract": "|".join(place), "currency": place[-1], "issued_on": through,
         "net_amount": max(amount, _ZERO)} for place, amount in work.items()
    ]  # fmt: skip
    balances = [
        {"deposit": row["event"], "contract": "|".join(key[:-1]), "currency": row["currency"],
         "asked_on": row["work_date"], "amount": -row["amount"]} for key, row in held.items()
    ]  # fmt: skip
    found = deduct_deposits(frame(invoices, FINAL_INVOICES), frame(balances, DEPOSIT_BALANCES)).deductions
    taken = {(row["contract"], row["deposit"]): row["amount"] for row in found.iter_rows(named=True)}
    parts = [_part(row, taken.get(("|".join(key[:-1]), row["event"]), _ZERO)) for key, row in held.items()]
    return [row for row in rows if row["kind"] != DEDUCTION] + [part for part in parts if part["amount"]]


def asks_in_advance(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether billable rows are deposits: they stand on no invoice with anything else."""
    return bool(rows) and all(row["kind"] == KIND for row in rows)


def _place(row: Mapping[str, Any]) -> tuple[str, ...]:
    return str(row["contract"]), str(row["payer"]), str(row["currency"])


def _part(row: dict[str, Any], taken: Decimal) -> dict[str, Any]:
    if taken == -row["amount"]:
        return row
    quantity = (row["quantity"] * taken / -row["amount"]).quantize(_MICRO, ROUND_HALF_UP)
    return {**row, "amount": -taken, "quantity": quantity}
