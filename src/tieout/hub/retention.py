"""What customers keep back until work is accepted or time has passed, and where it stands in the books.

Of an invoice it is a share of the net, out of the receivable; of what is earned and not billed yet, while its release hangs
on a milestone, the same share, out of the unbilled receivable. Domain rules §3, §4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import retained_by_line, withhold, withhold_waiting
from tieout.domain.frames import (
    MONEY,
    POSITION_MOVES,
    POSITION_TARGETS,
    RETAINABLE,
    RETAINED,
    RETAINED_LINES,
    RETENTION_EVENTS,
    RETENTION_TERMS,
    conform,
    frame,
)
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger import journal_for_retention, unbooked_moves
from tieout.hub import books, canonical, policies
from tieout.store import clock, subledger
from tieout.store import retention as store
from tieout.telemetry.failpoints import fp

Row = dict[str, Any]
_ZERO = Decimal(0)
_NONE: Row = {"share": None, "milestone": None, "release_on": None}
_ACCOUNTS = (a.CONTRACT_ASSET, a.RETENTION_RECEIVABLE)
BILLED, UNBILLED = "retention", "unbilled_retention"
"""Cause types of the journals: of invoices, and of what waits for one."""
_LINE = ["contract", "line", "entity", "currency"]
_CAUSED = pl.Schema({**POSITION_MOVES, "cause": pl.String()})


def plan_of(terms: Mapping[str, Any]) -> Row | None:
    """The retention of a contract's terms: {share, milestone, release_on}; None where the customer keeps nothing."""
    told = (terms.get("invoicing") or {}).get("retention")
    if told is None:
        return None
    release_on = told.get("release_on")
    return {
        "share": Decimal(told["share"]), "milestone": told.get("milestone"),
        "release_on": None if release_on is None else date.fromisoformat(release_on),
    }  # fmt: skip


def share_back(
    rows: Sequence[Mapping[str, Any]],
    plans: Mapping[str, Row],
    reached: Iterable[Mapping[str, Any]],
    on: date,
) -> pl.DataFrame:
    """RETAINED of rows (RETAINABLE, with their contract as `of` and their own `share`, if any) by the plans of contracts."""
    terms = [
        {"contract": row["invoice"], "share": row.get("share", plan["share"]) or 0, "tax_deferred": False,
         "release": "milestone" if plan["milestone"] else "time", "milestone": plan["milestone"],
         "release_on": plan["release_on"] or row.get("free_on")}
        for row in rows if (plan := plans[row["of"]])
    ]  # fmt: skip
    events = [
        {"contract": row["invoice"], "milestone": one["milestone"], "day": one["day"]}
        for row in rows for one in reached if one["contract"] == row["of"]
    ]  # fmt: skip
    named = [{**row, "contract": row["invoice"]} for row in rows]
    kept = withhold(
        frame(named, RETAINABLE), frame(terms, RETENTION_TERMS), frame(events, RETENTION_EVENTS), as_of=on
    )
    if not kept.findings.is_empty():
        raise AssertionError("a retention is judged when its contract is heard")
    return kept.retained


def held(conn: Connection, contracts: Collection[str], on: date) -> list[Row]:
    """Released invoices with what is kept of each now: rows of `retention.invoices` with the columns of RETAINED.

    Where the contract's terms say no more of a retention, what was kept may be asked for since the invoice's issue.
    """
    rows = store.invoices(conn, contracts)
    current = canonical.current(conn, "contract", contracts)
    plans = {key: plan_of(terms) or _NONE for key, terms in current.items()}
    stated = [
        {**row, "invoice": row["id"], "of": row["contract"], "share": row["retention_share"],
         "free_on": row["issue_date"] if plans[row["contract"]]["share"] is None else None}
        for row in rows
    ]  # fmt: skip
    kept = share_back(stated, plans, store.accepted(conn, contracts), on)
    by_invoice = {row["invoice"]: row for row in kept.iter_rows(named=True)}
    names = ("retained_amount", "payable_amount", "account", "release_on")
    return [{**row, **{name: by_invoice[row["id"]][name] for name in names}} for row in rows]


def kept_of(conn: Connection, row: Mapping[str, Any]) -> Decimal:
    """What the customer keeps of one released invoice now, asked for or not."""
    if row["retention_share"] is None:
        return _ZERO
    on = clock.now(conn).date()
    found = [one for one in held(conn, [row["contract"]], on) if one["id"] == str(row["id"])]
    return sum((Decimal(one["retained_amount"]) for one in found), _ZERO)


def waiting_of(conn: Connection, row: Mapping[str, Any]) -> Decimal:
    """What of it no released document has asked for."""
    kept = kept_of(conn, row)
    asked = store.asked(conn, [row["number"]]) if kept else []
    return max(_ZERO, kept - sum((one["released_amount"] for one in asked), _ZERO))


def by_line(conn: Connection, rows: Sequence[Row]) -> list[Row]:
    """What is kept of each contract line of invoices: rows of `held` with `line` and that line's `retained_amount`."""
    of_invoice = {row["id"]: row for row in rows}
    lines = [
        {**line, "contract": of_invoice[line["invoice"]]["contract"]}
        for line in store.lines(conn, list(of_invoice))
    ]
    kept = frame([{**row, "invoice": row["id"], "deferred_tax_amount": _ZERO} for row in rows], RETAINED)
    shared = {
        (part["invoice"], part["line"]): part["retained_amount"]
        for part in retained_by_line(kept, frame(lines, RETAINED_LINES)).iter_rows(named=True)
    }
    return [
        {**of_invoice[line["invoice"]], "line": line["line"],
         "retained_amount": shared.get((line["invoice"], line["line"]), _ZERO)}
        for line in lines
    ]  # fmt: skip


