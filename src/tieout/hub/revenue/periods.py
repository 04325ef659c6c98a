"""Revenue of lines recognised as invoiced whose fees are earned day by day, or drawn: booked as what is missing."""

from __future__ import annotations

from datetime import date

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import (
    CONTRACT_EXISTENCE,
    FEE_CREDITS,
    LINE_REVENUE,
    REVENUE_TO_DATE,
    conform,
    frame,
)
from tieout.domain.revenue import earn_periods, existing, give_up, unbooked
from tieout.hub import exchange, policies
from tieout.hub.rating.facts import Facts
from tieout.hub.rating.revenue import existence
from tieout.hub.revenue.booking import waiting, write
from tieout.model.periods import Calendar, period_ends
from tieout.store import revenue as store

_LINE = ["contract", "line"]


def recognise_periods(conn: Connection, facts: Facts, fees: pl.DataFrame, steps: pl.DataFrame
) -> tuple[int, tuple[tuple[str, date], ...]]:  # fmt: skip
    """Book what PERIOD_FEES and REVENUE_STEPS of a rating run have earned by today and the books lack: how many amounts,
    and the contracts and days of what waits for an exchange rate.

    Of a contract that is not signed, or whose customer is not expected to pay, nothing is earned (IFRS 15.9).
    """
    contracts = sorted({*fees["contract"], *steps["contract"]})
    if not contracts:
        return 0, ()
    fees, late = give_up(fees, conform("given up", store.given_up(conn, contracts), FEE_CREDITS))
    steps = pl.concat([steps, late])
    stated = policies.load(conn)
    days = pl.DataFrame(
        [
            (key, day) for key in contracts
            for day in _days(stated.calendar(facts.contracts[key]["legal_entity"]), fees, steps, key, facts.today)
        ],
        {"contract": pl.String, "day": pl.Date}, orient="row",
    )  # fmt: skip
    known = exchange.covered(days, facts.contracts, facts.exchange_rates, averaged=facts.averaged)
    earned = earn_periods(fees, steps, days)
    entities = {key: facts.contracts[key]["legal_entity"] for key in contracts}
    exists = frame(existence({key: facts.contracts[key] for key in contracts}), CONTRACT_EXISTENCE)
    told = existing(earned, exists).with_columns(
        pl.col("contract").alias("unit"), pl.lit(store.BY_PERIOD).alias("obligation"),
        pl.col("contract").replace_strict(entities, return_dtype=pl.String).alias("entity"),
        pl.lit(0).alias("allocated_price"), pl.lit(0).alias("percent_complete"),
    )  # fmt: skip
    to_date = conform("revenue to date", told, REVENUE_TO_DATE)
    waits = waiting(to_date, known)
    to_date = to_date.join(known, on=["contract", "day"], how="semi")
    held = store.booked(conn, contracts, by_period=True).with_columns(pl.col("contract").alias("unit"))
    mine = conform("recognised", held.join(to_date, on=_LINE, how="semi"), LINE_REVENUE)
    new = unbooked(to_date, mine)
    write(conn, contracts, facts.contracts, new, to_date)
    return new.height, waits


def _days(calendar: Calendar, fees: pl.DataFrame, steps: pl.DataFrame, key: str, today: date) -> list[date]:
    """Ends of periods since the first fee, days on which something is earned or given up at once, and today."""
    mine = pl.col("contract") == key
    once = steps.filter(mine)["day"].to_list()
    own = fees.filter(mine)
    since = own["since"].drop_nulls().to_list()
    days = {today, *once, *since, *period_ends(min([*own["first_day"].to_list(), *once]), today, calendar)}
    return sorted(day for day in days if day <= today)
