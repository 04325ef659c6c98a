"""Billing runs, their parts, and what of each event may still be billed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update

from tieout.store import retention
from tieout.store.tables import billing_run, billing_run_part

REST = (
    "(b.{m} - b.over_cap_{m} - b.held_{m} - b.written_off_{m} - b.reversed_{m} - b.drafted_{m}"
    " - b.billed_{m} + b.credited_{m})"
)
"""What of an event is neither billed (net of credit), drafted nor kept out, in one measure."""


def insert_run(conn: Connection, row: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> None:
    """Write a run and the contracts it will draft."""
    conn.execute(insert(billing_run).values(**row))
    if parts:
        conn.execute(insert(billing_run_part), list(parts))


def read_run(conn: Connection, run_id: str) -> dict[str, Any] | None:
    """One run."""
    row = conn.execute(select(billing_run).where(billing_run.c.id == run_id)).mappings().first()
    return None if row is None else dict(row)


def parts(conn: Connection, run_id: str) -> list[dict[str, Any]]:
    """The contracts of a run with their outcomes."""
    query = (
        select(billing_run_part)
        .where(billing_run_part.c.run == run_id)
        .order_by(billing_run_part.c.partition, billing_run_part.c.contract)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def undone(conn: Connection, run_id: str, partition: int) -> list[str]:
    """Contracts of a partition that were not drafted yet."""
    part = billing_run_part.c
    query = select(part.contract).where(
        part.run == run_id, part.partition == partition, part.done_at.is_(None)
    )
    return list(conn.execute(query.order_by(part.contract)).scalars())


def finish_part(
    conn: Connection, run_id: str, contract: str, outcome: Mapping[str, Any], moment: datetime
) -> None:
    """Keep what came of one contract; the first outcome stays."""
    part = billing_run_part
    conn.execute(
        update(part)
        .where(part.c.run == run_id, part.c.contract == contract, part.c.done_at.is_(None))
        .values(outcome=dict(outcome), done_at=moment)
    )


def open_parts(conn: Connection, run_id: str) -> int:
    """Contracts of a run that are still to be drafted; locks the run, so the last part alone sees zero."""
    conn.execute(select(billing_run.c.id).where(billing_run.c.id == run_id).with_for_update())
    part = billing_run_part.c
    query = select(func.count()).where(part.run == run_id, part.done_at.is_(None))
    return int(conn.execute(query).scalar_one())


def finish_run(conn: Connection, run_id: str, counts: Mapping[str, Any], moment: datetime) -> None:
    """Every part is done."""
    conn.execute(
        update(billing_run)
        .where(billing_run.c.id == run_id, billing_run.c.state == "running")
        .values(state="done", finished_at=moment, counts=dict(counts))
    )


def contracts_due(
    conn: Connection, through: date, scope: Mapping[str, str | None], entities: Collection[str] | None
) -> list[str]:
    """Contracts with work or a retention due on or before a date that is on no draft, or with a draft that became stale."""
    query = f"""
        SELECT DISTINCT e.contract FROM billing_balance b JOIN billing_event e ON e.id = b.event
            LEFT JOIN contract c ON c.key = e.contract AND c.superseded_at IS NULL
        WHERE e.work_date <= :through AND ({REST.format(m="amount")} <> 0 OR {REST.format(m="quantity")} <> 0)
          AND (CAST(:contract AS text) IS NULL OR e.contract = :contract)
          AND (CAST(:customer AS text) IS NULL OR c.customer = :customer)
          AND (CAST(:entity AS text) IS NULL OR e.legal_entity = :entity)
          AND (CAST(:entities AS text[]) IS NULL OR e.legal_entity = ANY(CAST(:entities AS text[])))
        UNION
        SELECT l.contract FROM invoice i JOIN invoice_line l ON l.invoice = i.id
        WHERE (i.kind = 'invoice' OR i.run IS NOT NULL) AND i.state IN ('draft', 'approved')
          AND i.stale_reason IS NOT NULL
          AND (CAST(:contract AS text) IS NULL OR l.contract = :contract)
          AND (CAST(:customer AS text) IS NULL OR i.customer = :customer)
          AND (CAST(:entity AS text) IS NULL OR i.legal_entity = :entity)
          AND (CAST(:entities AS text[]) IS NULL OR i.legal_entity = ANY(CAST(:entities AS text[])))
        UNION
        SELECT r.contract FROM ({retention.DUE}) r
        WHERE (CAST(:contract AS text) IS NULL OR r.contract = :contract)
          AND (CAST(:customer AS text) IS NULL OR r.customer = :customer)
          AND (CAST(:entity AS text) IS NULL OR r.legal_entity = :entity)
          AND (CAST(:entities AS text[]) IS NULL OR r.legal_entity = ANY(CAST(:entities AS text[])))
        ORDER BY 1
    """  # noqa: S608
    given = {
        "through": through,
        **scope,
        "entities": None if entities is None else sorted(entities),
    }
    return list(conn.execute(text(query), given).scalars())


def unapproved(conn: Connection, contracts: Collection[str], through: date) -> list[dict[str, Any]]:
    """Per contract the billable time and expenses up to a day that nobody has approved or rejected.

    {contract, entries, hours, expenses, workers}, the last of both.
    """
    query = text(
        "SELECT p.contract, count(w.hours) AS entries, coalesce(sum(w.hours), 0) AS hours,"
        " count(*) FILTER (WHERE w.hours IS NULL) AS expenses,"
        " array_agg(DISTINCT w.worker ORDER BY w.worker) FILTER (WHERE w.worker IS NOT NULL) AS workers FROM ("
        "  SELECT project, worker, coalesce(worked_hours, 0) AS hours, state, billable, work_date AS day FROM time_entry"
        "  WHERE superseded_at IS NULL UNION ALL"
        "  SELECT project, worker, NULL, state, billable, expense_date FROM expense WHERE superseded_at IS NULL) AS w"
        " JOIN project p ON p.key = w.project AND p.superseded_at IS NULL"
        " WHERE w.state IN ('draft', 'submitted') AND w.billable AND w.day <= :through"
        " AND p.contract = ANY(CAST(:contracts AS text[])) GROUP BY p.contract ORDER BY p.contract"
    )
    rows = conn.execute(query, {"contracts": list(contracts), "through": through}).mappings()
    return [dict(row) for row in rows]


def billable(
    conn: Connection, contracts: Collection[str], redone: Collection[str], through: date
) -> list[dict[str, Any]]:
    """The rest of each event of the contracts dated on or before `through`, with what the drafts `redone` hold.

    Columns of BILLABLE but its payer and tax, and `entity`, `item`, `reverses`, the event's `whole_quantity` and `whole_amount`, and
    `untouched`: nothing of it was billed, nor is on a draft that stays. `corrects` is the newest invoice on which the
    reversed event was billed, and an entry's new event carries it too, so that a correction is one line: the difference.
    """
    query = f"""
        WITH held AS (
            SELECT l.event, sum(CASE i.kind WHEN 'invoice' THEN l.quantity ELSE -l.quantity END) AS quantity,
                   sum(CASE i.kind WHEN 'invoice' THEN l.amount ELSE -l.amount END) AS amount
            FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice
            WHERE i.id = ANY(CAST(:redone AS uuid[])) GROUP BY l.event
        ), fixed AS (
            SELECT r.entry, r.source_kind, max(i.draft_number) AS invoice FROM billing_event r
                JOIN invoice_line_event l ON l.event = r.reverses
                JOIN invoice i ON i.id = l.invoice AND i.kind = 'invoice' AND i.number IS NOT NULL
            WHERE r.contract = ANY(CAST(:contracts AS text[])) AND r.kind = 'reversal' GROUP BY r.entry, r.source_kind
            UNION ALL
            SELECT a.entry, a.source_kind, max(i.draft_number) FROM billing_event a
                JOIN billing_event o ON o.entry = a.entry AND o.contract = a.contract AND o.kind <> 'adjustment'
                JOIN invoice_line_event l ON l.event = o.id
                JOIN invoice i ON i.id = l.invoice AND i.kind = 'invoice' AND i.number IS NOT NULL
            WHERE a.contract = ANY(CAST(:contracts AS text[])) AND a.kind = 'adjustment' GROUP BY a.entry, a.source_kind
        )
        SELECT CAST(e.id AS text) AS event, e.kind, e.contract, e.line, e.legal_entity AS entity, e.project, e.role,
               e.entry, e.item, e.work_date, e.period_end, e.price, e.multiplier, e.discount, e.currency, i.number AS corrects,
               coalesce(t.notes, x.notes) AS notes, e.description AS charge,
               coalesce(e.nature = 'disbursement', false) AS untaxed,
               CAST(e.reverses AS text) AS reverses, e.quantity AS whole_quantity, e.amount AS whole_amount,
               (b.billed_quantity, b.billed_amount, b.drafted_quantity - coalesce(h.quantity, 0),
                b.drafted_amount - coalesce(h.amount, 0)) = (0, 0, 0, 0) AS untouched,
               {REST.format(m="quantity")} + coalesce(h.quantity, 0) AS quantity,
               {REST.format(m="amount")} + coalesce(h.amount, 0) AS amount
        FROM billing_balance b JOIN billing_event e ON e.id = b.event
            LEFT JOIN held h ON h.event = e.id
            LEFT JOIN fixed f ON f.entry = e.entry AND f.source_kind = e.source_kind
                AND (e.kind = 'adjustment' OR e.source_kind IN ('time', 'expense', 'subcontract'))
            LEFT JOIN invoice i ON i.draft_number = f.invoice
            LEFT JOIN time_entry t ON e.source_kind = 'time' AND t.key = e.entry AND t.superseded_at IS NULL
            LEFT JOIN expense x ON e.source_kind = 'expense' AND x.key = e.entry AND x.superseded_at IS NULL
        WHERE e.contract = ANY(CAST(:contracts AS text[])) AND e.work_date <= :through
          AND ({REST.format(m="amount")} <> 0 OR {REST.format(m="quantity")} <> 0 OR h.event IS NOT NULL)
        ORDER BY e.work_date, e.entry, e.sequence
    """  # noqa: S608
    given = {"contracts": list(contracts), "redone": list(redone), "through": through}
    return [dict(row) for row in conn.execute(text(query), given).mappings()]


def taxed(conn: Connection, entries: Collection[str], prepaid: Collection[str]) -> list[dict[str, Any]]:
    """What the newest released invoices say of the tax of entries, and of the deposits of the contracts `prepaid`.

    {contract, entry, deposit (its key, else null), customer, tax_category, tax_rate, issue_date, amount}, one for each
    rate.
    """
    query = text(
        "SELECT contract, entry, customer, deposit, tax_category, tax_rate, issue_date, sum(amount) AS amount FROM ("
        " SELECT e.contract, e.entry, i.customer, CASE WHEN e.source_kind = 'deposit' THEN e.item END AS deposit,"
        "  l.tax_category, l.tax_rate, i.issue_date, k.amount,"
        "  rank() OVER (PARTITION BY e.contract, e.entry, i.customer ORDER BY i.draft_number DESC) AS place"
        " FROM billing_event e JOIN invoice_line_event k ON k.event = e.id"
        " JOIN invoice i ON i.id = k.invoice AND i.kind = 'invoice' AND i.number IS NOT NULL"
        " JOIN invoice_line l ON l.invoice = k.invoice AND l.line = k.line"
        " WHERE e.entry = ANY(CAST(:entries AS text[]))"
        " OR (e.source_kind = 'deposit' AND e.contract = ANY(CAST(:prepaid AS text[])))) AS told"
        " WHERE place = 1 GROUP BY contract, entry, customer, deposit, tax_category, tax_rate, issue_date"
        " ORDER BY contract, entry, customer, tax_category, tax_rate"
    )
    rows = conn.execute(query, {"entries": list(entries), "prepaid": list(prepaid)}).mappings()
    return [dict(row) for row in rows]