def book(conn: Connection, contracts: Collection[str]) -> int:
    """Bring what is kept back of contracts, billed or not, to where it stands; how many journals."""
    keys = store.contracts_with(conn, contracts)
    if not keys:
        return 0
    today = clock.now(conn).date()
    written = _book_billed(conn, keys, _billed(conn, keys, today))
    written += _book_unbilled(conn, keys, today)
    fp("retention.booked")
    return written


def _billed(conn: Connection, contracts: Collection[str], today: date) -> list[Row]:
    """What is kept of each invoice and line and was not asked for by a released document."""
    rows = held(conn, contracts, today)
    released = {
        (one["number"], one["line"]): one["released_amount"]
        for one in store.asked(conn, [row["number"] for row in rows])
    }
    return [
        {**row, "head": row["number"],
         "balance": max(_ZERO, row["retained_amount"] - released.get((row["number"], row["line"]), _ZERO))}
        for row in by_line(conn, rows)
    ]  # fmt: skip


def conditional_terms(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """The retentions of the contracts whose release hangs on a milestone (RETENTION_TERMS)."""
    current = canonical.current(conn, "contract", contracts)
    rows = [
        {"contract": key, "share": plan["share"], "tax_deferred": False, "release": "milestone",
         "milestone": plan["milestone"], "release_on": None}
        for key, terms in current.items() if (plan := plan_of(terms) or _NONE)["milestone"]
    ]  # fmt: skip
    return frame(rows, RETENTION_TERMS)


def _book_unbilled(conn: Connection, contracts: Collection[str], today: date) -> int:
    """What will be kept of what is earned and not billed, while that hangs on a milestone nobody accepted yet.

    Of lines that earn by a measure of progress `revenue.positions` judges it.
    """
    moves = store.unbilled_moves(conn, contracts)
    if moves.is_empty():
        return 0
    accepted = frame(store.accepted(conn, contracts), RETENTION_EVENTS)
    waiting = _running(moves.filter(pl.col("account") == a.UNBILLED_RECEIVABLE), accepted, today)
    kept = withhold_waiting(waiting, conditional_terms(conn, contracts), accepted, as_of=today)
    targets = kept.with_columns(
        pl.lit(a.CONTRACT_ASSET).alias("account"), pl.col("withheld_amount").alias("balance")
    )
    booked = conform("moves", moves.filter(pl.col("account") == a.CONTRACT_ASSET), POSITION_MOVES)
    lacking = unbooked_moves(conform("targets", targets, POSITION_TARGETS), booked)
    if lacking.is_empty():
        return 0
    heads = lacking.select("contract", "entity", "currency", "event_date").unique().sort(pl.all())
    causes = books.numbered(conn, heads, UNBILLED, contracts)
    return _write(conn, lacking.join(causes, on=heads.columns), billed=False)


def _running(moves: pl.DataFrame, accepted: pl.DataFrame, today: date) -> pl.DataFrame:
    """Each line's `open_amount` at the end of each day on which it moved, a milestone was accepted, and today."""
    nothing = pl.lit(0).cast(MONEY).alias("amount")
    lines = moves.select(_LINE).unique()
    days = accepted.select("contract", pl.col("day").alias("event_date")).unique()
    steps = [
        moves.select(*_LINE, "event_date", "amount"),
        lines.join(days, on="contract").select(*_LINE, "event_date", nothing),
        lines.select(*_LINE, pl.lit(today).alias("event_date"), nothing),
    ]
    by_day = pl.concat(steps).group_by(*_LINE, pl.col("event_date").alias("day")).agg(pl.col("amount").sum())
    return by_day.sort(*_LINE, "day").with_columns(
        pl.col("amount").cum_sum().over(_LINE).cast(MONEY).alias("open_amount")
    )


def _book_billed(conn: Connection, contracts: Collection[str], places: Sequence[Row]) -> int:
    """One journal per invoice whose retention moved."""
    booked = {
        (one["head"], one["line"], one["account"]): one["amount"] for one in store.booked(conn, contracts)
    }
    numbers = subledger.journal_counts(conn, BILLED, contracts)
    causes: dict[str, list[Row]] = {}
    for one in places:
        for account in _ACCOUNTS:
            before = booked.get((one["head"], one["line"], account), _ZERO)
            balance = one["balance"] if one["account"] == account else _ZERO
            if balance != before:
                told = {"account": account, "amount": balance - before, "entity": one["legal_entity"]}
                told["cause"] = f"{one['head']}/{numbers.get(one['head'], 0) + 1}"
                causes.setdefault(one["head"], []).append({**one, **told})
    rows = [
        {**one, "event_date": day}
        for moved in causes.values()
        for day in [_day(conn, moved)]
        for one in moved
    ]
    return _write(conn, frame(rows, _CAUSED), billed=True) if rows else 0


def _write(conn: Connection, moves: pl.DataFrame, *, billed: bool) -> int:
    places = moves.select("contract", "entity", "currency").unique().iter_rows()
    own = {contract: (entity, currency) for contract, entity, currency in places}
    known = books.open_books(conn, own).assuming(dict(own.values()))
    return len(books.write_journals(conn, journal_for_retention(moves, known, billed=billed)))


def _day(conn: Connection, moved: Sequence[Row]) -> date:
    """The day of the acceptance for what becomes a receivable by it, else today."""
    kept = sum((one["amount"] for one in moved), _ZERO) == 0
    accepted: date | None = moved[0]["release_on"]
    if kept and accepted is not None:
        return accepted
    zone = policies.load(conn).time_zone(moved[0]["entity"])
    return clock.now(conn).astimezone(zone).date()
