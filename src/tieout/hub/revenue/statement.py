"""Prices and progress of contract lines on a day: the same plan, read instead of booked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import REVENUE_TO_DATE
from tieout.hub.revenue.booking import booked
from tieout.hub.revenue.plan import Facts, gather, planned, valued
from tieout.store import revenue as store


def prices(conn: Connection, contracts: Collection[str], at: date) -> pl.DataFrame:
    """REVENUE_TO_DATE of the lines of contracts that earn by a plan, at the end of a day, as known now.

    A day to come shows what is planned: the schedule is the same calculation for later days (IFRS 15.120).
    """
    facts = gather(conn, contracts)
    if facts is None or not facts.units:
        return REVENUE_TO_DATE.to_frame()
    return _standing(facts, at).filter(pl.col("contract").is_in(list(contracts)))


def _standing(facts: Facts, at: date) -> pl.DataFrame:
    """REVENUE_TO_DATE at the end of a day, whether or not that day has an exchange rate to book with."""
    begun = [unit.key for unit in facts.units if unit.changes[0].day <= at]
    days = pl.DataFrame({"unit": begun, "day": [at] * len(begun)}, schema={"unit": pl.String, "day": pl.Date})
    return valued(planned(facts).plan, facts, days).to_date


def beyond_price(conn: Connection) -> list[tuple[str, str]]:
    """Obligations that have earned more in the books than their price is: {CONTRACT/OBLIGATION, what was seen}.

    Contracts that wait for a run are left out: their price may have changed already.
    """
    facts = gather(conn, store.settled_contracts(conn))
    if facts is None or not facts.units:
        return []
    of = ["unit", "obligation"]
    now = _standing(facts, facts.today)
    price = now.group_by(of).agg(pl.col("allocated_price").sum())
    earned = booked(conn, facts, now).group_by(of).agg(pl.col("amount").sum())
    over = earned.join(price, on=of, how="left").filter(
        pl.col("amount") > pl.col("allocated_price").fill_null(0).clip(lower_bound=0)
    )
    return [
        (f"{unit}/{obligation}", f"earned {amount} by plan, of a price of {allocated}")
        for unit, obligation, amount, allocated in over.sort(of).iter_rows()
    ]
