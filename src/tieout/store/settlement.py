"""What the ERP says became of our documents: its document, the payments applied to it, and their journals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text


def applications(conn: Connection, document: str) -> list[dict[str, Any]]:
    """Payments applied to an ERP document as they stand now: {payment, version, paid_on, currency, amount, withheld,
    applied}.

    Amounts are in the currency of the payment. `withheld` is of the whole payment, `applied` all its applications: {document: amount}.
    """
    query = text(
        "SELECT p.key AS payment, p.version, p.paid_on, p.currency, a.amount, coalesce(p.withheld, 0) AS withheld,"
        " (SELECT jsonb_object_agg(o.erp_document, CAST(o.amount AS text)) FROM payment_application o"
        "  WHERE o.payment = p.key AND o.payment_version = p.version) AS applied FROM payment p"
        " JOIN payment_application a ON a.payment = p.key AND a.payment_version = p.version"
        " WHERE p.superseded_at IS NULL AND a.erp_document = :document AND a.amount <> 0 ORDER BY p.paid_on, p.key"
    )
    return [dict(row) for row in conn.execute(query, {"document": document}).mappings()]


def payment_journals(conn: Connection, document: str) -> list[dict[str, Any]]:
    """Payment journals of an ERP document that are not reversed: {id, cause, amount} (what it took off receivable)."""
    query = text(
        "SELECT CAST(j.id AS text) AS id, j.cause, -coalesce(sum(l.amount), 0) AS amount FROM journal j"
        " JOIN journal_line l ON l.journal = j.id AND l.account = 'receivable'"
        " WHERE j.cause_type = 'payment' AND split_part(j.cause, '/', 2) = :document"
        " AND NOT EXISTS (SELECT 1 FROM journal r WHERE r.cause_type = 'reversal'"
        "   AND r.cause = j.cause_type || ':' || j.cause)"
        " GROUP BY j.id, j.cause ORDER BY j.cause"
    )
    return [dict(row) for row in conn.execute(query, {"document": document}).mappings()]


def journal_lines(conn: Connection, journals: list[str]) -> list[dict[str, Any]]:
    """Lines of whole journals in the columns of JOURNAL_LINES."""
    query = text(
        "SELECT j.cause_type || ':' || j.cause AS journal, j.cause_type, j.cause, CAST(l.number AS bigint) AS number,"
        " l.contract, l.line, l.legal_entity AS entity, l.account, l.currency, l.amount, l.functional_amount,"
        " j.event_date, j.booking_date, j.period, j.prior_period FROM journal j JOIN journal_line l ON l.journal = j.id"
        " WHERE j.id = ANY(CAST(:journals AS uuid[])) ORDER BY j.cause, l.number"
    )
    return [dict(row) for row in conn.execute(query, {"journals": journals}).mappings()]


def paid(conn: Connection, external_key: str, account: str = "receivable") -> Decimal:
    """What payments of the ERP cover of the document under our key, as the journals have it.

    Of the account `unapplied_cash` what they brought beyond it.
    """
    query = text(
        "SELECT coalesce(-sum(l.amount), 0) FROM erp_document d"
        " JOIN journal j ON j.cause_type IN ('payment', 'reversal')"
        "  AND split_part(j.cause, '/', 2) = d.key"
        " JOIN journal_line l ON l.journal = j.id AND l.account = :account"
        " WHERE d.external_key = :key AND d.superseded_at IS NULL"
    )
    return Decimal(conn.execute(query, {"key": external_key, "account": account}).scalar_one())


def open_by_contract(conn: Connection, row: Mapping[str, Any]) -> dict[str, Decimal]:
    """What is open of a released invoice (its row) by contract: the receivable of it, its credits and payments."""
    query = text(
        "SELECT l.contract, sum(l.amount) AS amount FROM journal_line l JOIN journal j ON j.id = l.journal"
        " WHERE l.account = 'receivable' AND ((j.cause_type = 'release' AND j.cause = :number)"
        " OR (j.cause_type = 'credit' AND j.cause IN (SELECT number FROM invoice WHERE credits = :id))"
        " OR (j.cause_type IN ('payment', 'reversal') AND split_part(j.cause, '/', 2) IN"
        "  (SELECT key FROM erp_document WHERE superseded_at IS NULL AND external_key = :key)))"
        " AND l.contract IN (SELECT contract FROM invoice_line WHERE invoice = :id) GROUP BY 1 ORDER BY 1"
    )
    given = {"number": row["number"], "id": row["id"], "key": row["external_key"]}
    return {one.contract: one.amount for one in conn.execute(query, given)}


def documents_under(conn: Connection, external_key: str) -> list[str]:
    """Ids of the ERP's documents under one of our keys."""
    query = text(
        "SELECT key FROM erp_document WHERE superseded_at IS NULL AND external_key = :key ORDER BY key"
    )
    return list(conn.execute(query, {"key": external_key}).scalars())
