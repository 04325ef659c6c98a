"""Corrections of invoiced work as credit notes: what an entry fell by is credited on the invoices that carry it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.billing.drafts import description, unit_price
from tieout.domain.frames import (
    BILLABLE,
    CORRECTION_LINES,
    CORRECTION_PARTS,
    CREDITABLE,
    INVOICE_LINES,
    STANDING,
    check_frame,
    frame,
)
from tieout.model.money import allocate

_ZERO, _MICRO = Decimal(0), Decimal("0.000001")
_TERMS = ("contract", "contract_line", "project", "role", "unit_price")


@dataclass(frozen=True)
class CorrectionNotes:
    """`lines` and `parts` of one credit note per invoice, with positive amounts to credit; `rest`: BILLABLE as before."""

    lines: pl.DataFrame
    parts: pl.DataFrame
    rest: pl.DataFrame


def credit_corrections(
    events: pl.DataFrame, standing: pl.DataFrame, creditable: pl.DataFrame, lines: pl.DataFrame
) -> CorrectionNotes:
    """Take the entries whose corrections make less of them out of BILLABLE and put them on credit notes.

    An entry's reversals and its new events go together: their sum is what is credited, shared over the invoices on
    which the entry stands (STANDING) by how much of it stands there. An entry that would credit more than stands of it
    on an invoice, or more than is left of one (CREDITABLE), stays for the next invoice. A credited line keeps the number
    of the invoice's line (INVOICE_LINES) with the same terms; other terms make a further one. Domain rules §2.11 and §3.
    """
    for name, rows, schema in (
        ("billable", events, BILLABLE), ("standing", standing, STANDING), ("creditable", creditable, CREDITABLE),
        ("invoice lines", lines, INVOICE_LINES),
    ):  # fmt: skip
        check_frame(name, rows, schema)
    fallen = events.filter(
        (pl.col("amount").sum().over("contract", "entry") < 0)
        & (pl.col("kind") == "reversal").any().over("contract", "entry")
    )
    left = {row["invoice"]: row for row in creditable.iter_rows(named=True)}
    numbers = _Numbers(lines)
    parts: list[dict[str, Any]] = []
    ordered = fallen.with_columns(unit_price()).sort("contract", "entry", "event")
    for _, group in ordered.group_by("contract", "entry", maintain_order=True):
        shares = _shares(group.to_dicts(), standing, left)
        for invoice, share in _sums(shares).items():
            left[invoice] = left[invoice] | {"left_amount": left[invoice]["left_amount"] - share}
        parts += [part | {"number": numbers.of(part, standing)} for part in shares]
    rest = events.filter(~pl.col("event").is_in([part["event"] for part in parts]))
    return _checked(CorrectionNotes(numbers.lines(parts), frame(parts, CORRECTION_PARTS), rest), events)


def _shares(
    rows: list[dict[str, Any]], standing: pl.DataFrame, left: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of one entry shared over the invoices that carry it; none when they do not carry enough of it."""
    currency = rows[0]["currency"]
    here = _of(rows[0], standing).filter(pl.col("amount") > 0).sort("invoice", "number")
    weights: dict[str, Decimal] = {}
    for row in here.iter_rows(named=True):
        if row["invoice"] in left and left[row["invoice"]]["currency"] == currency:
            weights[row["invoice"]] = weights.get(row["invoice"], _ZERO) + row["amount"]
    if not weights:
        return []
    shares = [part for row in rows for part in _split(row, weights, currency)]
    fits = all(
        0 < share <= min(weights[invoice], left[invoice]["left_amount"])
        for invoice, share in _sums(shares).items()
    )
    return shares if fits else []


def _of(row: Mapping[str, Any], standing: pl.DataFrame) -> pl.DataFrame:
    """What stands of the entry of a row under its contract."""
    return standing.filter(pl.col("contract") == row["contract"], pl.col("entry") == row["entry"])


def _split(row: dict[str, Any], weights: Mapping[str, Decimal], currency: str) -> Iterable[dict[str, Any]]:
    """One event over invoices: money by largest remainder, hours in proportion with the rest on the last."""
    amounts = allocate(-row["amount"], list(weights.values()), currency)
    hours, whole = -row["quantity"], sum(weights.values(), _ZERO)
    rest, last = hours, len(weights) - 1
    for place, (invoice, weight) in enumerate(weights.items()):
        with localcontext(prec=60):
            share = (hours * weight / whole).quantize(_MICRO, rounding=ROUND_HALF_UP)
        share = rest if place == last else share
        rest -= share
        if amounts[place] or share:
            yield row | {
                "invoice": invoice,
                "contract_line": row["line"],
                "quantity": share,
                "amount": amounts[place],
            }


def _sums(parts: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for part in parts:
        sums[part["invoice"]] = sums.get(part["invoice"], _ZERO) + part["amount"]
    return sums


class _Numbers:
    """The lines of invoices and of their credit notes by number; a part on other terms than all of them adds one."""

    def __init__(self, lines: pl.DataFrame) -> None:
        self._held: dict[str, list[dict[str, Any]]] = {}
        for row in lines.sort("invoice", "number").iter_rows(named=True):
            self._held.setdefault(row["invoice"], []).append(row)

    def of(self, part: Mapping[str, Any], standing: pl.DataFrame) -> int:
        """The line of the part's terms, first one on which its entry stands."""
        held = self._held[part["invoice"]]
        stands = _of(part, standing).filter(pl.col("invoice") == part["invoice"])
        carrying = set(stands["number"].to_list())
        same = [line for line in held if all(line[name] == part[name] for name in _TERMS)]
        if same:
            chosen = min(
                same,
                key=lambda line: (line["number"] not in carrying, line["corrects"] or "", line["number"]),
            )
            return int(chosen["number"])
        number = int(held[-1]["number"]) + 1
        place = part["contract"], part["contract_line"]
        near = next((line for line in held if (line["contract"], line["contract_line"]) == place), held[0])
        added = near | {name: part[name] for name in _TERMS} | {"number": number, "corrects": None}
        text = part["charge"] or frame([added], INVOICE_LINES).select(description()).item()
        held.append(added | {"description": text})
        return number

    def lines(self, parts: list[dict[str, Any]]) -> pl.DataFrame:
        """CORRECTION_LINES of the parts."""
        named = {(i, line["number"]): line for i, lines in self._held.items() for line in lines}
        made: dict[tuple[str, int], dict[str, Any]] = {}
        for part in parts:
            key = (part["invoice"], part["number"])
            line = made.setdefault(key, named[key] | {"quantity": _ZERO, "net_amount": _ZERO})
            line["quantity"] += part["quantity"]
            line["net_amount"] += part["amount"]
        return frame([made[key] for key in sorted(made)], CORRECTION_LINES)


def _checked(notes: CorrectionNotes, events: pl.DataFrame) -> CorrectionNotes:
    credited = _total(notes.parts["amount"])
    if _total(notes.rest["amount"]) - credited != _total(events["amount"]):
        raise AssertionError("corrections lost money on their way to credit notes")
    if _total(notes.lines["net_amount"]) != credited:
        raise AssertionError("lines of correction notes do not sum to their events")
    return notes


def _total(amounts: pl.Series) -> Decimal:
    return sum(amounts.to_list(), _ZERO)
