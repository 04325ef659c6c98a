"""What recognition by plan reads and writes: performance of contract lines, their billing, and what is booked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from tieout.store import clock, payers
from tieout.store.copying import copy_frame, read_frame

_S, _D, _M = pl.String, pl.Date, pl.Decimal(20, 4)
_H, _Q, _SHARE = pl.Decimal(14, 6), pl.Decimal(38, 6), pl.Decimal(9, 6)
PROGRESS: dict[str, Any] = {
    "contract": _S, "line": _S, "day": _D, "cost": _M, "hours": _H, "units": _Q, "percent": _SHARE,
    "estimated_cost": _M, "estimated_hours": _H, "estimated_units": _Q, "uninstalled_cost": _M, "wasted_cost": _M,
    "reimbursed_price": _M, "completed": pl.Boolean,
}  # fmt: skip
MILESTONES: dict[str, Any] = {"contract": _S, "line": _S, "milestone": _S, "day": _D}
QUANTITIES: dict[str, Any] = {"contract": _S, "line": _S, "day": _D, "quantity": _Q}
HOURS: dict[str, Any] = {"contract": _S, "project": _S, "line": _S, "day": _D, "quantity": _Q}
VALUES: dict[str, Any] = {"contract": _S, "line": _S, "currency": _S, "day": _D, "amount": _M}
DOCUMENTS: dict[str, Any] = {
    "number": _S, "kind": _S, "credit_kind": _S, "contract": _S, "line": _S, "currency": _S, "released_on": _D,
    "due_on": _D, "net_amount": _M,
}  # fmt: skip
GIVEN_UP: dict[str, Any] = {"charge": _S, "kind": _S, "day": _D, "amount": _M}
BOOKED: dict[str, Any] = {
    "contract": _S, "line": _S, "obligation": _S, "entity": _S, "currency": _S, "event_date": _D, "amount": _M,
}  # fmt: skip
MOVES: dict[str, Any] = {
    "contract": _S, "line": _S, "entity": _S, "currency": _S, "event_date": _D, "account": _S, "amount": _M,
}  # fmt: skip


def planned(conn: Connection, contracts: Collection[str]) -> set[str]:
    """Those of the contracts of which any version of terms ever heard has a line that earns by a plan."""
    query = text(
        "SELECT DISTINCT contract FROM contract_terms WHERE contract = ANY(:keys)"
        " AND lines @? '$[*] ? (exists(@.revenue_method) && @.revenue_method != \"as_invoiced\")'"
    )
    return set(conn.execute(query, {"keys": list(contracts)}).scalars())


def mates(conn: Connection, contracts: Collection[str]) -> set[str]:
    """The contracts, and all that are combined with them (IFRS 15.17)."""
    query = text("""
        WITH RECURSIVE mate(key) AS (
            SELECT unnest(CAST(:keys AS text[]))
            UNION SELECT other.key FROM mate m JOIN LATERAL (
                SELECT accounting->>'combine_with' AS key FROM contract WHERE key = m.key AND superseded_at IS NULL
                UNION ALL SELECT key FROM contract
                    WHERE accounting->>'combine_with' = m.key AND superseded_at IS NULL
            ) other ON other.key IS NOT NULL
        ) SELECT key FROM mate
    """)
    return set(conn.execute(query, {"keys": list(contracts)}).scalars())


def progress(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What projects report of lines as it stands now (PROGRESS)."""
    query = (
        f"SELECT {', '.join(PROGRESS)} FROM progress WHERE superseded_at IS NULL AND contract = ANY(%(keys)s)"  # noqa: S608
    )
    return _read(conn, query, contracts, PROGRESS)


