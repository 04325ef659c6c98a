"""Revenue of lines recognised as invoiced whose fees are earned day by day, or drawn: booked as what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import LINE_REVENUE, REVENUE_TO_DATE, conform
from tieout.domain.revenue import earn_periods, unbooked
from tieout.hub.rating.facts import Facts
from tieout.hub.revenue.booking import write
from tieout.hub.revenue.plan import month_ends
from tieout.store import revenue as store

_LINE = ["contract", "line"]


def recognise_periods(conn: Connection, facts: Facts, fees: pl.DataFrame, steps: pl.DataFrame) -> int:
    """Book what PERIOD_FEES and REVENUE_STEPS of a rating run have earned by today and the books lack; how many amounts.

    Of a contract that is not signed, or whose customer is not expected to pay, nothing is earned (IFRS 15.9).
    """
    contracts = sorted({*fees["contract"], *steps["contract"]})
    if not contracts:
        return 0
    days = pl.DataFrame(
        [(key, day) for key in contracts for day in _days(facts.contracts[key], fees, steps, key, facts.today)],
        {"contract": pl.String, "day": pl.Date}, orient="row",
    )  # fmt: skip
    earned = earn_periods(fees, steps, days)
    entities = {key: facts.contracts[key]["legal_entity"] for key in contracts}
    born = {key: day for key in contracts if (day := _born(facts.contracts[key])) is not None}
    exists = pl.col("day") >= pl.col("contract").replace_strict(born, default=None, return_dtype=pl.Date)
    to_date = conform(
        "revenue to date",
        earned.with_columns(
            pl.col("contract").alias("unit"), pl.lit(store.BY_PERIOD).alias("obligation"),
            pl.col("contract").replace_strict(entities, return_dtype=pl.String).alias("entity"),
            pl.when(exists.fill_null(False)).then("revenue").otherwise(0).alias("revenue"),
            pl.lit(0).alias("allocated_price"), pl.lit(0).alias("percent_complete"),
        ),
        REVENUE_TO_DATE,
    )  # fmt: skip
    held = store.booked(conn, contracts, by_period=True).with_columns(pl.col("contract").alias("unit"))
    mine = conform("recognised", held.join(to_date, on=_LINE, how="semi"), LINE_REVENUE)
    new = unbooked(to_date, mine)
    write(conn, contracts, facts.contracts, new, to_date)
    return new.height


def _days(
    contract: Mapping[str, Any], fees: pl.DataFrame, steps: pl.DataFrame, key: str, today: date
) -> list[date]:
    """Ends of months since the first fee, days on which something is earned at once, and today."""
    mine = pl.col("contract") == key
    once = steps.filter(mine)["day"].to_list()
    began = [*fees.filter(mine)["first_day"].to_list(), *once]
    days = {today, *once, *month_ends(min(began), today)}
    return sorted(day for day in days if day <= today)


def _born(contract: Mapping[str, Any]) -> date | None:
    if contract["collectible"] is False or contract["signed_on"] is None:
        return None
    since: date = max(contract["signed_on"], contract["collectible_from"] or contract["signed_on"])
    return since
