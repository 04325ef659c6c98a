"""Invoice totals by EN 16931: tax per category and rate, rounded once on the taxable sum (BR-CO-10 to BR-CO-17)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import INVOICE_TOTALS, TAX_BREAKDOWN, TAXED_LINES, check_frame, conform
from tieout.model.decimals import round_by_currency, widen


@dataclass(frozen=True)
class Totals:
    """`totals` has one row per invoice; `breakdown` one per invoice, tax category and rate."""

    totals: pl.DataFrame
    breakdown: pl.DataFrame


def invoice_totals(lines: pl.DataFrame, currencies: pl.DataFrame) -> Totals:
    """Net, tax and gross per invoice from its line nets (TAXED_LINES; `currencies`: invoice, currency).

    Document allowances (negative) and charges are rows like any other: taxable = Σ of all rows of a category and
    rate; tax = taxable × rate rounded once, half away from zero; gross = Σ net + Σ tax.
    """
    check_frame("taxed lines", lines, TAXED_LINES)
    taxable = lines.group_by("invoice", "tax_category", "tax_rate").agg(pl.col("net_amount").sum())
    taxable = taxable.join(currencies, on="invoice", how="left")
    if taxable["currency"].null_count():
        raise ValueError("an invoice has lines and no currency")
    codes = taxable["currency"].unique().to_list()
    tax = round_by_currency(widen("net_amount") * widen("tax_rate"), "currency", codes)
    broken = taxable.with_columns(pl.col("net_amount").alias("taxable_amount"), tax.alias("tax_amount"))
    breakdown = conform("tax breakdown", broken, TAX_BREAKDOWN).sort("invoice", "tax_category", "tax_rate")
    summed = breakdown.group_by("invoice").agg(
        pl.col("taxable_amount").sum().alias("net_amount"), pl.col("tax_amount").sum()
    )
    summed = summed.with_columns((pl.col("net_amount") + pl.col("tax_amount")).alias("gross_amount"))
    return Totals(conform("totals", summed, INVOICE_TOTALS).sort("invoice"), breakdown)
