"""Deposits: asked for by a prepayment invoice with its own tax, deducted on the final invoice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
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
    frame,
)

KIND, DEDUCTION = "deposit", "deduction"


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

    Pass the final invoices of the run, or every invoice where the contract draws deposits down earlier. Invoices in
    order of issue date and key, deposits in order of date and key; an invoice never goes below zero. A deduction
    carries the deposit's own tax category and rate, so the tax that was charged with it comes off with it. What is
    left at the end of the contract is owed back (`refund_liability`).
    """
    check_frame("final invoices", invoices, FINAL_INVOICES)
    check_frame("deposit balances", balances, DEPOSIT_BALANCES)
    deposits = balances.sort("contract", "asked_on", "deposit").to_dicts()
    of_contract: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for deposit in deposits:
        of_contract.setdefault((deposit["contract"], deposit["currency"]), []).append(deposit)
    rows: list[dict[str, Any]] = []
    for invoice in invoices.sort("contract", "issued_on", "invoice").iter_rows(named=True):
        open_amount = invoice["net_amount"]
        for deposit in of_contract.get((invoice["contract"], invoice["currency"]), []):
            taken = min(open_amount, deposit["amount"])
            if taken > 0:
                rows.append(deposit | {"invoice": invoice["invoice"], "amount": taken})
                deposit["amount"] -= taken
                open_amount -= taken
    deducted = Deducted(frame(rows, DEDUCTIONS), frame(deposits, DEPOSIT_BALANCES))
    _check_conservation(balances, deducted)
    return deducted


def _check_conservation(balances: pl.DataFrame, deducted: Deducted) -> None:
    went = [frame_.select(pl.col("amount").sum()).item() for frame_ in (deducted.deductions, deducted.left)]
    came = balances.select(pl.col("amount").sum()).item()
    if sum(went, Decimal(0)) != came:
        raise AssertionError(f"deducting deposits lost money: in {came}, out {went}")
