"""What a credit note is made of: its header after the invoice's, its lines, its part of the invoice's tax."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import invoice_totals
from tieout.domain.frames import TAXED_LINES, frame
from tieout.hub.billing.documents import digest_of
from tieout.store import invoices as store

_COPIED = ("customer", "legal_entity", "currency", "through", "purchase_order", "terms_days")


def note_of(
    conn: Connection,
    original: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    links: Sequence[Mapping[str, Any]],
    said: Mapping[str, Any],
    besides: Collection[str] = (),
) -> dict[str, Any]:
    """The row of a credit note with its totals and digest; `said`: its kind, reason, rebill, and what differs.

    Notes `besides` are about to end and count for nothing.
    """
    net = sum((line["net_amount"] for line in lines), Decimal(0))
    tax = _tax(conn, original, lines, besides)
    row = {
        **{name: original[name] for name in _COPIED}, "contract": min(line["contract"] for line in lines), "kind": "credit_note", "credits": original["id"], "state": "draft",
        "net_amount": net, "tax_amount": tax, "gross_amount": net + tax, **said,
    }  # fmt: skip
    return {**row, "content_hash": digest_of(row, lines, links)}


def left_of(conn: Connection, original: Mapping[str, Any], besides: Collection[str] = ()) -> Decimal:
    """The net of an invoice less that of its credit notes, asked for or given."""
    notes = [
        note for note in store.credits_of(conn, original["id"], released=False) if note["id"] not in besides
    ]
    return Decimal(original["net_amount"] - sum((note["net_amount"] for note in notes), Decimal(0)))


def lines_under(conn: Connection, original: str) -> dict[int, dict[str, Any]]:
    """Lines of an invoice and those that its credit notes added, by their numbers, which are one sequence."""
    found = [*store.lines_of_credits(conn, original), *store.lines(conn, original)]
    return {line["line"]: line for line in found}


def _tax(
    conn: Connection,
    original: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    besides: Collection[str],
) -> Decimal:
    """What the tax on all credit notes together grows by, so that together they take the invoice's."""
    given = [line for line in store.lines_of_credits(conn, original["id"]) if line["invoice"] not in besides]
    taxed = frame([{**line, "invoice": "credits"} for line in [*given, *lines]], TAXED_LINES)
    currencies = pl.DataFrame({"invoice": ["credits"], "currency": [original["currency"]]})
    together = Decimal(invoice_totals(taxed, currencies).totals["tax_amount"][0])
    notes = [
        note for note in store.credits_of(conn, original["id"], released=False) if note["id"] not in besides
    ]
    return together - sum((note["tax_amount"] for note in notes), Decimal(0))
