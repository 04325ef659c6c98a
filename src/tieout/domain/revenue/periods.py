"""Fees of periods under the right to invoice: earned as their days pass, prepaid hours as they are drawn.

IFRS 15.B16 with B18: a stand-ready service is transferred evenly, so what may be invoiced for the work to date grows
day by day, whether the fee is billed before or after its period. A prepaid balance is earned by what is drawn from it
and, where it expires, by what can no longer be drawn (IFRS 15.B44-B47, breakage once it is certain).
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import MONEY, PERIOD_FEES, PERIOD_REVENUE, REVENUE_STEPS, check_frame, conform
from tieout.domain.revenue.shares import portion, scale

_LINE = ["contract", "line", "currency"]


def earn_periods(fees: pl.DataFrame, steps: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Revenue since the beginning at the end of each day (PERIOD_REVENUE) of the lines that have fees or steps.

    `fees` (PERIOD_FEES, both days inclusive) are earned in equal parts by day, the running total of each rounded once;
    `steps` (REVENUE_STEPS) are amounts earned at once on their day. `days`: contract, day. A line's revenue is the
    sum; nothing is earned before a fee's first day or after its last.
    """
    check_frame("period fees", fees, PERIOD_FEES)
    check_frame("revenue steps", steps, REVENUE_STEPS)
    lines = pl.concat([fees.select(_LINE), steps.select(_LINE)]).unique()
    grid = lines.join(days.select("contract", "day").unique(), on="contract")
    earned = pl.concat(
        [
            grid.with_columns(pl.lit(0).cast(MONEY).alias("revenue")),
            _by_day(fees, days),
            _at_once(steps, days),
        ]
    )
    sums = earned.group_by(*_LINE, "day").agg(pl.col("revenue").sum())
    return conform("period revenue", sums, PERIOD_REVENUE).sort(*_LINE, "day")


def _by_day(fees: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    began = fees.join(days.select("contract", "day").unique(), on="contract").filter(
        pl.col("first_day") <= pl.col("day")
    )
    last = pl.min_horizontal("day", "last_day")
    done = (last - pl.col("first_day")).dt.total_days() + 1
    of = (pl.col("last_day") - pl.col("first_day")).dt.total_days() + 1
    return began.with_columns(portion(pl.col("amount"), done, of, scale(began)).alias("revenue")).select(
        *_LINE, "day", "revenue"
    )


def _at_once(steps: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    told = steps.rename({"day": "on"}).join(days.select("contract", "day").unique(), on="contract")
    return told.filter(pl.col("on") <= pl.col("day")).select(*_LINE, "day", pl.col("amount").alias("revenue"))
