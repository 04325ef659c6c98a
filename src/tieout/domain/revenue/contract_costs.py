"""Costs of obtaining and of fulfilling a contract (IFRS 15.91–104, ASC 340-40)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tieout.domain.frames import CONTRACT_COSTS, COSTS_TO_DATE, MEASURE, MONEY, check_frame, conform
from tieout.domain.revenue.shares import portion, scale
from tieout.domain.revenue.straight_line import elapsed


def contract_costs_to_date(costs: pl.DataFrame, *, days: Sequence[date]) -> pl.DataFrame:
    """Each cost (CONTRACT_COSTS) on each day from when it was incurred: expensed, amortised, still an asset.

    A commission is capitalised unless its service ends within a year (91, 94); a `set_up` that creates no service is
    (95), anything else is expensed at once (98). An asset is amortised with the service, day by day from its start to
    its end (99), as a running total rounded once. incurred = expensed + amortised + asset.
    """
    check_frame("contract costs", costs, CONTRACT_COSTS)
    grid = pl.DataFrame({"day": sorted(set(days))}, schema={"day": pl.Date})
    rows = costs.join(grid, how="cross").filter(pl.col("incurred_on") <= pl.col("day"))
    beyond_a_year = pl.col("service_end") >= pl.col("service_start").dt.offset_by("1y")
    commission = (pl.col("kind") == "commission") & beyond_a_year
    set_up = (pl.col("kind") == "set_up") & ~pl.col("creates_service").fill_null(False)
    spans = (pl.col("service_end") >= pl.col("service_start")).fill_null(False)
    capitalised = (commission | set_up) & spans
    daily = pl.lit("daily")
    start, end = pl.col("service_start"), pl.col("service_end")
    placed = rows.with_columns(
        capitalised.alias("_capitalised"),
        elapsed(start, end, pl.col("day"), daily).fill_null(0).cast(MEASURE).alias("_done"),
        elapsed(start, end, end, daily).fill_null(0).cast(MEASURE).alias("_total"),
    )
    part = portion(pl.col("amount"), pl.col("_done"), pl.col("_total"), scale(placed))
    parts = placed.with_columns(
        pl.when("_capitalised").then(0).otherwise("amount").cast(MONEY).alias("expensed_amount"),
        pl.when("_capitalised").then(part).otherwise(0).cast(MONEY).alias("amortised_amount"),
    )
    left = pl.col("amount") - pl.col("expensed_amount") - pl.col("amortised_amount")
    result = parts.with_columns(left.cast(MONEY).alias("asset_amount"))
    return conform("costs to date", result, COSTS_TO_DATE).sort("cost", "day")