def accepted(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Milestones that are accepted now, and since when (MILESTONES)."""
    query = (
        "SELECT contract, line, milestone, day FROM milestone WHERE superseded_at IS NULL AND state = 'accepted'"
        " AND contract = ANY(%(keys)s)"
    )
    return _read(conn, query, contracts, MILESTONES)


def delivered(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Units delivered by line and day (QUANTITIES)."""
    query = (
        "SELECT contract, line, day, sum(quantity) FROM delivery WHERE superseded_at IS NULL"
        " AND contract = ANY(%(keys)s) GROUP BY 1, 2, 3"
    )
    return _read(conn, query, contracts, QUANTITIES)


def worked(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Hours performed by project and day, approved or not yet; the line is null (HOURS)."""
    query = (
        "SELECT p.contract, e.project, NULL, e.work_date, sum(e.worked_hours) FROM time_entry e"
        " JOIN project p ON p.key = e.project AND p.superseded_at IS NULL WHERE e.superseded_at IS NULL"
        " AND e.state IN ('submitted', 'approved') AND p.contract = ANY(%(keys)s) GROUP BY 1, 2, 4"
    )
    return _read(conn, query, contracts, HOURS)


def estimates(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """Estimates of variable amounts as they stand now: {contract, variable, day, outcomes, constrained}, by day."""
    query = text(
        "SELECT contract, variable, day, outcomes, constrained FROM variable_estimate WHERE superseded_at IS NULL"
        " AND contract = ANY(:keys) ORDER BY contract, variable, day, key"
    )
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


def entitled(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Value of the billing events by line and day: what only waits for an invoice, or is on one (VALUES).

    A deposit is no performance: asked for or taken off, it is billing alone.
    """
    query = """
        SELECT b.contract, b.line, b.currency, b.work_date,
               sum(bb.amount - bb.over_cap_amount - bb.written_off_amount - bb.reversed_amount)
        FROM billing_event b JOIN billing_balance bb ON bb.event = b.id
        WHERE b.contract = ANY(%(keys)s) AND b.source_kind NOT IN ('deposit', 'deduction') GROUP BY 1, 2, 3, 4
    """
    return _read(conn, query, contracts, VALUES)


def documents(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Released documents by contract line, credit notes negative (DOCUMENTS)."""
    query = """
        SELECT i.number, i.kind, i.credit_kind, l.contract, l.contract_line, i.currency, i.issue_date,
               coalesce(i.due_date, o.due_date, i.issue_date),
               sum(CASE i.kind WHEN 'invoice' THEN l.net_amount ELSE -l.net_amount END)
        FROM invoice i JOIN invoice_line l ON l.invoice = i.id LEFT JOIN invoice o ON o.id = i.credits
        WHERE i.number IS NOT NULL AND i.purpose <> 'retention' AND l.contract = ANY(%(keys)s)
        GROUP BY i.id, o.id, l.contract, l.contract_line
    """
    return _read(conn, query, contracts, DOCUMENTS)


def paid_shares(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """What payments cover of the contracts' released invoices, as booked: {number, paid_on, share}, the first first."""
    query = text("""
        SELECT i.number, j.event_date AS paid_on, -sum(l.amount) / i.gross_amount AS share FROM invoice i
        JOIN erp_document d ON d.external_key = i.external_key AND d.superseded_at IS NULL
        JOIN journal j ON j.cause_type = 'payment' AND split_part(j.cause, '/', 2) = d.key
          AND j.id IN (SELECT journal FROM journal_line WHERE contract = ANY(:keys) AND account = 'receivable')
        JOIN journal_line l ON l.journal = j.id AND l.account = 'receivable'
        WHERE i.number IS NOT NULL AND i.gross_amount <> 0
          AND i.id IN (SELECT invoice FROM invoice_line WHERE contract = ANY(:keys))
          AND NOT EXISTS (SELECT 1 FROM journal r WHERE r.cause_type = 'reversal' AND r.cause = 'payment:' || j.cause)
        GROUP BY i.id, j.event_date ORDER BY j.event_date
    """)
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


BY_PERIOD = "fees of periods"
"""Obligation under which lines recognised as invoiced keep what they earn day by day; it has no plan."""


def booked(conn: Connection, contracts: Collection[str], *, by_period: bool = False) -> pl.DataFrame:
    """Revenue by plan, or of fees by period, that is in the books, by line, obligation and day of its event (BOOKED)."""
    query = f"""
        SELECT contract, line, obligation, legal_entity, currency, event_date, sum(amount) FROM obligation_revenue
        WHERE contract = ANY(%(keys)s) AND (obligation = '{BY_PERIOD}') = {by_period} GROUP BY 1, 2, 3, 4, 5, 6
    """  # noqa: S608
    return _read(conn, query, contracts, BOOKED)


def given_up(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What credit notes that are not billed again, and writes, took of the contracts' charges for periods (GIVEN_UP)."""
    query = f"""
        SELECT e.entry, n.credit_kind, n.issue_date, sum(l.amount) FROM invoice n
        JOIN invoice_line_event l ON l.invoice = n.id
        JOIN billing_event e ON e.id = l.event AND {payers.WORK} AND e.source_kind IN ('period', 'retainer')
        JOIN invoice_line o ON o.invoice = l.invoice AND o.line = l.line
        WHERE o.contract = ANY(%(keys)s) AND n.kind = 'credit_note' AND n.number IS NOT NULL AND NOT n.rebill
        GROUP BY 1, 2, 3
        UNION ALL SELECT entry, 'concession', (effective_at AT TIME ZONE 'UTC')::date, sum(amount) FROM billing_write
        WHERE contract = ANY(%(keys)s) AND effective_at IS NOT NULL AND kind <> 'up' GROUP BY 1, 2, 3
    """  # noqa: S608
    return _read(conn, query, contracts, GIVEN_UP)


def settled_contracts(conn: Connection) -> list[str]:
    """Contracts with revenue by plan that wait for no run."""
    query = text(
        "SELECT DISTINCT o.contract FROM obligation_revenue o LEFT JOIN work w ON w.kind = 'rate'"
        " AND w.key = o.contract AND w.requested > w.done AND w.due_at <= :now WHERE w.key IS NULL ORDER BY 1"
    )
    return list(conn.execute(query, {"now": clock.now(conn)}).scalars())


def moves(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What moved the position and the revenue of each line, by day of the event and account (MOVES).

    What is earned for another party counts as revenue here: the customer owes it alike. A refund liability or a
    receivable that a document made is no part of the position.
    """
    query = """
        SELECT l.contract, l.line, l.legal_entity, l.currency, j.event_date,
               CASE l.account WHEN 'pass_through' THEN 'revenue' ELSE l.account END, sum(l.amount)
        FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE l.contract = ANY(%(keys)s) AND (
            j.cause_type = 'position' OR (j.cause_type IN ('revenue', 'release', 'credit') AND l.account IN
                ('revenue', 'pass_through', 'unbilled_receivable', 'contract_asset', 'contract_liability')))
        GROUP BY 1, 2, 3, 4, 5, 6
    """
    return _read(conn, query, contracts, MOVES)


def insert_revenue(conn: Connection, rows: pl.DataFrame) -> None:
    """Append what each obligation of a line gave to a revenue journal (columns of `obligation_revenue`)."""
    copy_frame(conn, "obligation_revenue", rows)


def contract_costs(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """What obtaining and fulfilling the contracts cost, as it stands now, in the contract's currency unless stated.

    {cost, contract, line (the first), currency, kind, incurred_on, amount, service_start, service_end, creates_service}.
    """
    query = text("""
        SELECT x.key AS cost, x.contract, coalesce(c.lines->0->>'line', '1') AS line, coalesce(x.currency, c.currency) AS currency,
               x.kind, x.day AS incurred_on, x.amount, coalesce(x.service_start, c.start_date, x.day) AS service_start,
               coalesce(x.service_end, c.terminated_on, c.end_date) AS service_end, x.creates_service,
               c.legal_entity AS entity
        FROM contract_cost x JOIN contract c ON c.key = x.contract AND c.superseded_at IS NULL
        WHERE x.superseded_at IS NULL AND x.contract = ANY(:keys) AND c.legal_entity IS NOT NULL ORDER BY x.contract, x.key
    """)
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


def contract_cost_moves(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What is booked of them, by day of the event and account; the money spent apart (MOVES)."""
    query = """
        SELECT l.contract, l.line, l.legal_entity, l.currency, j.event_date, l.account, sum(l.amount)
        FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE l.contract = ANY(%(keys)s) AND j.cause_type = 'contract_cost' AND l.account <> 'expense_clearing'
        GROUP BY 1, 2, 3, 4, 5, 6
    """
    return _read(conn, query, contracts, MOVES)


def provisions(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What moved the loss provisions of the contracts, by day of the event (MOVES)."""
    query = """
        SELECT l.contract, l.line, l.legal_entity, l.currency, j.event_date, l.account, sum(l.amount)
        FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE l.contract = ANY(%(keys)s) AND l.account = 'loss_provision' GROUP BY 1, 2, 3, 4, 5, 6
    """
    return _read(conn, query, contracts, MOVES)


def _read(conn: Connection, query: str, contracts: Collection[str], schema: dict[str, Any]) -> pl.DataFrame:
    return read_frame(conn, query, {"keys": list(contracts)}, schema)
