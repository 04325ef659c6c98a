"""Billing events and their balances: read as frames, appended by COPY, balances changed in one statement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from tieout.store import payers
from tieout.store.copying import copy_frame, execute_many, read_frame

_S, _H, _M, _SHARE = pl.String, pl.Decimal(20, 6), pl.Decimal(20, 4), pl.Decimal(9, 6)
PLACES = ("over_cap", "held", "written_off", "reversed", "drafted", "billed", "credited")
EVENT_COLUMNS: dict[str, Any] = {
    "event": _S, "kind": _S, "reverses": _S, "entry": _S, "version": pl.Int64, "contract": _S, "line": _S,
    "entity": _S, "work_date": pl.Date, "quantity": _H, "price": pl.Decimal(20, 6), "multiplier": _SHARE,
    "discount": _SHARE, "amount": _M, "currency": _S, "sequence": pl.Int64,
    **{f"{place}_{measure}": dtype for place in PLACES for measure, dtype in (("quantity", _H), ("amount", _M))},
    "recognised_amount": _M, "given_up_quantity": _H, "given_up_amount": _M, "item": _S, "period_start": pl.Date,
    "period_end": pl.Date, "source_kind": _S, "pass_through_amount": _M,
}  # fmt: skip


def left(measure: str, *places: str) -> pl.Expr:
    """What of each event (EVENT_COLUMNS) is neither billed nor kept out, in `quantity` or `amount`.

    `places` that count as out beside over_cap, written_off and reversed, e.g. held.
    """
    out = (f"{place}_{measure}" for place in ("over_cap", "written_off", "reversed", "billed", *places))
    free = pl.col(measure) - pl.sum_horizontal(*out) + pl.col(f"credited_{measure}")
    return free.cast(EVENT_COLUMNS[measure]).alias(measure)


def lock_contracts(conn: Connection, keys: Collection[str]) -> None:
    """Let one transaction at a time change the events and balances of a contract (taken in key order: no deadlock)."""
    conn.execute(
        text(
            "SELECT pg_advisory_xact_lock(hashtextextended('contract/' || k, 7469)) FROM"
            " (SELECT DISTINCT k FROM unnest(CAST(:keys AS text[])) AS k ORDER BY k) AS ordered"
        ),
        {"keys": sorted(keys)},
    )


def events_of(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Every event of the contracts with its balance (EVENT_COLUMNS), in order of sequence.

    `given_up_*` is the part that released credit notes gave up for good (no rebill), as far as it was not set back
    since: it stays written off whatever the caps say.
    """
    places = ", ".join(f"bb.{place}_quantity, bb.{place}_amount" for place in PLACES)
    given_up = ", ".join(_GIVEN_UP.format(m=measure) for measure in ("quantity", "amount"))
    query = f"""
        WITH given AS (
            SELECT l.event, sum(l.quantity) AS quantity, sum(l.amount) AS amount FROM invoice_line_event l
                JOIN invoice i ON i.id = l.invoice AND i.kind = 'credit_note' AND NOT i.rebill AND i.number IS NOT NULL
                JOIN invoice_line n ON n.invoice = l.invoice AND n.line = l.line
                JOIN billing_event e ON e.id = l.event AND {payers.WORK}
            WHERE n.contract = ANY(%(contracts)s) GROUP BY l.event
        )
        SELECT b.id, b.kind, b.reverses, b.entry, b.entry_version, b.contract, b.line, b.legal_entity, b.work_date,
               b.quantity, b.price, b.multiplier, b.discount, b.amount, b.currency, b.sequence, {places},
               bb.recognised_amount, {given_up}, b.item, b.period_start, b.period_end, b.source_kind, b.pass_through_amount
        FROM billing_event b JOIN billing_balance bb ON bb.event = b.id LEFT JOIN given g ON g.event = b.id
        WHERE b.contract = ANY(%(contracts)s) ORDER BY b.sequence
    """  # noqa: S608
    return read_frame(conn, query, {"contracts": list(contracts)}, EVENT_COLUMNS)


_GIVEN_UP = (
    "CASE WHEN coalesce(g.{m}, 0) >= 0"
    " THEN least(coalesce(g.{m}, 0), greatest(bb.{m} - bb.reversed_{m} - bb.billed_{m} + bb.credited_{m}, 0))"
    " ELSE greatest(g.{m}, least(bb.{m} - bb.reversed_{m} - bb.billed_{m} + bb.credited_{m}, 0)) END"
)


def insert_events(conn: Connection, events: pl.DataFrame) -> None:
    """Append events (columns of the table) in the order given: their sequence follows it."""
    copy_frame(conn, "billing_event", events)


def insert_reversals(conn: Connection, reversals: pl.DataFrame, moment: datetime) -> None:
    """Append the opposites of stored events: {event, reverses, quantity, amount, pass_through_amount}, the rest as there."""
    statement = """
        INSERT INTO billing_event (id, kind, source_kind, contract, line, legal_entity, project, task, entry,
            entry_version, item, description, reverses, worker, role, work_date, worked_hours, quantity, price,
            multiplier, discount, amount, pass_through_amount, nature, currency, card, trail, recorded_at)
        SELECT n.event, 'reversal', b.source_kind, b.contract, b.line, b.legal_entity, b.project, b.task, b.entry,
            b.entry_version, b.item, b.description, b.id, b.worker, b.role, b.work_date, -b.worked_hours, n.quantity,
            b.price, b.multiplier, b.discount, n.amount, n.pass_through_amount, b.nature, b.currency, b.card,
            jsonb_build_object('reverses', b.id), %(moment)s
        FROM unnest(%(event)s::uuid[], %(reverses)s::uuid[], %(quantity)s::numeric[], %(amount)s::numeric[],
            %(pass_through_amount)s::numeric[])
            WITH ORDINALITY AS n(event, reverses, quantity, amount, pass_through_amount, place)
        JOIN billing_event b ON b.id = n.reverses ORDER BY n.place
    """
    names = ("event", "reverses", "quantity", "amount", "pass_through_amount")
    _run(conn, statement, reversals, names, moment)


