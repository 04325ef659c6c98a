"""Booking revenue by plan: what the books lack, one journal per contract line and day, never changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import LINE_REVENUE, REVENUE_CAUSES, conform
from tieout.domain.revenue import unbooked
from tieout.domain.subledger import Books, journal_for_revenue
from tieout.hub import books
from tieout.hub.revenue.plan import Facts, Planned
from tieout.store import clock
from tieout.store import revenue as store
from tieout.telemetry.failpoints import fp

_PLACE = ["contract", "line", "entity", "currency"]
_CAUSE = ["contract", "event_date", "line", "entity", "currency"]


def book(conn: Connection, facts: Facts, planned: Planned) -> pl.DataFrame:
    """Book what the plan has earned beyond what is booked (LINE_REVENUE); what was booked now."""
    new = unbooked(planned.to_date, booked(conn, facts, planned.to_date))
    write(conn, facts.keys, facts.contracts, new, planned.to_date)
    return new


def write(
    conn: Connection, keys: list[str], contracts: Mapping[str, Mapping[str, object]], new: pl.DataFrame,
    to_date: pl.DataFrame,
) -> None:  # fmt: skip
    """One journal per contract line and day of what is new (LINE_REVENUE), and what each obligation gave to it."""
    if new.is_empty():
        return
    sums = new.group_by(_CAUSE).agg(pl.col("amount").sum()).sort(_CAUSE)
    causes = books.numbered(conn, sums, "revenue", keys)
    opened = causes.join(_openings(conn, keys), on=["contract", "line", "currency"], how="left")
    rows = opened.filter(pl.col("amount") != 0).with_columns(pl.col("opening").fill_null(0))
    lines = journal_for_revenue(conform("revenue causes", rows, REVENUE_CAUSES), books_of(conn, contracts))
    ids = books.write_journals(conn, lines)
    fp("revenue.booked")
    _keep(conn, new.join(rows.select(*_CAUSE, "cause"), on=_CAUSE), to_date, ids)


def waiting(to_date: pl.DataFrame, known: pl.DataFrame) -> tuple[tuple[str, date], ...]:
    """The contracts and days on which REVENUE_TO_DATE moves but no exchange rate is known: not among `known` (contract, day)."""
    before = pl.col("revenue").shift().over("unit", "obligation", "contract", "line").fill_null(0)
    moves = to_date.sort("day").filter(pl.col("revenue") != before)
    found = moves.join(known, on=["contract", "day"], how="anti").select("contract", "day").unique()
    return tuple(found.sort(pl.all()).iter_rows())


def booked(conn: Connection, facts: Facts, to_date: pl.DataFrame) -> pl.DataFrame:
    """LINE_REVENUE in the books, under the names that unit and obligation have now.

    What an obligation had that the line is not part of any more counts for the line's present one.
    """
    held = store.booked(conn, facts.keys).with_columns(
        pl.col("contract").replace_strict(facts.unit_of, return_dtype=pl.String).alias("unit")
    )
    now = to_date.select("unit", "contract", "line", "obligation").unique().sort("obligation")
    first = now.group_by("contract", "line").agg(pl.col("obligation").first().alias("_first"))
    still = now.select("contract", "line", "obligation", pl.lit(True).alias("_still"))
    placed = held.join(still, on=["contract", "line", "obligation"], how="left").join(
        first, on=["contract", "line"], how="left"
    )
    named = placed.with_columns(
        pl.when("_still")
        .then("obligation")
        .otherwise(pl.coalesce("_first", "obligation"))
        .alias("obligation")
    )
    sums = named.group_by("unit", "obligation", *_PLACE, "event_date").agg(pl.col("amount").sum())
    return conform("recognised", sums, LINE_REVENUE)


def books_of(conn: Connection, contracts: Mapping[str, Mapping[str, object]]) -> Books:
    """The books as they are now; an entity we know no currency of keeps them in that of its contracts."""
    places = {key: (str(row["legal_entity"]), str(row["currency"])) for key, row in contracts.items()}
    return books.open_books(conn, places).assuming(dict(places.values()))


def _openings(conn: Connection, contracts: list[str]) -> pl.DataFrame:
    """Where each line stands: recognised less billed."""
    opening = (pl.col("recognised_amount") - pl.col("billed_amount")).alias("opening")
    return books.positions(conn, contracts).select("contract", "line", "currency", opening)


def _keep(conn: Connection, new: pl.DataFrame, to_date: pl.DataFrame, ids: Mapping[str, str]) -> None:
    """What each obligation gave to each journal, with the price and the progress behind it."""
    behind = to_date.select(
        "unit",
        "obligation",
        *_PLACE,
        pl.col("day").alias("event_date"),
        "allocated_price",
        "percent_complete",
    )
    rows = new.join(behind, on=["unit", "obligation", *_PLACE, "event_date"], how="left")
    journal = pl.format("revenue:{}", "cause").replace_strict(ids, return_dtype=pl.String)
    kept = rows.select(
        journal.alias("journal"), "contract", "line", "obligation", pl.col("entity").alias("legal_entity"),
        "currency", "event_date", "amount", pl.col("allocated_price").fill_null(0),
        pl.col("percent_complete").fill_null(0), pl.lit(clock.now(conn).isoformat()).alias("recorded_at"),
    )  # fmt: skip
    store.insert_revenue(conn, kept)
    fp("revenue.kept")
