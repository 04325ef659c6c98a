"""What stands between revenue and billing: unbilled receivable or contract liability (IFRS 15.105–108)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import POSITION_INPUT, POSITIONS, check_frame, conform


def contract_positions(sums: pl.DataFrame) -> pl.DataFrame:
    """Per contract line, revenue ahead of billing as unbilled receivable, billing ahead of revenue as liability.

    `sums` (POSITION_INPUT) may hold many rows of a line; billed is released invoices less credits, net of tax. For
    time and materials only invoicing stands before payment, so the asset side is a receivable. The two are gross by
    line; netting per contract is for presentation.
    """
    check_frame("position input", sums, POSITION_INPUT)
    lines = sums.group_by("contract", "line", "currency").agg(
        pl.col("recognised_amount", "billed_amount").sum()
    )
    ahead = pl.col("recognised_amount") - pl.col("billed_amount")
    placed = lines.with_columns(
        ahead.clip(lower_bound=0).alias("unbilled_receivable"),
        (-ahead).clip(lower_bound=0).alias("contract_liability"),
    )
    return conform("positions", placed, POSITIONS).sort("contract", "line", "currency")
