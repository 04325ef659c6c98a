"""Deposits: asked for by a prepayment invoice with its own tax, deducted on the final invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl

from tieout.domain.billing.charges import Charged, charge_key, in_charge_order, trail
from tieout.domain.billing.complaints import (
    Check,
    complaints,
    in_minor_unit,
    in_order,
    known_currency,
    missing,
    plain,
)
from tieout.domain.frames import (
    CHARGES,
    DEDUCTIONS,
    DEPOSIT_BALANCES,
    DEPOSITS,
    FINAL_INVOICES,
    check_frame,
    conform,
    frame,
)
from tieout.model.money import minor_unit, round_to_minor

Row = dict[str, Any]
KIND, DEDUCTION = "deposit", "deduction"
SECURITY = "security|"
"""How the keys of deposits begin that are kept as security: owed back until they are applied (`refund_liability`)."""
_ZERO, _MICRO = Decimal(0), Decimal("0.000001")


def deposit_charges(deposits: pl.DataFrame, *, through: date) -> Charged:
    """What is asked in advance (DEPOSITS) on or before `through`: each deposit is one charge on its own invoice.

    It is no performance: the net of its invoice is a contract liability until work is billed against it (IFRS 15.106;
    domain rules §3). A deposit with a finding is not asked for; the others are.
    """
    check_frame("deposits", deposits, DEPOSITS)
    positive = Check(
        "invalid-contract", "a deposit is more than nothing", pl.col("amount") <= 0, plain("amount")
    )
    checks = [
        known_currency(deposits), in_minor_unit(deposits, "amount"), positive,
        missing("invalid-contract", "amount", "amount"), missing("invalid-contract", "asked_on", "date"),
        Check("invalid-contract", "a deposit is stated once", pl.len().over("deposit") > 1, pl.col("deposit")),
    ]  # fmt: skip
    findings = complaints(deposits, checks, record=pl.col("deposit"), day="asked_on")
    good = deposits.join(findings.select("record").unique(), left_on="deposit", right_on="record", how="anti")
    nothing = pl.lit(None, pl.Date)
    told = good.filter(pl.col("asked_on") <= through).with_columns(
        charge_key(KIND, "deposit"), pl.lit(KIND).alias("kind"), pl.col("deposit").alias("item"),
        pl.col("asked_on").alias("due_on"), nothing.alias("period_start"), nothing.alias("period_end"),
        pl.lit(1).cast(CHARGES["quantity"]).alias("quantity"), pl.col("amount").cast(CHARGES["price"]).alias("price"),
        trail(asked_on=pl.col("asked_on"), rule=pl.lit("deposit")),
    )  # fmt: skip
    return Charged(in_charge_order(told), in_order(findings))


def kept_as_security(fees: pl.DataFrame) -> pl.DataFrame:
    """Fees of retainers of the kind `security` (CHARGES) as DEPOSITS: asked for in advance, taken off what is billed at the end."""
    check_frame("security fees", fees, CHARGES)
    key = pl.concat_str(pl.lit(SECURITY), "charge").alias("deposit")
    return conform("securities", fees.with_columns(key, pl.col("due_on").alias("asked_on")), DEPOSITS)


def deduction_charges(released: pl.DataFrame) -> pl.DataFrame:
    """What the invoices of a contract give back of its deposits (DEPOSITS, `amount`: on released invoices), as CHARGES.

    A deduction is one item less at the price of the deposit, due from the day it was asked for: `deduct_deposits` says
    how much of it an invoice takes.
    """
    check_frame("released deposits", released, DEPOSITS)
    nothing = pl.lit(None, pl.Date)
    told = released.filter(pl.col("amount") > 0).with_columns(
        charge_key(DEDUCTION, "deposit"), pl.lit(DEDUCTION).alias("kind"), pl.col("deposit").alias("item"),
        pl.col("asked_on").alias("due_on"), nothing.alias("period_start"), nothing.alias("period_end"),
        pl.lit(-1).cast(CHARGES["quantity"]).alias("quantity"), pl.col("amount").cast(CHARGES["price"]).alias("price"),
        (-pl.col("amount")).alias("amount"), trail(rule=pl.lit("deposit deducted")),
    )  # fmt: skip
    return in_charge_order(told)


@dataclass(frozen=True)
class Deducted:
    """`deductions` per invoice and deposit (DEDUCTIONS, positive); `left` per deposit (DEPOSIT_BALANCES): the rest."""

    deductions: pl.DataFrame
    left: pl.DataFrame


def deduct_deposits(invoices: pl.DataFrame, balances: pl.DataFrame) -> Deducted:
    """Take what is left of released deposits (DEPOSIT_BALANCES) off the invoices (FINAL_INVOICES) of their contract.

    Pass the final invoices of the run, or every invoice where the contract draws deposits down earlier; one has a row
    for each category and rate of its work. Invoices in order of issue date and key, deposits in order of date and key.
    A deduction carries the deposit's own tax category and rate, so the tax that was charged with it comes off with it
    (§ 14 Abs. 5 UStG). Neither net nor gross of an invoice goes below zero: work under a lower rate than its deposit
    takes less of it. What is left at the end of the contract is owed back (`refund_liability`).
    """
    check_frame("final invoices", invoices, FINAL_INVOICES)
    check_frame("deposit balances", balances, DEPOSIT_BALANCES)
    deposits = balances.sort("contract", "asked_on", "deposit").to_dicts()
    of_contract: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for deposit in deposits:
        of_contract.setdefault((deposit["contract"], deposit["currency"]), []).append(deposit)
    nets: dict[tuple[str, str, str], _Nets] = {}
    for row in invoices.sort("contract", "issued_on", "invoice").iter_rows(named=True):
        invoice = nets.setdefault((row["contract"], row["currency"], row["invoice"]), _Nets(row["currency"]))
        invoice.add(row, row["net_amount"])
    rows: list[dict[str, Any]] = []
    for (contract, currency, key), invoice in nets.items():
        for deposit in of_contract.get((contract, currency), []):
            taken = invoice.room_for(deposit)
            if taken > 0:
                rows.append(deposit | {"invoice": key, "amount": taken})
                deposit["amount"] -= taken
                invoice.add(deposit, -taken)
    deducted = Deducted(frame(rows, DEDUCTIONS), frame(deposits, DEPOSIT_BALANCES))
    _check_conservation(balances, deducted)
    return deducted


class _Nets:
    """The nets of one invoice by category and rate; its tax is rounded once for each (`invoice_totals`)."""

    def __init__(self, currency: str) -> None:
        self._currency, self._nets = currency, dict[tuple[str, Decimal], Decimal]()

    def add(self, row: Mapping[str, Any], amount: Decimal) -> None:
        share = row["tax_category"], row["tax_rate"]
        self._nets[share] = self._nets.get(share, _ZERO) + amount

    def room_for(self, deposit: Mapping[str, Any]) -> Decimal:
        """How much of a deposit leaves neither net nor gross below zero."""
        room = min(sum(self._nets.values(), _ZERO), deposit["amount"])
        if room > 0 and self._gross_less(deposit, room) < 0:
            unit = Decimal(1).scaleb(-minor_unit(self._currency))
            fits = self._gross_less(deposit, _ZERO) / (1 + deposit["tax_rate"])
            room = min(room, fits.quantize(unit, ROUND_CEILING))
            while room > 0 and self._gross_less(deposit, room) < 0:
                room -= unit
        return max(room, _ZERO)

    def _gross_less(self, deposit: Mapping[str, Any], taken: Decimal) -> Decimal:
        share = deposit["tax_category"], deposit["tax_rate"]
        nets = {**self._nets, share: self._nets.get(share, _ZERO) - taken}
        return sum(
            (net + round_to_minor(net * rate, self._currency) for (_, rate), net in nets.items()), _ZERO
        )


def cover_work(work: Sequence[Row], taken: Sequence[Row]) -> list[Row]:
    """Work of one invoice (rows of BILLABLE) with the day on which a deposit paid for it (`paid_on`), split where one ends.

    `taken` are its deductions (DEDUCTIONS) in their order; they pay the work in its own, as far as it is positive.
    Where tax falls due with the payment (art. 65 of Directive 2006/112/EC), what is covered is taxed as of that day.
    Before -> after: 10 h of 1,000.00, 400.00 of a deposit of 3 May -> 4 h of 400.00 paid on 3 May, 6 h of 600.00.
    """
    covers = [[one["amount"], one["asked_on"]] for one in taken]
    found: list[Row] = []
    for row in work:
        rest = dict(row)
        while covers and rest["amount"] > 0:
            amount = min(covers[0][0], rest["amount"])
            part = part_of(rest, amount)
            found.append(part | {"paid_on": covers[0][1]})
            rest |= {name: rest[name] - part[name] for name in ("quantity", "amount")}
            covers[0][0] -= amount
            covers = covers[1:] if covers[0][0] == 0 else covers
        if rest["amount"] or rest["quantity"]:
            found.append(rest)
    return found


def part_of(row: Row, amount: Decimal) -> Row:
    """A part of a billable row by its amount; its quantity in proportion, six decimals."""
    if amount == row["amount"]:
        return dict(row)
    quantity = (row["quantity"] * amount / row["amount"]).quantize(_MICRO, ROUND_HALF_UP)
    return {**row, "amount": amount, "quantity": quantity}


def _check_conservation(balances: pl.DataFrame, deducted: Deducted) -> None:
    went = [frame_.select(pl.col("amount").sum()).item() for frame_ in (deducted.deductions, deducted.left)]
    came = balances.select(pl.col("amount").sum()).item()
    if sum(went, Decimal(0)) != came:
        raise AssertionError(f"deducting deposits lost money: in {came}, out {went}")
