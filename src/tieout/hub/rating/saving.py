"""Saving a decision: drafts that lost their ground first, then events, then balances, each in one statement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import HOURS, SHARE
from tieout.hub.rating.deciding import Decision, changed_places
from tieout.hub.rating.facts import Facts
from tieout.hub.rating.revenue import Earned
from tieout.store import billing_events as store
from tieout.store import retainers
from tieout.telemetry.failpoints import fp

_STALE = "work on it was corrected, re-priced or moved over a cap after it was drafted"
_OTHER_TERMS = "the contract's terms of invoicing changed after it was drafted"


@dataclass(frozen=True)
class Saved:
    """How many stored balances changed, and the drafts that are stale now."""

    updated: int
    stale: list[dict[str, Any]]


def save(conn: Connection, decision: Decision, earned: Earned, facts: Facts, moment: datetime) -> Saved:
    """Write the events and balances of a decision."""
    stale = _free_drafts(conn, decision, facts, moment)
    fp("rating.drafts")
    store.insert_reversals(conn, decision.reversals, moment)
    store.insert_events(conn, _event_rows(decision, moment))
    fp("rating.events")
    store.insert_balances(conn, _balance_rows(earned.events.filter("is_new"), moment))
    changed = earned.events.filter(~pl.col("is_new")).filter(changed_places())
    store.update_balances(conn, changed, moment)
    store.relink(conn, decision.relinked)
    if decision.charges.drawn is not None:
        retainers.replace(conn, list(facts.contracts), _periods(decision.charges.drawn.periods, moment))
    fp("rating.balances")
    return Saved(changed.height, stale)


def _free_drafts(
    conn: Connection, decision: Decision, facts: Facts, moment: datetime
) -> list[dict[str, Any]]:
    """Drafts that hold a part of an event which is no longer there to be billed, or are made on other terms."""
    drafted = pl.col("drafted_amount")
    left = store.left("amount", "held")
    held = decision.events.filter((drafted != 0) | (pl.col("drafted_quantity") != 0))
    lost = held.filter((drafted.abs() > left.abs()) | pl.col("is_set_back"))
    drafts: list[dict[str, Any]] = []
    if not lost.is_empty():
        drafts = _made_stale(conn, store.drafts_with(conn, lost["event"].to_list()), _STALE, moment)
    if not held.is_empty():
        others = store.drafts_on_other_terms(conn, facts.contracts)
        drafts += _made_stale(conn, others, _OTHER_TERMS, moment)
    return drafts


def _made_stale(
    conn: Connection, drafts: list[dict[str, Any]], reason: str, moment: datetime
) -> list[dict[str, Any]]:
    stale = store.make_stale(conn, [str(row["id"]) for row in drafts], reason, moment)
    return [row for row in drafts if str(row["id"]) in stale]


def _event_rows(decision: Decision, moment: datetime) -> pl.DataFrame:
    entity = decision.events.filter("is_new").select("event", "entity")
    hours = decision.rated.join(entity, on="event", maintain_order="left")
    fees = decision.charged.join(entity, on="event", maintain_order="left")
    spent = decision.bought.join(entity, on="event", maintain_order="left")
    rows = [_hours(hours, moment), _charges(fees, moment), _spent(spent, moment)]
    return pl.concat(rows, how="diagonal").with_columns(
        pl.coalesce("source_kind", "kind").alias("source_kind"), pl.col("pass_through_amount").fill_null(0)
    )


def _hours(rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    return rows.select(
        pl.col("event").alias("id"), pl.lit("time").alias("kind"), "contract", "line",
        pl.col("entity").alias("legal_entity"), "project", "task", "entry", pl.col("version").alias("entry_version"),
        "worker", "role", "work_date", "worked_hours", pl.col("billable_hours").alias("quantity"), "price",
        "multiplier", "discount", "amount", "currency", "card", "trail",
        pl.lit(moment.isoformat()).alias("recorded_at"),
    )  # fmt: skip


def _spent(rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    return rows.select(
        pl.col("event").alias("id"), "kind", "contract", "line", pl.col("entity").alias("legal_entity"), "project",
        "task", "entry", pl.col("version").alias("entry_version"), "worker", pl.col("category").alias("item"),
        "description", "work_date", "worked_hours", pl.col("billable_hours").alias("quantity"), "price", "multiplier",
        "discount", "amount", "pass_through_amount", "nature", "currency", "trail",
        pl.lit(moment.isoformat()).alias("recorded_at"),
    )  # fmt: skip


def _charges(rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    one, nothing = pl.lit(1).cast(SHARE), pl.lit(0).cast(SHARE)
    return rows.select(
        pl.col("event").alias("id"), "kind", "source_kind", "contract", "line", pl.col("entity").alias("legal_entity"), "project",
        pl.col("charge").alias("entry"), pl.lit(1, pl.Int64).alias("entry_version"), "item", "description",
        "period_start", "period_end", pl.col("due_on").alias("work_date"), pl.lit(0).cast(HOURS).alias("worked_hours"),
        "quantity", "price", one.alias("multiplier"), nothing.alias("discount"), "amount", "currency", "trail",
        pl.lit(moment.isoformat()).alias("recorded_at"),
    )  # fmt: skip


def _periods(periods: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    return periods.drop("ended").with_columns(pl.lit(moment.isoformat()).alias("updated_at"))


def _balance_rows(events: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    return events.select(
        "event",
        "contract",
        "quantity",
        "amount",
        *store.CHANGED,
        pl.lit(moment.isoformat()).alias("updated_at"),
    )


def digest_of(decision: Decision, earned: Earned) -> bytes:
    """sha256 over the facts that a run wrote (no ids), in order of contract, entry and kind."""
    names = ["contract", "entry", "version", "kind", "quantity", "amount", *store.CHANGED]
    wrote = earned.events.filter(pl.col("is_new") | changed_places().fill_null(False)).select(names)
    links = decision.relinked.select("entry", "version")
    parts = (wrote.sort(names), links.sort("entry", "version"))
    return hashlib.sha256("\n\n".join(part.write_csv() for part in parts).encode()).digest()
