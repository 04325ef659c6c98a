"""By policy a correction that lowers what was invoiced is a credit note of the billing run, not a line of an invoice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection

from tieout.domain.billing import CorrectionNotes, credit_corrections
from tieout.domain.frames import BILLABLE, CREDITABLE, INVOICE_LINES, STANDING, frame
from tieout.hub.billing.notes import left_of, lines_under, note_of
from tieout.store import invoices as store

POLICY = "credit_note"


def correction_notes(
    conn: Connection,
    rows: Sequence[Mapping[str, Any]],
    held: Collection[str],
    through: date,
    payer: str | None = None,
) -> tuple[list[dict[str, Any]], set[str]]:
    """Draft credit notes for what corrections take back of `rows`, billable up to a date, and the events that they hold.

    Each note is {row, lines, links}; drafts `held` are about to be redone and count for nothing. `payer`: only on the
    invoices of this payer, whose part the rows are.
    """
    fixed = {row["entry"] for row in rows if row["kind"] == "reversal"}
    originals = {
        key: original
        for key in store.carrying(conn, {row["contract"] for row in rows}, fixed)
        if (original := store.read(conn, store.by_id(key))) is not None
        and payer in (None, original["customer"])
    }
    if not originals:
        return [], set()
    made = credit_corrections(
        frame([row for row in rows if row["entry"] in fixed], BILLABLE),
        frame(store.standing_of(conn, list(originals), fixed), STANDING),
        frame([_creditable(conn, original, held) for original in originals.values()], CREDITABLE),
        frame([line for key in originals for line in _lines_of(conn, key)], INVOICE_LINES),
    )
    texts = {row["event"]: row["notes"] for row in rows}
    notes = [_note(conn, made, original, held, through, texts) for original in originals.values()]
    return [note for note in notes if note is not None], set(made.parts["event"])


def _creditable(conn: Connection, original: Mapping[str, Any], held: Collection[str]) -> dict[str, Any]:
    return {
        "invoice": original["id"], "currency": original["currency"], "left_amount": left_of(conn, original, held),
    }  # fmt: skip


def _lines_of(conn: Connection, invoice: str) -> list[dict[str, Any]]:
    return [
        line | {"invoice": invoice, "number": number} for number, line in lines_under(conn, invoice).items()
    ]


def _note(
    conn: Connection,
    made: CorrectionNotes,
    original: Mapping[str, Any],
    held: Collection[str],
    through: date,
    texts: Mapping[str, str | None],
) -> dict[str, Any] | None:
    lines = [
        {name: value for name, value in row.items() if name not in ("invoice", "number")}
        | {"line": row["number"]}
        for row in made.lines.iter_rows(named=True)
        if row["invoice"] == original["id"]
    ]
    if not lines:
        return None
    mine = [row for row in made.parts.iter_rows(named=True) if row["invoice"] == original["id"]]
    links = [
        {"line": row["number"], "event": row["event"], "quantity": row["quantity"], "amount": row["amount"],
         "notes": texts[row["event"]]}
        for row in mine
    ]  # fmt: skip
    entries = sorted({row["entry"] for row in mine})
    said = {
        "credit_kind": "correction", "rebill": True, "through": through,
        "reason": f"hours of {original['number']} corrected after it was issued ({len(entries)} entries)",
    }  # fmt: skip
    return {"row": note_of(conn, original, lines, links, said, held), "lines": lines, "links": links}
