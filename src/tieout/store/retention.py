"""What customers keep back of released invoices: by invoice and line, what was asked for since, what is booked of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from tieout.store.copying import read_frame
from tieout.store.revenue import MOVES

DUE = """
    SELECT i.contract, i.customer, i.legal_entity
    FROM invoice i JOIN contract c ON c.key = i.contract AND c.superseded_at IS NULL
    WHERE i.retention_share IS NOT NULL AND i.number IS NOT NULL AND i.retained_amount > (
            SELECT coalesce(sum(l.net_amount), 0) FROM invoice_line l JOIN invoice d ON d.id = l.invoice
            WHERE l.settles = i.number AND d.purpose = 'retention' AND d.state <> 'void' AND d.stale_reason IS NULL)
      AND (c.invoicing -> 'retention' IS NULL
           OR CAST(c.invoicing -> 'retention' ->> 'release_on' AS date) <= :through
           OR EXISTS (SELECT FROM milestone m WHERE m.contract = i.contract AND m.superseded_at IS NULL
                      AND m.state = 'accepted' AND m.day <= :through
                      AND m.milestone = c.invoicing -> 'retention' ->> 'milestone'))
"""
"""Released invoices of which a retention may be asked for by a day: {contract, customer, legal_entity}."""


def contracts_with(conn: Connection, contracts: Collection[str]) -> list[str]:
    """Which of the contracts have a retention now, or had one on an invoice."""
    query = text(
        "SELECT key FROM contract WHERE superseded_at IS NULL AND key = ANY(CAST(:keys AS text[]))"
        " AND invoicing -> 'retention' IS NOT NULL UNION SELECT contract FROM invoice"
        " WHERE retention_share IS NOT NULL AND contract = ANY(CAST(:keys AS text[])) ORDER BY 1"
    )
    return list(conn.execute(query, {"keys": list(contracts)}).scalars())


def invoices(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """Released invoices of the contracts of which the customer keeps a share, with what is credited of them."""
    query = text("""
        SELECT CAST(i.id AS text) AS id, i.number, i.contract, i.customer, i.legal_entity, i.currency, i.purchase_order,
               i.terms_days, i.issue_date, i.retention_share, i.net_amount, i.tax_amount,
               coalesce(n.net, 0) AS credited_net_amount, coalesce(n.tax, 0) AS credited_tax_amount
        FROM invoice i LEFT JOIN (
            SELECT credits, sum(net_amount) AS net, sum(tax_amount) AS tax FROM invoice
            WHERE kind = 'credit_note' AND number IS NOT NULL GROUP BY credits
        ) n ON n.credits = i.id
        WHERE i.retention_share IS NOT NULL AND i.number IS NOT NULL AND i.contract = ANY(CAST(:keys AS text[]))
        ORDER BY i.draft_number
    """)
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


def lines(conn: Connection, invoices: Collection[str]) -> list[dict[str, Any]]:
    """Net less released credits of invoices by contract line: {invoice, line, currency, net_amount}."""
    query = text("""
        SELECT CAST(coalesce(i.credits, i.id) AS text) AS invoice, l.contract_line AS line, i.currency,
               sum(CASE i.kind WHEN 'invoice' THEN l.net_amount ELSE -l.net_amount END) AS net_amount
        FROM invoice i JOIN invoice_line l ON l.invoice = i.id
        WHERE i.number IS NOT NULL
          AND (i.id = ANY(CAST(:invoices AS uuid[])) OR i.credits = ANY(CAST(:invoices AS uuid[])))
        GROUP BY 1, 2, 3 ORDER BY 1, 2
    """)
    return [dict(row) for row in conn.execute(query, {"invoices": list(invoices)}).mappings()]


def asked(conn: Connection, numbers: Collection[str], besides: Collection[str] = ()) -> list[dict[str, Any]]:
    """What documents ask for of invoices' retentions: {number, line, amount, released_amount}; drafts `besides` apart."""
    query = text("""
        SELECT l.settles AS number, l.contract_line AS line, sum(l.net_amount) AS amount,
               coalesce(sum(l.net_amount) FILTER (WHERE i.number IS NOT NULL), 0) AS released_amount
        FROM invoice_line l JOIN invoice i ON i.id = l.invoice
        WHERE i.purpose = 'retention' AND i.state <> 'void' AND i.stale_reason IS NULL
          AND l.settles = ANY(CAST(:numbers AS text[])) AND NOT i.id = ANY(CAST(:besides AS uuid[])) GROUP BY 1, 2
    """)
    given = {"numbers": list(numbers), "besides": list(besides)}
    return [dict(row) for row in conn.execute(query, given).mappings()]


def accepted(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """Milestones of the contracts that are accepted now: {contract, milestone, day}."""
    query = text(
        "SELECT contract, milestone, day FROM milestone WHERE superseded_at IS NULL AND state = 'accepted'"
        " AND contract = ANY(CAST(:keys AS text[])) ORDER BY contract, milestone"
    )
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


def booked(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """What the journals hold back of invoices, by the heads of their causes (`NUMBER/N`): {head, line, account, amount}."""
    query = text("""
        SELECT regexp_replace(j.cause, '/[0-9]+$', '') AS head, l.line, l.account, sum(l.amount) AS amount
        FROM journal j JOIN journal_line l ON l.journal = j.id
        WHERE j.cause_type = 'retention' AND j.contract = ANY(CAST(:keys AS text[]))
          AND l.account IN ('contract_asset', 'retention_receivable') GROUP BY 1, 2, 3
    """)
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


def unbilled_moves(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Of lines that are recognised as invoiced what moved the unbilled receivable, and what of it is booked as kept back
    (account `contract_asset`), by day of the event: {contract, line, entity, currency, event_date, account, amount}.
    """
    query = """
        SELECT l.contract, l.line, l.legal_entity, l.currency, j.event_date, l.account, sum(l.amount)
        FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE l.contract = ANY(%(keys)s)
          AND (l.account = 'unbilled_receivable' AND j.cause_type <> 'unbilled_retention'
               OR l.account = 'contract_asset' AND j.cause_type = 'unbilled_retention')
          AND NOT EXISTS (SELECT FROM contract_terms t, jsonb_array_elements(t.lines) AS one
                          WHERE t.contract = l.contract AND one->>'line' = l.line
                            AND coalesce(one->>'revenue_method', 'as_invoiced') <> 'as_invoiced')
        GROUP BY 1, 2, 3, 4, 5, 6
    """
    return read_frame(conn, query, {"keys": list(contracts)}, MOVES)
