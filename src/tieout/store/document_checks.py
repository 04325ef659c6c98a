"""What was last found of each draft as an e-invoice, and which drafts a changed fact concerns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import document_check, invoice

_OPEN = ("draft", "approved")


def read(conn: Connection, document: str) -> dict[str, Any] | None:
    """The last check of a document: {digest, failed, checked_at}; None: it was never checked."""
    row = conn.execute(select(document_check).where(document_check.c.invoice == document)).mappings().first()
    return None if row is None else dict(row)


def write(conn: Connection, row: Mapping[str, Any]) -> None:
    """Keep what a check found; the one before is replaced."""
    kept = {name: value for name, value in row.items() if name != "invoice"}
    statement = insert(document_check).values(**row)
    conn.execute(statement.on_conflict_do_update(index_elements=["invoice"], set_=kept))


def open_drafts(
    conn: Connection, entities: Collection[str], customers: Collection[str] | None = None
) -> list[int]:
    """Draft numbers of what these legal entities have not released; `customers`: only of these."""
    query = select(invoice.c.draft_number).where(
        invoice.c.legal_entity.in_(list(entities)), invoice.c.state.in_(_OPEN)
    )
    if customers is not None:
        query = query.where(invoice.c.customer.in_(list(customers)))
    return list(conn.execute(query.order_by(invoice.c.draft_number)).scalars()) if entities else []
