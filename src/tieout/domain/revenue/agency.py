"""What is earned for another party is not revenue: an agent keeps its margin, of a disbursement nothing (IFRS 15.B34–B38)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import EARNED_MOVES, MONEY, PASSED_ON, check_frame, conform
from tieout.model.decimals import ratio
from tieout.model.money import minor_unit


def passed_on(moves: pl.DataFrame) -> pl.DataFrame:
    """Of each move in what is earned of an event (EARNED_MOVES) the part that is passed on (PASSED_ON).

    `pass_through_amount` of the event's `amount` belongs to the other party; an agent's revenue is what it retains
    (IFRS 15.B36). Where only a part is earned, the rest over a cap or given up, both shares go in proportion: the
    running total is rounded once, to the minor unit, each move passes on the difference.
    """
    check_frame("earned moves", moves, EARNED_MOVES)
    parts = [
        group.with_columns(
            *(
                ratio(pl.col(side), pl.col("pass_through_amount"), pl.col("amount"), minor_unit(str(currency)))
                .cast(MONEY).alias(f"{side}_passed")
                for side in ("before", "after")
            )
        )
        for (currency,), group in moves.group_by("currency", maintain_order=True)
    ]  # fmt: skip
    if not parts:
        return PASSED_ON.to_frame()
    passed = (pl.col("after_passed") - pl.col("before_passed")).alias("pass_through_amount")
    return conform("passed on", pl.concat(parts).with_columns(passed), PASSED_ON)
