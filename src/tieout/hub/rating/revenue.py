"""Revenue of the rated work: by the right to invoice, booked per contract line and day, each event's share kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing.deposits import DEDUCTION, SECURITY
from tieout.domain.billing.deposits import KIND as DEPOSIT
from tieout.domain.frames import (
    CONTRACT_EXISTENCE,
    EARNED_CAUSES,
    EARNED_EVENTS,
    EARNED_MOVES,
    MONEY,
    REVENUE_FINDINGS,
    conform,
    empty,
    frame,
)
from tieout.domain.revenue import passed_on, recognise_as_invoiced
from tieout.domain.subledger import journal_for_earned
from tieout.hub import books
from tieout.hub.exchange import covered
from tieout.hub.rating import expedient
from tieout.hub.rating.deciding import Decision, looked_up
from tieout.hub.rating.expenses import KINDS
from tieout.hub.rating.facts import Facts
from tieout.store import subledger
from tieout.telemetry.failpoints import fp

NOT_EARNED = frozenset({"period", "retainer", DEPOSIT, DEDUCTION})
"""Charges that are not what their line earns: fees are earned as their period passes or their balance is drawn, and what
is asked for in advance is no performance (IFRS 15.106)."""
_CAUSE = ["contract", "event_date", "line", "entity", "currency", "taken_back"]


@dataclass(frozen=True)
class Earned:
    """`recognised`: what each event adds (RECOGNISED); `events` as decided, with the revenue to date in them.

    `waiting` are the contracts and days of what waits for an exchange rate.
    """

    recognised: pl.DataFrame
    events: pl.DataFrame
    waiting: Sequence[tuple[str, date]] = ()


def recognise(facts: Facts, decision: Decision) -> Earned:
    """What the events earn beyond what is recognised; a contract exists for revenue once it is signed.

    What a cap lets through or takes back is dated by the terms that set it, what people write down or off by their
    decision, everything else by its work.
    """
    written = decision.written.rename({"day": "written_on"})
    events = _by_right(facts, decision.events).join(written, on="event", how="left", maintain_order="left")
    events = events.with_columns(_moved_on(decision).alias("changed_on"))
    due = recognise_as_invoiced(
        events.select(EARNED_EVENTS.names()),
        frame(existence(facts.contracts), CONTRACT_EXISTENCE),
        known_on=facts.today,
    )
    known = covered(due, facts.contracts, facts.exchange_rates, "event_date", facts.averaged)
    waiting = (
        due.join(known, on=["event", "event_date"], how="anti") if known.height < due.height else due.clear()
    )
    recognised = _with_passed_on(known, decision.events)
    added = recognised.select("event", pl.col("amount").alias("added"))
    updated = decision.events.join(added, on="event", how="left", maintain_order="left").with_columns(
        (pl.col("recognised_amount") + pl.col("added").fill_null(0))
        .cast(EARNED_EVENTS["recognised_amount"])
        .alias("recognised_amount")
    )
    return Earned(recognised, updated.drop("added"), waiting.select("contract", "event_date").rows())


def existence(contracts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Since when each contract exists for revenue, in the columns of CONTRACT_EXISTENCE (IFRS 15.9)."""
    return [
        {"contract": key, "signed_on": row["signed_on"], "collectible_from": _collectible_from(row)}
        for key, row in contracts.items()
    ]


