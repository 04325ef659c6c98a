"""Contracts that will lose money: the assets of the contract first, then a provision.

IAS 37.66–69 (every contract as a whole), ASC 605-35-25-45 to 25-49 (only contracts in its scope), IFRS 15.101–103.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import LOSS_INPUT, LOSSES, MONEY, check_frame, conform


def expected_losses(contracts: pl.DataFrame) -> pl.DataFrame:
    """Per accounting contract and day (LOSS_INPUT, amounts to date) the loss still to come and what covers it (LOSSES).

    expected loss = max(0, (estimated cost − cost to date) − (price − revenue to date)). Costs capitalised for the
    contract are impaired as far as price to come less cost to come does not recover them (IFRS 15.101), before a
    provision is made (IAS 37.69). The provision is the expected loss: under `ifrs` of every contract as a whole, under
    `us_gaap` only of contracts marked `asc_605_35`. These are balances; what is booked is the change since the last.
    """
    check_frame("loss input", contracts, LOSS_INPUT)
    cost_left = pl.max_horizontal(pl.col("estimated_cost") - pl.col("cost_to_date"), pl.lit(0).cast(MONEY))
    margin = pl.col("price") - pl.col("revenue") - cost_left
    asset = pl.col("cost_asset").fill_null(0)
    in_scope = (pl.col("framework") == "ifrs") | (pl.col("loss_scope") == "asc_605_35").fill_null(False)
    placed = contracts.with_columns(
        (-margin).clip(lower_bound=0).cast(MONEY).alias("expected_loss"),
        pl.min_horizontal(asset, (asset - margin).clip(lower_bound=0)).cast(MONEY).alias("impairment"),
    ).with_columns(pl.when(in_scope).then("expected_loss").otherwise(0).cast(MONEY).alias("loss_provision"))
    return conform("losses", placed, LOSSES).sort("unit", "day")
