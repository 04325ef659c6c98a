"""Deposits on documents: each is asked for by an invoice of its own, and taken off the invoices that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.domain.billing import cover_work, deduct_deposits
from tieout.domain.billing.deposits import DEDUCTION, KIND, Row, part_of
from tieout.domain.frames import DEPOSIT_BALANCES, FINAL_INVOICES, frame
from tieout.domain.tax import OUT_OF_SCOPE
from tieout.hub.billing.taxes import Taxes
from tieout.hub.billing.waiting import Work

__all__ = ["KIND", "PURPOSE", "asks_in_advance", "deducted"]
PURPOSE = "prepayment"
"""What an invoice is for that asks for deposits (type 386 of UNTDID 1001)."""
_ZERO = Decimal(0)
_NO_TAX = {"tax_category": OUT_OF_SCOPE, "tax_rate": _ZERO}


def deducted(work: Work, through: date, taxes: Taxes) -> list[Row]:
    """Billable rows with as much of the deposits taken off as the work of each payer and currency carries.

    The rest of a deposit waits for the next invoice. With an invoice for each project the first of them takes first.
    What a deposit pays is taxed as of its day where that counts; so work is split, and joined again where the tax of its
    parts is the same. Domain rules §3.
    """
    held = [row for row in work.rows if row["kind"] == DEDUCTION]
    if not held:
        return work.rows
    places: dict[tuple[str, str], list[Row]] = {}
    others = []
    for row in work.rows:
        if row["kind"] in (KIND, DEDUCTION) or row["untaxed"]:
            others += [row] if row["kind"] != DEDUCTION else []
        else:
            places.setdefault(_place(row, work), []).append(row)
    untaxed = [{**row, **_NO_TAX} for row in held]
    first = _taken(
        {place: [{**row, **_NO_TAX} for row in rows] for place, rows in places.items()}, untaxed, through
    )
    covered = {place: _taxed(cover_work(rows, first.get(place, [])), taxes) for place, rows in places.items()}
    taxed = _taxed(held, taxes)
    last = _taken(covered, taxed, through)
    of_deposit = {(_payer(row), row["event"]): row for row in taxed}
    parts = [
        {**part_of(row, -one["amount"]), "project": place[1] or row["project"]}
        for place, taken in last.items() for one in taken if (row := of_deposit[place[0], one["deposit"]])
    ]  # fmt: skip
    return [*others, *(row for rows in covered.values() for row in _joined(rows)), *parts]


def _taken(
    work: Mapping[tuple[str, str], Sequence[Row]], held: Sequence[Row], through: date
) -> dict[tuple[str, str], list[Row]]:
    """What the invoices of each payer and project take of the deposits; work without a tax rule waits and takes none."""
    invoices = [
        {"invoice": project, "contract": payer, "currency": row["currency"], "issued_on": through,
         "net_amount": row["amount"], **{name: row[name] for name in _NO_TAX}}
        for (payer, project), rows in work.items() for row in rows if row["tax_category"]
    ]  # fmt: skip
    balances = [
        {"deposit": row["event"], "contract": _payer(row), "currency": row["currency"], "asked_on": row["work_date"],
         "amount": -row["amount"], **{name: row[name] for name in _NO_TAX}} for row in held if row["tax_category"]
    ]  # fmt: skip
    found: dict[tuple[str, str], list[Row]] = {}
    deductions = deduct_deposits(
        frame(invoices, FINAL_INVOICES), frame(balances, DEPOSIT_BALANCES)
    ).deductions
    for one in deductions.iter_rows(named=True):
        found.setdefault((one["contract"], one["invoice"]), []).append(one)
    return found


def _taxed(rows: Sequence[Row], taxes: Taxes) -> list[Row]:
    decided = taxes.decided(rows).select(*_NO_TAX).iter_rows(named=True)
    return [{**row, **tax} for row, tax in zip(rows, decided, strict=True)]


def _joined(rows: Sequence[Row]) -> list[Row]:
    """Rows of which those of one event and tax are one."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = row["event"], row["payer"], row["tax_category"], row["tax_rate"]
        one = found.setdefault(key, {**row, "quantity": _ZERO, "amount": _ZERO})
        one |= {name: one[name] + row[name] for name in ("quantity", "amount")}
    return list(found.values())


def asks_in_advance(kinds: Sequence[str]) -> bool:
    """Whether what stands on an invoice, by the kinds of its events, is deposits: they stand with nothing else."""
    return bool(kinds) and all(kind == KIND for kind in kinds)


def _place(row: Row, work: Work) -> tuple[str, str]:
    return _payer(row), str(row["project"] or "") if work.grouping == "project" else ""


def _payer(row: Row) -> str:
    return "|".join((str(row["contract"]), str(row["payer"]), str(row["currency"])))