def insert_balances(conn: Connection, balances: pl.DataFrame) -> None:
    """Append the balances of new events (columns of the table)."""
    copy_frame(conn, "billing_balance", balances)


CHANGED = (
    "over_cap_quantity", "over_cap_amount", "held_quantity", "held_amount", "written_off_quantity",
    "written_off_amount", "reversed_quantity", "reversed_amount", "recognised_amount",
)  # fmt: skip


def update_balances(conn: Connection, balances: pl.DataFrame, moment: datetime) -> None:
    """Set the columns CHANGED of stored balances, one row per `event`."""
    names = ", ".join(CHANGED)
    arrays = ", ".join(f"%({name})s::numeric[]" for name in CHANGED)
    places = ", ".join(f"{name} = n.{name}" for name in CHANGED)
    statement = f"""
        UPDATE billing_balance b SET {places}, updated_at = %(moment)s
        FROM unnest(%(event)s::uuid[], {arrays}) AS n(event, {names}) WHERE b.event = n.event
    """  # noqa: S608
    _run(conn, statement, balances, ("event", *CHANGED), moment)


def relink(conn: Connection, links: pl.DataFrame) -> None:
    """Name the later version of its entry on events whose value did not change: {event, version}."""
    if links.is_empty():
        return
    statement = """
        UPDATE billing_event b SET entry_version = n.version
        FROM unnest(%(event)s::uuid[], %(version)s::int[]) AS n(event, version) WHERE b.id = n.event
    """
    columns = {name: links[name].to_list() for name in ("event", "version")}
    execute_many(conn, statement, columns)


def _run(
    conn: Connection, statement: str, frame: pl.DataFrame, names: Sequence[str], moment: datetime
) -> None:
    if not frame.is_empty():
        columns: dict[str, Any] = {name: frame[name].to_list() for name in names}
        execute_many(conn, statement, columns | {"moment": moment})


# --- drafts ----------------------------------------------------------------------------------------------------------


def drafts_with(conn: Connection, events: Collection[str]) -> list[dict[str, Any]]:
    """What runs drafted, not yet released and not yet stale, that holds one of the events: {id, draft_number, contract, net_amount, ...}."""
    query = text(
        "SELECT DISTINCT i.id, i.draft_number, i.contract, i.legal_entity, i.net_amount, i.currency, i.preparer FROM invoice i"
        " JOIN invoice_line_event l ON l.invoice = i.id WHERE l.event = ANY(CAST(:events AS uuid[]))"
        " AND (i.kind = 'invoice' OR i.run IS NOT NULL) AND i.state IN ('draft', 'approved')"
        " AND i.stale_reason IS NULL ORDER BY i.id"
    )
    return [dict(row) for row in conn.execute(query, {"events": list(events)}).mappings()]


def drafts_on_other_terms(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """Drafts of the contracts, as `drafts_with` gives them, made before their terms of invoicing changed."""
    query = text(
        "SELECT DISTINCT i.id, i.draft_number, i.contract, i.legal_entity, i.net_amount, i.currency, i.preparer FROM invoice i"
        " JOIN invoice_line l ON l.invoice = i.id"
        " JOIN contract c ON c.key = l.contract AND c.superseded_at IS NULL AND c.recorded_at > i.recorded_at"
        " JOIN contract v ON v.key = l.contract AND v.recorded_at <= i.recorded_at AND v.superseded_at > i.recorded_at"
        " WHERE l.contract = ANY(CAST(:contracts AS text[])) AND i.kind = 'invoice' AND i.state IN ('draft', 'approved')"
        " AND i.stale_reason IS NULL AND c.invoicing IS DISTINCT FROM v.invoicing ORDER BY i.id"
    )
    return [dict(row) for row in conn.execute(query, {"contracts": list(contracts)}).mappings()]


def make_stale(conn: Connection, invoices: Collection[str], reason: str, moment: datetime) -> set[str]:
    """Mark drafts stale and free what they hold, so that a new draft can take it; those that were not stale yet.

    A draft of several contracts may be made stale from any of them: it is locked first and freed once.
    """
    lock = text(
        "SELECT CAST(id AS text) FROM invoice WHERE id = ANY(CAST(:ids AS uuid[])) AND stale_reason IS NULL"
        " ORDER BY id FOR UPDATE"
    )
    invoices = list(conn.execute(lock, {"ids": list(invoices)}).scalars())
    free = text(
        "UPDATE billing_balance b SET drafted_quantity = b.drafted_quantity - s.quantity,"
        " drafted_amount = b.drafted_amount - s.amount, updated_at = :moment FROM"
        " (SELECT l.event, sum(CASE i.kind WHEN 'invoice' THEN l.quantity ELSE -l.quantity END) AS quantity,"
        "  sum(CASE i.kind WHEN 'invoice' THEN l.amount ELSE -l.amount END) AS amount"
        "  FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice"
        "  WHERE i.id = ANY(CAST(:ids AS uuid[])) GROUP BY l.event) AS s WHERE b.event = s.event"
    )
    conn.execute(free, {"ids": list(invoices), "moment": moment})
    payers.free(conn, invoices, moment)
    mark = text(
        "UPDATE invoice SET stale_reason = :reason, version = version + 1, updated_at = :moment"
        " WHERE id = ANY(CAST(:ids AS uuid[]))"
    )
    conn.execute(mark, {"ids": list(invoices), "reason": reason, "moment": moment})
    return set(invoices)
