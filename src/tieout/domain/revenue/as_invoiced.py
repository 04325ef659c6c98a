"""The right to invoice (IFRS 15.B16, ASC 606-10-55-18): revenue is the value of billable work done, billed or not."""

from __future__ import annotations

from datetime import date

import polars as pl

from tieout.domain.frames import CONTRACT_EXISTENCE, EARNED_EVENTS, RECOGNISED, check_frame, conform


def recognise_as_invoiced(events: pl.DataFrame, contracts: pl.DataFrame, *, known_on: date) -> pl.DataFrame:
    """What each event (EARNED_EVENTS) adds to revenue beyond what is recognised already (RECOGNISED), as of a date.

    Revenue to date = amount − over cap − written off − reversed; value over a cap has no right to payment. A contract
    exists once it is signed and collection is probable (IFRS 15.9): before that nothing is recognised, and from that
    day the work done before catches up, dated that day. Events of contracts missing from `contracts` earn nothing.
    `changed_on` is the day of the later fact that moved an event's value (an amendment, a concession), null without.
    Revenue to date less `recognised_amount` is the difference, so a second run adds nothing.
    """
    check_frame("earned events", events, EARNED_EVENTS)
    check_frame("contract existence", contracts, CONTRACT_EXISTENCE)
    joined = events.join(contracts.with_columns(exists_from().alias("born")), on="contract", how="left")
    exists = (pl.col("born") <= known_on).fill_null(False) & (pl.col("work_date") <= known_on)
    earned = (
        pl.col("amount")
        - pl.col("over_cap_amount")
        - pl.col("written_off_amount")
        - pl.col("reversed_amount")
    )
    to_date = pl.when(exists).then(earned).otherwise(0)
    deltas = joined.with_columns(
        (to_date - pl.col("recognised_amount")).alias("amount"),
        pl.max_horizontal("work_date", "born", "changed_on").alias("event_date"),
    )
    return conform("recognised", deltas.filter(pl.col("amount") != 0), RECOGNISED).sort("event_date", "event")


def exists_from() -> pl.Expr:
    """Of CONTRACT_EXISTENCE: the day since which it is a contract to earn under (IFRS 15.9), null while it is not."""
    both = pl.col("signed_on").is_not_null() & pl.col("collectible_from").is_not_null()
    return pl.when(both).then(pl.max_horizontal("signed_on", "collectible_from"))
