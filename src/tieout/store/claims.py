"""Claims about invoices: disputes and credit losses, and what is booked of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from tieout.model.money import allocate
from tieout.store.tables import invoice_claim


def add(conn: Connection, row: Mapping[str, Any]) -> None:
    """Keep a claim (columns of the table)."""
    conn.execute(insert(invoice_claim).values(**row))


def standing(conn: Connection, invoice: str, kind: str) -> list[dict[str, Any]]:
    """Claims of one kind about an invoice that stand, oldest first."""
    of = invoice_claim.c
    query = select(invoice_claim).where(of.invoice == invoice, of.kind == kind, of.ended_at.is_(None))
    return [dict(row) for row in conn.execute(query.order_by(of.made_at)).mappings()]


def end(conn: Connection, invoice: str, kind: str, who: str, moment: datetime) -> int:
    """End the claims of one kind about an invoice; how many."""
    of = invoice_claim.c
    statement = update(invoice_claim).where(of.invoice == invoice, of.kind == kind, of.ended_at.is_(None))
    return conn.execute(statement.values(ended_by=who, ended_at=moment)).rowcount


def booked(conn: Connection, number: str, kind: str, account: str) -> dict[tuple[str, str], Decimal]:
    """What the journals of a kind put on an account for an invoice, by contract and line."""
    query = text(
        "SELECT l.contract, l.line, sum(l.amount) AS amount FROM journal_line l JOIN journal j ON j.id = l.journal"
        " WHERE j.cause_type = :kind AND regexp_replace(j.cause, '/[0-9]+$', '') = :number AND l.account = :account GROUP BY 1, 2"
    )
    told = {"kind": kind, "number": number, "account": account}
    return {(row.contract, row.line): row.amount for row in conn.execute(query, told)}


def disputed(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date
) -> Decimal:
    """What customers contest at the end of a day, gross; of one contract in proportion to its net on the invoice."""
    query = text(
        "SELECT c.id, c.amount, i.currency, l.contract, greatest(sum(l.net_amount), 0) AS net"
        " FROM invoice_claim c JOIN invoice i ON i.id = c.invoice JOIN invoice_line l ON l.invoice = i.id"
        " WHERE c.kind = 'dispute' AND c.made_at < :end AND (c.ended_at IS NULL OR c.ended_at >= :end)"
        " AND (CAST(:entity AS text) IS NULL OR i.legal_entity = :entity)"
        " GROUP BY c.id, i.currency, l.contract ORDER BY c.id, l.contract"
    )
    told = {"entity": entity, "end": at + timedelta(days=1)}
    total = Decimal(0)
    for _, rows in groupby(conn.execute(query, told), key=lambda row: row.id):
        parts = list(rows)
        shares = allocate(parts[0].amount, [row.net for row in parts], parts[0].currency)
        total += sum(
            (share for row, share in zip(parts, shares, strict=True) if contract in (None, row.contract)),
            Decimal(0),
        )
    return total
