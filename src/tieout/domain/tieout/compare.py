"""The comparison every check uses: keyed facts on both sides, each key one outcome."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from tieout.domain.frames import MONEY


def compare(
    ours: pl.DataFrame, theirs: pl.DataFrame, keys: Sequence[str], tolerance: Decimal
) -> pl.DataFrame:
    """Per key: ours, theirs, difference (ours − theirs) and matched | different | ours_only | theirs_only.

    Both frames hold the keys and `amount`; rows of one key are summed first, so a document split over rows there
    still matches. Keys are compared with nulls equal. Sums in equal sums out on both sides. Domain rules §7.
    """
    left = ours.group_by(keys).agg(pl.col("amount").sum().alias("ours"))
    right = theirs.group_by(keys).agg(pl.col("amount").sum().alias("theirs"))
    joined = left.join(right, on=list(keys), how="full", coalesce=True, nulls_equal=True)
    difference = pl.col("ours").fill_null(0) - pl.col("theirs").fill_null(0)
    outcome = (
        pl.when(pl.col("theirs").is_null())
        .then(pl.lit("ours_only"))
        .when(pl.col("ours").is_null())
        .then(pl.lit("theirs_only"))
        .when(difference.abs() <= pl.lit(tolerance).cast(pl.Decimal(38, 4)))
        .then(pl.lit("matched"))
        .otherwise(pl.lit("different"))
    )
    result = joined.select(
        *keys,
        pl.col("ours", "theirs").cast(MONEY),
        difference.cast(MONEY).alias("difference"),
        outcome.alias("outcome"),
    ).sort(list(keys))
    for side, source in (("ours", ours), ("theirs", theirs)):
        if result[side].sum() != source["amount"].sum():
            raise AssertionError(f"comparison lost money of {side}")
    return result
