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


def deducted(
    rows: Sequence[dict[str, Any]], through: date, *, by_project: bool = False
) -> list[dict[str, Any]]:
    """Billable rows with as much of the deposits taken off as the work of each payer and currency carries.

    The rest of a deposit waits for the next invoice. With an invoice for each project the first of them takes first.
    Domain rules §3.
    """
    held = [row for row in rows if row["kind"] == DEDUCTION]
    if not held:
        return list(rows)
    work: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        if row["kind"] not in (KIND, DEDUCTION) and not row["untaxed"]:
            place = _payer(row), str(row["project"] or "") if by_project else ""
            work[place] = work.get(place, _ZERO) + row["amount"]
    invoices = [
        {"invoice": project, "contract": payer, "currency": payer.rpartition("|")[2], "issued_on": through,
         "net_amount": max(amount, _ZERO)} for (payer, project), amount in work.items()
    ]  # fmt: skip
    balances = [
        {"deposit": row["event"], "contract": _payer(row), "currency": row["currency"], "asked_on": row["work_date"],
         "amount": -row["amount"]} for row in held
    ]  # fmt: skip
    taken = deduct_deposits(frame(invoices, FINAL_INVOICES), frame(balances, DEPOSIT_BALANCES)).deductions
    by_event = {(_payer(row), row["event"]): row for row in held}
    parts = [
        _part(by_event[one["contract"], one["deposit"]], one["amount"], one["invoice"] or None)
        for one in taken.iter_rows(named=True)
    ]
    return [row for row in rows if row["kind"] != DEDUCTION] + parts


def asks_in_advance(kinds: Sequence[str]) -> bool:
    """Whether what stands on an invoice, by the kinds of its events, is deposits: they stand with nothing else."""
    return bool(kinds) and all(kind == KIND for kind in kinds)


def _payer(row: Mapping[str, Any]) -> str:
    return "|".join((str(row["contract"]), str(row["payer"]), str(row["currency"])))


def _part(row: dict[str, Any], taken: Decimal, project: str | None) -> dict[str, Any]:
    whole = taken == -row["amount"]
    quantity = (
        row["quantity"]
        if whole
        else (row["quantity"] * taken / -row["amount"]).quantize(_MICRO, ROUND_HALF_UP)
    )
    return {**row, "amount": -taken, "quantity": quantity, "project": project or row["project"]}
