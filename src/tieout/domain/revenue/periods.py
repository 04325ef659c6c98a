"""Fees of periods under the right to invoice: earned as their days pass, prepaid hours as they are drawn.

IFRS 15.B16 with B18: a stand-ready service is transferred evenly, so what may be invoiced for the work to date grows
day by day, whether the fee is billed before or after its period. A prepaid balance is earned by what is drawn from it
and, where it expires, by what can no longer be drawn (IFRS 15.B44-B47, breakage once it is certain).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import (
    FEE_CREDITS,
    MONEY,
    PERIOD_FEES,
    PERIOD_REVENUE,
    REVENUE_STEPS,
    check_frame,
    conform,
    frame,
)
from tieout.domain.revenue.shares import portion, scale
from tieout.model.money import round_to_minor

_LINE = ["contract", "line", "currency"]
_CANCELLATION = "cancellation"
_ZERO = Decimal(0)


def earn_periods(fees: pl.DataFrame, steps: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Revenue since the beginning at the end of each day (PERIOD_REVENUE) of the lines that have fees or steps.

    `fees` (PERIOD_FEES, both days inclusive) are earned in equal parts by day, the running total of each rounded once;
    `steps` (REVENUE_STEPS) are amounts earned at once on their day. `days`: contract, day. A line's revenue is the
    sum; nothing is earned before a fee's first day or after its last. A fee with `since` counts from that day on, with all that
    its days earned before.
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
    begins = pl.max_horizontal("first_day", "since")
    began = fees.join(days.select("contract", "day").unique(), on="contract").filter(begins <= pl.col("day"))
    last = pl.min_horizontal("day", "last_day")
    done = (last - pl.col("first_day")).dt.total_days() + 1
    of = (pl.col("last_day") - pl.col("first_day")).dt.total_days() + 1
    return began.with_columns(portion(pl.col("amount"), done, of, scale(began)).alias("revenue")).select(
        *_LINE, "day", "revenue"
    )


def _at_once(steps: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    told = steps.rename({"day": "on"}).join(days.select("contract", "day").unique(), on="contract")
    return told.filter(pl.col("on") <= pl.col("day")).select(*_LINE, "day", pl.col("amount").alias("revenue"))


def give_up(fees: pl.DataFrame, credits: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The fees (PERIOD_FEES) with what is given up of them (FEE_CREDITS, positive), and REVENUE_STEPS of its days.

    A concession lowers the price of the whole period: what its days earned falls on the day it is given (IFRS 15.51, 87).
    A cancellation, after the concessions of its day, takes first what is not earned yet, evenly over the days to come, the
    rest at once (IFRS 15.18).
    Credits of other charges change nothing: what is charged no more earns nothing.
    """
    check_frame("period fees", fees, PERIOD_FEES)
    check_frame("fee credits", credits, FEE_CREDITS)
    of_charge = {row["charge"]: [row] for row in fees.iter_rows(named=True)}
    added: list[Mapping[str, Any]] = []
    steps: list[Mapping[str, Any]] = []
    for credit in credits.sort("day", "charge", "kind", descending=[False, False, True]).iter_rows(
        named=True
    ):
        known = of_charge.get(credit["charge"])
        if known is None:
            continue
        fee, day = known[0], credit["day"]
        late = _ZERO
        part = {**fee, "since": day, "amount": -credit["amount"]}
        if credit["kind"] == _CANCELLATION and day >= fee["first_day"]:
            spread = min(credit["amount"], max(_ZERO, _to_come(known, day)))
            late = credit["amount"] - spread
            part |= {"first_day": day + timedelta(days=1), "amount": -spread}
        if late:
            steps.append({**fee, "day": day, "amount": -late})
        if part["amount"]:
            known.append(part)
            added.append(part)
    return pl.concat([fees, frame(added, PERIOD_FEES)]), frame(steps, REVENUE_STEPS)


def _to_come(parts: Iterable[Mapping[str, Any]], day: date) -> Decimal:
    """What the parts of a fee earn after a day."""
    left = _ZERO
    for part in parts:
        of = (part["last_day"] - part["first_day"]).days + 1
        ahead = min(of, max(0, (part["last_day"] - day).days))
        left += part["amount"] - round_to_minor(part["amount"] * (of - ahead) / of, part["currency"])
    return left
