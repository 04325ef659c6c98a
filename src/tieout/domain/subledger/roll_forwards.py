"""How the accounts moved in a period: opening + billed + recognised + adjustments = closing (IFRS 15.116, 118).

Domain rules §5. A reversal counts where what it reverses counted.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import ACCOUNT_MOVES, ROLL_FORWARD, check_frame, conform

BILLED = ("release", "credit", "retention")
"""Cause types of documents to customers."""
RECOGNISED = ("revenue", "accrual", "cost", "transfer", "payroll", "labor_variance", "contract_cost")
"""Cause types of what was earned and what it cost; every other is an adjustment: cash, reclassification, remeasurement."""


def roll_forward(moves: pl.DataFrame) -> pl.DataFrame:
    """Each account in each currency (ACCOUNT_MOVES of one period, debit positive) as one row of ROLL_FORWARD.

    As journals balance, each column of a whole entity adds up to zero in every currency.
    """
    check_frame("account moves", moves, ACCOUNT_MOVES)
    cause = pl.col("cause_type")
    place = (
        pl.when(cause.is_null()).then(pl.lit("opening"))
        .when(cause.is_in(BILLED)).then(pl.lit("billed"))
        .when(cause.is_in(RECOGNISED)).then(pl.lit("recognised")).otherwise(pl.lit("adjustments"))
    )  # fmt: skip
    columns = ("opening", "billed", "recognised", "adjustments")
    sums = moves.group_by("entity", "account", "currency").agg(
        *(pl.col("amount").filter(place == name).sum().alias(name) for name in columns),
        pl.col("amount").sum().alias("closing"),
    )
    return conform("roll-forward", sums, ROLL_FORWARD).sort("entity", "account", "currency")
