"""The rows behind the measures for leaders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

BILLING_KINDS = (
    "not-approved", "outside-contract", "worker-left", "closed-task", "missing-project", "missing-rate",
    "missing-fx", "ambiguous-rate", "overlapping-rates", "cap-exceeded", "implausible-hours", "true-up-proposed",
    "purchase-order-missing", "purchase-order-exhausted", "tax-undetermined", "stale-draft", "unposted",
)  # fmt: skip


def invoicing_spans(conn: Connection) -> list[dict[str, Any]]:
    """Approval and release of every invoice that was approved and is not void."""
    query = text(
        'SELECT approved_at AS start, released_at AS "end" FROM invoice'
        " WHERE kind = 'invoice' AND state <> 'void' AND approved_at IS NOT NULL"
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def setup_spans(conn: Connection) -> list[dict[str, Any]]:
    """Signing of every contract, and when its first project became active everywhere."""
    query = text(
        "SELECT CAST(c.signed_on AS timestamp) AT TIME ZONE 'UTC' AS start, min(p.activated_at) AS \"end\""
        " FROM contract c LEFT JOIN project p ON p.contract = c.key AND p.superseded_at IS NULL"
        " WHERE c.superseded_at IS NULL AND c.signed_on IS NOT NULL AND c.state <> 'terminated'"
        " GROUP BY c.key, c.signed_on"
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def billed_and_credited(conn: Connection) -> tuple[Decimal, Decimal]:
    """Net value of released invoices and of released credit notes (amounts of several currencies by number)."""
    query = text(
        "SELECT coalesce(sum(net_amount) FILTER (WHERE kind = 'invoice'), 0),"
        " coalesce(sum(net_amount) FILTER (WHERE kind = 'credit_note'), 0) FROM invoice"
        " WHERE number IS NOT NULL AND purpose <> 'retention'"
    )
    billed, credited = conn.execute(query).one()
    return Decimal(billed), Decimal(credited)


def exceptions_and_entries(conn: Connection) -> tuple[int, int]:
    """Billing exceptions ever opened, and time entries that were ever approved."""
    opened = text("SELECT count(*) FROM exception WHERE kind = ANY(CAST(:kinds AS text[]))")
    entries = text("SELECT count(*) FROM time_entry WHERE superseded_at IS NULL AND approved_at IS NOT NULL")
    return (
        int(conn.execute(opened, {"kinds": list(BILLING_KINDS)}).scalar_one()),
        int(conn.execute(entries).scalar_one()),
    )
