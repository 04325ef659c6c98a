"""Significant financing between performance and payment (IFRS 15.60–65, ASC 606-10-32-15 to 32-20).

It is flagged for a person, who decides whether it is significant and at which rate (64); the arithmetic is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

import polars as pl

from tieout.domain.frames import PAYMENT_PLAN, REVENUE_FINDINGS, check_frame
from tieout.model.money import round_to_minor


def flag_financing(payments: pl.DataFrame) -> pl.DataFrame:
    """Payments (PAYMENT_PLAN) more than a year before or after performance: `financing-significant`, one per contract.

    IFRS 15.63: a year or less needs no adjustment.
    """
    check_frame("payment plan", payments, PAYMENT_PLAN)
    first, last = pl.min_horizontal("pays_on", "performed_on"), pl.max_horizontal("pays_on", "performed_on")
    long = payments.filter(last > first.dt.offset_by("1y"))
    sums = long.group_by("unit").agg(pl.col("amount").sum(), pl.col("performed_on").min().alias("day"))
    none = pl.lit(None, pl.String)
    told = pl.format("{} is paid more than a year from performance (IFRS 15.60–63)", "amount")
    return sums.select(
        pl.lit("financing-significant").alias("kind"), "unit", none.alias("obligation"), none.alias("contract"),
        none.alias("line"), "day", told.alias("detail"),
    ).select(REVENUE_FINDINGS.names()).sort("unit")  # fmt: skip


def present_value(payments: Sequence[Decimal], rate: Decimal, currency: str) -> Decimal:
    """Payments at the end of each period discounted at the rate of one period, rounded once (IFRS 15.61)."""
    with localcontext(prec=60):
        value = sum((p / (1 + rate) ** n for n, p in enumerate(payments, start=1)), Decimal(0))
    return round_to_minor(value, currency)


def accreted(amount: Decimal, rate: Decimal, periods: int, currency: str) -> Decimal:
    """A contract liability with the interest of so many whole periods, rounded once (IFRS 15.65)."""
    with localcontext(prec=60):
        return round_to_minor(amount * (1 + rate) ** periods, currency)
