"""What several payers pay of events: their shares, and what of each is drafted, billed, credited and given up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import billing_share

_MEASURES = ("quantity", "amount")
WORK = "(e.kind NOT IN ('reversal', 'deduction') AND (e.kind <> 'adjustment' OR e.amount > 0))"
"""Condition on billing_event e: what may be given up. Corrections and deposits are owed to the customer in any case."""
_HELD = """
    SELECT l.event, i.customer, sum(CASE i.kind WHEN 'invoice' THEN l.quantity ELSE -l.quantity END) AS quantity,
           sum(CASE i.kind WHEN 'invoice' THEN l.amount ELSE -l.amount END) AS amount
    FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice
    WHERE i.id = ANY(CAST(:documents AS uuid[])) GROUP BY l.event, i.customer
"""
"""What unreleased drafts hold of events."""


def sharing(conn: Connection, contracts: Collection[str]) -> set[str]:
    """Which of the contracts have events that are shared."""
    row = billing_share.c
    query = select(row.contract).where(row.contract == func.any(list(contracts))).distinct()
    return set(conn.execute(query).scalars())


def read(conn: Connection, events: Collection[str], redone: Collection[str]) -> list[dict[str, Any]]:
    """The shares of events: what each leaves open when the drafts `redone` are gone, and what stands on invoices.

    {event, payer, position, open_quantity, open_amount, standing_quantity, standing_amount, used}; `used`: something
    of it was billed or is on another draft.
    """
    query = text(f"""
        SELECT CAST(s.event AS text) AS event, s.payer, s.position,
            s.quantity - s.written_off_quantity - s.drafted_quantity - s.billed_quantity + s.credited_quantity
                + coalesce(h.quantity, 0) AS open_quantity,
            s.amount - s.written_off_amount - s.drafted_amount - s.billed_amount + s.credited_amount
                + coalesce(h.amount, 0) AS open_amount,
            s.billed_quantity - s.credited_quantity AS standing_quantity,
            s.billed_amount - s.credited_amount AS standing_amount,
            (s.billed_quantity, s.billed_amount, s.drafted_quantity - coalesce(h.quantity, 0),
             s.drafted_amount - coalesce(h.amount, 0)) <> (0, 0, 0, 0) AS used
        FROM billing_share s LEFT JOIN ({_HELD}) h ON h.event = s.event AND h.customer = s.payer
        WHERE s.event = ANY(CAST(:events AS uuid[])) ORDER BY s.event, s.position
    """)  # noqa: S608
    given = {"events": list(events), "documents": list(redone)}
    return [dict(row) for row in conn.execute(query, given).mappings()]


def standing(conn: Connection, charges: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """What of charges stands on invoices of their payers: {charge: [{payer, position, standing_quantity, standing_amount}]}."""
    query = text(
        "SELECT e.entry, s.payer, min(s.position) AS position, sum(s.billed_quantity - s.credited_quantity) AS"
        " standing_quantity, sum(s.billed_amount - s.credited_amount) AS standing_amount FROM billing_share s"
        " JOIN billing_event e ON e.id = s.event WHERE e.entry = ANY(CAST(:charges AS text[]))"
        " GROUP BY e.entry, s.payer ORDER BY 1, 3"
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in conn.execute(query, {"charges": list(charges)}).mappings():
        found.setdefault(row["entry"], []).append(dict(row))
    return found


def corrected(conn: Connection, entries: Collection[str]) -> dict[tuple[str, str], str]:
    """The newest released invoice of each payer on which an entry or charge was billed: {(entry, payer): number}."""
    query = text(
        "SELECT DISTINCT ON (e.entry, i.customer) e.entry, i.customer, i.number FROM billing_event e"
        " JOIN invoice_line_event l ON l.event = e.id"
        " JOIN invoice i ON i.id = l.invoice AND i.kind = 'invoice' AND i.number IS NOT NULL"
        " WHERE e.kind NOT IN ('reversal', 'adjustment') AND e.entry = ANY(CAST(:entries AS text[]))"
        " ORDER BY e.entry, i.customer, i.draft_number DESC"
    )
    rows = conn.execute(query, {"entries": list(entries)})
    return {(row.entry, row.customer): row.number for row in rows}


def replace(
    conn: Connection, events: Collection[str], rows: Sequence[Mapping[str, Any]], moment: datetime
) -> None:
    """Give events, of which nothing is billed, these shares ({event, payer, contract, position, quantity, amount})."""
    gone = text(
        "DELETE FROM billing_share s WHERE s.event = ANY(CAST(:events AS uuid[])) AND NOT EXISTS ("
        "SELECT FROM unnest(CAST(:kept AS uuid[]), CAST(:payers AS text[])) AS k(event, payer)"
        " WHERE k.event = s.event AND k.payer = s.payer)"
    )
    kept = {"kept": [row["event"] for row in rows], "payers": [row["payer"] for row in rows]}
    conn.execute(gone, {"events": list(events), **kept})
    if rows:
        names = ("event", "payer", "contract", "position", "quantity", "amount")
        added = insert(billing_share)
        changed = {name: added.excluded[name] for name in ("position", "quantity", "amount", "updated_at")}
        conn.execute(
            added.on_conflict_do_update(index_elements=["event", "payer"], set_=changed),
            [{name: row[name] for name in names} | {"updated_at": moment} for row in rows],
        )


def move(
    conn: Connection,
    documents: Collection[str],
    changes: Mapping[str, int],
    moment: datetime,
    works: bool = False,
) -> None:
    """Add what documents hold of shared events to their customers' shares, with `works` only of WORK: {place: sign}."""
    sets = ", ".join(
        f"{place}_{measure} = b.{place}_{measure} {'+' if sign > 0 else '-'} s.{measure}"
        for place, sign in changes.items()
        for measure in _MEASURES
    )
    statement = f"""
        UPDATE billing_share b SET {sets}, updated_at = :moment FROM (
            SELECT l.event, i.customer, sum(l.quantity) AS quantity, sum(l.amount) AS amount FROM invoice_line_event l
                JOIN invoice i ON i.id = l.invoice JOIN billing_event e ON e.id = l.event
            WHERE i.id = ANY(CAST(:documents AS uuid[])) AND (CAST(:works AS boolean) IS NOT TRUE OR {WORK})
            GROUP BY l.event, i.customer) AS s
        WHERE b.event = s.event AND b.payer = s.customer
    """  # noqa: S608
    conn.execute(text(statement), {"documents": list(documents), "moment": moment, "works": works})


def free(conn: Connection, documents: Collection[str], moment: datetime) -> None:
    """Let go what unreleased drafts hold of shared events."""
    statement = text(f"""
        UPDATE billing_share b SET drafted_quantity = b.drafted_quantity - h.quantity,
            drafted_amount = b.drafted_amount - h.amount, updated_at = :moment
        FROM ({_HELD}) h WHERE h.event = b.event AND h.customer = b.payer
    """)  # noqa: S608
    conn.execute(statement, {"documents": list(documents), "moment": moment})
