"""What is rated now against the stored events of the same kind, contract by contract."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from tieout.domain.billing import Changes, gone_entries, reconcile_events
from tieout.domain.frames import GONE, LIVE_EVENTS, check_frame
from tieout.domain.rating import ExpenseResult, RatingResult


def compare(
    work: pl.DataFrame, rated: pl.DataFrame, rating: RatingResult | ExpenseResult, events: pl.DataFrame, *,
    contracts: Collection[str], kind: str,
) -> Changes:  # fmt: skip
    """Changes of one kind of work (entry, version, contract), rated now as `rated` (RATED), against stored events.

    An entry that went to another contract is gone from the one it left.
    """
    mine = work.filter(pl.col("contract").is_in(list(contracts)))
    here = mine.select("entry", pl.col("contract").alias("now"))
    of_kind = events.filter(pl.col("source_kind") == kind)[LIVE_EVENTS.names()]
    live = of_kind.join(here, on="entry", how="left")
    stayed = (pl.col("now") == pl.col("contract")).fill_null(False)
    rated = rated.join(here, on="entry", how="semi")
    gone = gone_entries(rating).join(here, on="entry", how="semi")
    kept = reconcile_events(rated, live.filter(stayed).select(LIVE_EVENTS.names()), gone, kind=kind)
    left = live.filter(~stayed).select(LIVE_EVENTS.names())
    if left.is_empty():
        return kept
    away = (
        work.join(left.select("entry").unique(), on="entry", how="semi")
        .with_columns(pl.lit("reverse").alias("effect"))
        .select(GONE.names())
    )
    parted = reconcile_events(rated.clear(), left, check_frame("gone", away, GONE), kind=kind)
    return together(kept, parted)


def together(*parts: Changes) -> Changes:
    """Several changes as one."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Changes(*(pl.concat(column) for column in columns))
