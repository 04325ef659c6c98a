"""Billing holds: what people keep back from billing; it stays revenue (domain rules §2.9).

The other two kinds of hold stand where they arise: what is over a cap in `domain/billing/caps.py`, an invoice that is
disputed in `hub/billing/claims.py`.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import HELD, HELD_VALUE, HOLDS, check_frame, conform


def hold_back(events: pl.DataFrame, holds: pl.DataFrame) -> pl.DataFrame:
    """What is held of each event (HELD): all that is left of it where a hold names its entry or its whole line.

    `events` (HELD_VALUE) say what is neither billed, over a cap nor written off. What takes back is never held.
    """
    check_frame("held value", events, HELD_VALUE)
    check_frame("holds", holds, HOLDS)
    of_entries = holds.drop_nulls("entry").select("contract", "line", "entry")
    of_lines = holds.filter(pl.col("entry").is_null()).select("contract", "line")
    named = pl.concat([
        events.join(of_entries, on=["contract", "line", "entry"], how="semi"),
        events.join(of_lines, on=["contract", "line"], how="semi"),
    ])["event"]  # fmt: skip
    is_held = pl.col("event").is_in(named.implode()) & (pl.col("amount") > 0)
    held = events.select(
        "event", *(pl.when(is_held).then(m).otherwise(0).alias(f"held_{m}") for m in ("quantity", "amount"))
    )
    return conform("held", held, HELD)
