"""Claims about invoices: disputes and credit losses, and what is booked of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

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


def booked(conn: Connection, number: str, kind: str, account: str) -> dict[str, Decimal]:
    """What the journals of a kind put on an account for an invoice, by contract line."""
    query = text(
        "SELECT l.line, sum(l.amount) AS amount FROM journal_line l JOIN journal j ON j.id = l.journal"
        " WHERE j.cause_type = :kind AND regexp_replace(j.cause, '/[0-9]+$', '') = :number AND l.account = :account GROUP BY 1"
    )
    told = {"kind": kind, "number": number, "account": account}
    return {row.line: row.amount for row in conn.execute(query, told)}


def disputed(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date
) -> Decimal:
    """What customers contest at the end of a day, gross."""
    query = text(
        "SELECT coalesce(sum(c.amount), 0) FROM invoice_claim c JOIN invoice i ON i.id = c.invoice"
        " WHERE c.kind = 'dispute' AND c.made_at < :end AND (c.ended_at IS NULL OR c.ended_at >= :end)"
        " AND (CAST(:contract AS text) IS NULL OR i.contract = :contract)"
        " AND (CAST(:entity AS text) IS NULL OR i.legal_entity = :entity)"
    )
    told = {"contract": contract, "entity": entity, "end": at + timedelta(days=1)}
    return Decimal(conn.execute(query, told).scalar_one())
