"""The roll-forward of prepaid retainers, period by period, as the last rating run worked it out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal

import polars as pl
from sqlalchemy import Connection, delete, text

from tieout.store.copying import copy_frame
from tieout.store.tables import retainer_period


def replace(conn: Connection, contracts: Collection[str], periods: pl.DataFrame) -> None:
    """The periods of these contracts (columns of the table) instead of what was kept of them."""
    conn.execute(delete(retainer_period).where(retainer_period.c.contract.in_(list(contracts))))
    copy_frame(conn, "retainer_period", periods)


def balance(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date
) -> Decimal:
    """What is prepaid and not yet drawn: the closing balance of each line's period of a day, in its currency."""
    query = text(
        "SELECT coalesce(sum(closing_amount), 0) FROM (SELECT DISTINCT ON (r.contract, r.line) r.closing_amount"
        " FROM retainer_period r LEFT JOIN contract c ON c.key = r.contract AND c.superseded_at IS NULL"
        " WHERE r.period_start <= :at AND (CAST(:contract AS text) IS NULL OR r.contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR r.line = :line)"
        " AND (CAST(:entity AS text) IS NULL OR c.legal_entity = :entity)"
        " ORDER BY r.contract, r.line, r.period_start DESC) AS last"
    )
    told = {"contract": contract, "entity": entity, "line": line, "at": at}
    return Decimal(conn.execute(query, told).scalar_one())


def deposits(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date
) -> Decimal:
    """What deposits were invoiced by a day and no invoice has deducted yet."""
    query = text(
        "SELECT coalesce(sum(CASE i.kind WHEN 'invoice' THEN l.amount ELSE -l.amount END), 0) FROM invoice_line_event l"
        " JOIN invoice i ON i.id = l.invoice AND i.number IS NOT NULL AND i.issue_date <= :at"
        " JOIN billing_event b ON b.id = l.event AND b.source_kind IN ('deposit', 'deduction')"
        " WHERE (CAST(:contract AS text) IS NULL OR b.contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR b.line = :line)"
        " AND (CAST(:entity AS text) IS NULL OR b.legal_entity = :entity)"
    )
    told = {"contract": contract, "entity": entity, "line": line, "at": at}
    return Decimal(conn.execute(query, told).scalar_one())
