"""What a credit note does to revenue, by its kind (IFRS 15.47, 51, 87–90; domain rules §3)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import CREDIT_PARTS, CREDITED_LINES, MONEY, check_frame, conform
from tieout.domain.revenue.shares import portion, scale


def credit_effects(credits: pl.DataFrame) -> pl.DataFrame:
    """Each credited part (CREDITED_LINES, positive amounts, price and revenue to date before it) as CREDIT_PARTS.

    `concession`: the price falls (a change in variable consideration, 51, 87): the recognised share amount × revenue ÷
    price reverses revenue, the rest takes back deferral. `cancellation`: a modification (18): what was not yet
    recognised goes first, only the rest reverses revenue. `correction`: the bill was wrong, not the price: neutral.
    recognised + unrecognised + neutral = amount. For an obligation of a plan a concession is stated as an estimate of
    variable consideration of −amount on that obligation, which gives the same recognised share.
    """
    check_frame("credited lines", credits, CREDITED_LINES)
    priced = (pl.col("price") > 0) & (pl.col("revenue") < pl.col("price"))
    share = portion(pl.col("amount"), pl.col("revenue").clip(lower_bound=0), pl.col("price"), scale(credits))
    open_amount = (pl.col("price") - pl.col("revenue")).clip(lower_bound=0)
    over = (pl.col("amount") - open_amount).clip(lower_bound=0)
    kind = pl.col("kind")
    recognised = (
        pl.when(kind == "correction").then(0)
        .when(kind == "cancellation").then(over)
        .when(priced).then(share).otherwise("amount").cast(MONEY)
    )  # fmt: skip
    neutral = pl.when(kind == "correction").then("amount").otherwise(0).cast(MONEY)
    placed = credits.with_columns(
        recognised.alias("recognised_amount"), neutral.alias("neutral_amount")
    ).with_columns(
        (pl.col("amount") - pl.col("recognised_amount") - pl.col("neutral_amount"))
        .cast(MONEY)
        .alias("unrecognised_amount")
    )
    return conform("credit parts", placed, CREDIT_PARTS).sort("credit", "unit", "obligation")
