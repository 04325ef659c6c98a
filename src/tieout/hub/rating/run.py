"""One rating run: lock the contracts, gather, decide, save. One transaction, no statement per entry or contract."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import ENTRIES, LINES
from tieout.domain.rating import prepare_entries
from tieout.hub import audit, events, exchange, policies, retention, revenue, work
from tieout.hub.actors import SYSTEM
from tieout.hub.rating import findings, saving
from tieout.hub.rating.deciding import Decision, decide
from tieout.hub.rating.expenses import unassigned
from tieout.hub.rating.facts import Facts, gather
from tieout.hub.rating.revenue import Earned, book, recognise
from tieout.store import billing_events, clock, expenses
from tieout.store import rating as store
from tieout.telemetry.failpoints import fp


@dataclass(frozen=True)
class Rated:
    """What a run changed, in rows: all zero when it ran again on its own output."""

    created: int = 0
    reversed: int = 0
    set_back: int = 0
    relinked: int = 0
    updated: int = 0
    journals: int = 0
    stale_drafts: int = 0
    opened: int = 0
    resolved: int = 0


def rate_contracts(conn: Connection, contracts: Collection[str]) -> Rated:
    """Rate all time of the contracts as known now: events, balances, revenue, exceptions; the caller commits.

    Contracts that share a purchase order, or that an entry moved between, are rated with them.
    """
    keys = store.widened(conn, contracts)
    billing_events.lock_contracts(conn, keys)
    chosen = policies.load(conn)
    facts = gather(conn, sorted(keys), chosen)
    moment = clock.now(conn)
    decision = decide(facts, chosen.rating, moment)
    earned = recognise(facts, decision)
    saved = saving.save(conn, decision, earned, facts, moment)
    journals = book(conn, earned.recognised, facts.events)
    journals += retention.book(conn, keys)
    by_time, undated = revenue.recognise_periods(conn, facts, decision.charges.fees, decision.charges.steps)
    by_plan = revenue.recognise_contracts(conn, keys)
    waiting = exchange.waiting(facts.contracts, [*earned.waiting, *undated, *by_plan.waiting], facts.averaged)
    opened, resolved = findings.settle(conn, facts, decision, saved.stale, waiting)
    rated = Rated(
        created=decision.rated.height + decision.charged.height + decision.bought.height,
        reversed=decision.reversals.height,
        set_back=decision.events.filter("is_set_back").height,
        relinked=decision.relinked.height,
        updated=saved.updated,
        journals=journals + by_time + by_plan.journals + by_plan.positions,
        stale_drafts=len(saved.stale),
        opened=opened + by_plan.opened,
        resolved=resolved + by_plan.resolved,
    )
    if rated.created or rated.reversed or saved.updated or rated.relinked or rated.journals:
        _tell(conn, decision, earned, facts)
        digest = saving.digest_of(decision, earned)
        subject = next(iter(keys)) if len(keys) == 1 else f"{len(keys)} contracts"
        audit.record(conn, SYSTEM, "rate", "contract", subject, rows=rated.created + rated.reversed + saved.updated,
                     digest=digest, detail=vars(rated))  # fmt: skip
    _ask_again(conn, facts, decision)
    fp("rating.done")
    return rated


def rate_unassigned(conn: Connection) -> Rated:
    """Judge the time and expenses that belong to no contract: each approved billable one is a `missing-project`."""
    entries = store.unassigned_entries(conn).select(ENTRIES.names())
    chosen = policies.load(conn).rating
    prepared = prepare_entries(entries, LINES.to_frame(), policies=chosen)
    spent = unassigned(expenses.unassigned_expenses(conn), chosen)
    missing = pl.concat([prepared.findings, spent]).filter(pl.col("kind") == findings.MISSING_PROJECT)
    opened, resolved = findings.settle_unassigned(conn, missing)
    fp("rating.unassigned")
    return Rated(opened=opened, resolved=resolved)


def _tell(conn: Connection, decision: Decision, earned: Earned, facts: Facts) -> None:
    """One event per contract for new billing events and one for revenue."""
    made = decision.events.filter("is_new")
    told = [
        events.NewEvent(events.BILLING_EVENT_CREATED, key, _entity(facts, key),
                        {"entries": count, "amount": amount, "currency": currency})
        for key, currency, count, amount in _sums(made, "entry")
    ]  # fmt: skip
    told += [
        events.NewEvent(
            events.REVENUE_RECOGNISED,
            key,
            _entity(facts, key),
            {"events": count, "amount": amount, "currency": currency},
        )
        for key, currency, count, amount in _sums(_revenue(earned), "event")
    ]
    events.emit(conn, told)


def _revenue(earned: Earned) -> pl.DataFrame:
    own = pl.col("amount") - pl.col("pass_through_amount")
    return earned.recognised.with_columns(own.alias("amount")).filter(pl.col("amount") != 0)


def _sums(rows: pl.DataFrame, counted: str) -> list[tuple[str, str, int, Decimal]]:
    keys = ["contract", "currency"]
    return rows.group_by(keys).agg(pl.col(counted).n_unique(), pl.col("amount").sum()).sort(keys).rows()


def _entity(facts: Facts, contract: str) -> str | None:
    return facts.contracts[contract]["legal_entity"] if contract in facts.contracts else None


def _ask_again(conn: Connection, facts: Facts, decision: Decision) -> None:
    """Ask for the next run of what changes by date alone, and for neighbours whose worker-day tipped over or back."""
    later: dict[date, list[str]] = {}
    for key, contract in facts.contracts.items():
        dates = [segment["effective_from"] for segment in facts.terms.get(key, [])]
        ahead = [day for day in (*dates, contract["signed_on"]) if day is not None and day > facts.today]
        if ahead:
            later.setdefault(min(ahead), []).append(key)
    for key, day in decision.charges.next_due.items():
        later.setdefault(day, []).append(key)
    future = decision.events.filter(pl.col("work_date") > facts.today)
    for key, day in future.group_by("contract").agg(pl.col("work_date").min()).rows():
        later.setdefault(day, []).append(key)
    for day, keys in sorted(later.items()):
        work.request_all(conn, [("rate", key) for key in keys], _start_of(day))
    tipped = findings.tipped_neighbours(conn, decision)
    if tipped:
        work.request_all(conn, [("rate", key) for key in sorted(tipped)])


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.utc)