def _with_passed_on(recognised: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Adds `pass_through_amount`: what of each amount is another party's (IFRS 15.B36)."""
    if not (events["pass_through_amount"] != 0).any():
        return recognised.with_columns(pl.lit(0).cast(MONEY).alias("pass_through_amount"))
    whole = events.select(
        "event",
        pl.col("amount").alias("whole"),
        "pass_through_amount",
        pl.col("recognised_amount").alias("before"),
    ).filter(pl.col("pass_through_amount") != 0)
    moves = recognised.join(whole, on="event").with_columns(
        (pl.col("before") + pl.col("amount")).alias("after")
    )
    passed = passed_on(conform("moves", moves.with_columns(pl.col("whole").alias("amount")), EARNED_MOVES))
    joined = recognised.join(passed, on="event", how="left", maintain_order="left")
    return joined.with_columns(pl.col("pass_through_amount").fill_null(0))


def _by_right(facts: Facts, events: pl.DataFrame) -> pl.DataFrame:
    """The events; those that are not themselves what their line earns count as nothing (IFRS 15.B16).

    Lines with a measure of progress earn by it (hub/revenue), fees of a period day by day, retainers as they are drawn.
    Expenses are earned as they are incurred whatever their line earns by: they stay out of its measure.
    """
    spent = pl.col("source_kind").is_in(list(KINDS))
    by_time = pl.col("source_kind").is_in(list(NOT_EARNED))
    nothing = pl.col("over_cap_amount") + pl.col("written_off_amount") + pl.col("reversed_amount")
    otherwise = ~spent & (
        by_time | pl.col("event").is_in([*_measured(facts, events), *_refused(facts, events)])
    )
    earned = pl.when(otherwise).then(nothing).otherwise("amount")
    return events.with_columns(earned.cast(EARNED_EVENTS["amount"]).alias("amount"))


def _measured(facts: Facts, events: pl.DataFrame) -> list[str]:
    """The events of lines that earn by a measure of progress under the terms of their day."""
    spans = [
        (line.contract, line.terms["line"], line.segment["effective_from"], line.segment["effective_to"] or date.max)
        for line in facts.plans
        if not line.is_as_invoiced
    ]  # fmt: skip
    if not spans:
        return []
    schema = {"contract": pl.String, "line": pl.String, "first": pl.Date, "last": pl.Date}
    measured = events.join(pl.DataFrame(spans, schema=schema, orient="row"), on=["contract", "line"])
    return measured.filter(pl.col("work_date").is_between("first", "last"))["event"].to_list()


def _refused(facts: Facts, events: pl.DataFrame) -> list[str]:
    """The events of lines whose right to invoice the firm's policy does not accept as a measure: they earn nothing."""
    lines = refused_lines(facts, events).select("contract", "line")
    if lines.is_empty():
        return []
    return events.join(lines, on=["contract", "line"], how="semi")["event"].to_list()


def refused_lines(facts: Facts, events: pl.DataFrame) -> pl.DataFrame:
    """REVENUE_FINDINGS of lines that are doubtful under the policy `expedient: strict`; none under `warn`."""
    if facts.expedient != expedient.STRICT:
        return empty(REVENUE_FINDINGS)
    over = events.filter(pl.col("over_cap_amount") != 0).select("contract", "line").unique()
    return expedient.doubtful(facts.plans, over.iter_rows(), facts.today)


def _collectible_from(contract: Mapping[str, Any]) -> date | None:
    """The day from which collection is probable: that of the signature unless somebody says otherwise (IFRS 15.9e)."""
    if contract["collectible"] is False:
        return None
    since: date | None = contract["collectible_from"] or contract["signed_on"]
    return since


def _moved_on(decision: Decision) -> pl.Expr:
    """The day of the write, or the first day of the terms whose cap, that moved a stored event; null for all others."""
    since: dict[str, date] = {}
    for limit in decision.capped.limits.values():
        for contract in limit.contracts:
            if limit.since is not None:
                since[contract] = max(limit.since, since.get(contract, limit.since))
    day = looked_up("contract", since, pl.Date)
    moved = (pl.col("over_cap_amount") != pl.col("before_over_cap_amount")) | (
        pl.col("written_off_amount") != pl.col("before_written_off_amount")
    )
    return pl.when(moved.fill_null(False) & ~pl.col("is_set_back")).then(pl.coalesce("written_on", day))


def book(conn: Connection, recognised: pl.DataFrame, before: pl.DataFrame) -> int:
    """Book what was recognised, one journal per contract line and day, and link each event to its journal; how many.

    `before` are the events as stored until now: their revenue less their billing, with what a line earns otherwise, is where
    it stands.
    """
    if recognised.is_empty():
        return 0
    back = pl.col("amount") < 0
    worked = recognised.join(
        before.select("event", "work_date"), on="event", how="left", maintain_order="left"
    )
    earned_on = pl.coalesce("work_date", "event_date").cast(pl.Date)
    recognised = worked.with_columns(back.alias("taken_back"), pl.when(back).then(earned_on).alias("origin"))
    causes = _causes(conn, recognised)
    line = ["contract", "line", "currency"]
    ahead = pl.col("recognised_amount") - pl.col("billed_amount") + pl.col("credited_amount")
    otherwise = subledger.earned_otherwise(conn, recognised["contract"].unique().to_list())
    before = before.filter(~pl.col("item").str.starts_with(SECURITY).fill_null(False))
    parts = pl.concat([before.select(*line, ahead.cast(MONEY).alias("opening")), otherwise])
    openings = parts.group_by(line).agg(pl.col("opening").sum())
    placed = causes.join(openings, on=line, how="left").with_columns(pl.col("opening").fill_null(0))
    ids: dict[str, str] = {}
    held = recognised.select("contract", "entity", "currency").unique()
    now = books.open_books(
        conn, {contract: (entity, currency) for contract, entity, currency in held.iter_rows()}
    )
    for (currency,), group in placed.group_by("currency", maintain_order=True):
        rows = group.select(pl.col(name).cast(dtype) for name, dtype in EARNED_CAUSES.items())
        sound = now.assuming(dict.fromkeys(rows["entity"], str(currency)))
        ids |= books.write_journals(conn, journal_for_earned(rows, sound))
    fp("rating.booked")
    _link(conn, recognised.join(causes.select(*_CAUSE, "cause").unique(), on=_CAUSE), ids)
    return len(ids)


def _causes(conn: Connection, recognised: pl.DataFrame) -> pl.DataFrame:
    """One cause per contract line and day, what is taken back apart from what is earned: `CONTRACT/DAY/N`.

    What is taken back has a row for each day on which it was earned.
    """
    of = [*_CAUSE, "origin"]
    sums = recognised.group_by(of).agg(pl.col("amount", "pass_through_amount").sum()).sort(of)
    heads = books.numbered(
        conn,
        sums.select(_CAUSE).unique(maintain_order=True),
        "revenue",
        recognised["contract"].unique().to_list(),
    )
    return sums.join(heads, on=_CAUSE, maintain_order="left")


def _link(conn: Connection, shares: pl.DataFrame, ids: dict[str, str]) -> None:
    journal = pl.format("revenue:{}", "cause").replace_strict(ids, return_dtype=pl.String)
    entries = shares.select(journal.alias("journal"), "event", "amount", "pass_through_amount")
    subledger.insert_revenue_entries(conn, entries)
