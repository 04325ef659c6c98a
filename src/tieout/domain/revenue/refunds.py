"""What of the billing the customer is expected to get back: a refund liability, never revenue (IFRS 15.55, B20–B27)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import REFUND_INPUT, REFUNDS, check_frame, conform
from tieout.domain.revenue.shares import portion, scale

_KEY = ["unit", "obligation", "currency", "day"]


def expected_refunds(inputs: pl.DataFrame) -> pl.DataFrame:
    """Per obligation and day what will be given back of what is billed (REFUND_INPUT, one row per expected amount).

    A rebate, service credit or return that is expected lowers the price of all that it belongs to; of it the share of
    `price` that is billed to the customer has been charged too much (IE110–IE115, IE205–IE208):
    refund = expected × billed ÷ price, at most what is expected. What a credit note gave back is expected no more.
    """
    check_frame("refund input", inputs, REFUND_INPUT)
    billed = pl.min_horizontal(pl.col("billed_amount").clip(lower_bound=0), "price")
    part = portion(pl.col("expected_amount"), billed, pl.col("price"), scale(inputs))
    owed = pl.when((pl.col("price") > 0) & (pl.col("expected_amount") > 0)).then(part).otherwise(0)
    sums = inputs.with_columns(owed.alias("refund_amount")).group_by(_KEY).agg(pl.col("refund_amount").sum())
    return conform("refunds", sums, REFUNDS).sort(_KEY)
