"""What the demo asks of our tables: whether work is settled, what came of the firm's quarter, what is known of one entry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, text

from tieout.store import clock
from tieout.store.tables import (
    attempt,
    audit,
    billing_balance,
    billing_event,
    billing_run,
    connection,
    contract,
    erp_document,
    exception,
    hint,
    inbox,
    intent,
    invoice,
    journal_line,
    project,
    tie_out_item,
    time_entry,
    work,
)

ROUTINE = ("sync", "sweep", "drift", "seal")
"""Work that always waits for its next time; only a failure of it is worth waiting for."""


_UNSETTLED = text(
    f"""
    WITH present AS MATERIALIZED (SELECT {clock.NOW} AS moment)
    SELECT count(*) FILTER (WHERE started > done OR requested > done AND due_at <= moment) AS open,
           least(min(due_at) FILTER (WHERE requested > done AND started = done AND due_at > moment
                                     AND (attempts > 0 OR kind <> ALL(CAST(:routine AS text[])))),
                 (SELECT min(blocked_until) FROM connection WHERE enabled AND blocked_until > moment)) AS next
    FROM work, present WHERE requested > done GROUP BY moment
    """  # noqa: S608 - no value stands in it
)


def unsettled(conn: Connection) -> tuple[int, datetime | None]:
    """How much work runs or could run now, and the next moment at which something that waits goes on."""
    row = conn.execute(_UNSETTLED, {"routine": list(ROUTINE)}).first()
    return (0, None) if row is None else (int(row.open), row.next)


def failures(conn: Connection) -> list[dict[str, Any]]:
    """Work that failed and was not carried out since."""
    query = select(work.c.kind, work.c.key, work.c.attempts, work.c.last_error).where(work.c.attempts > 0)
    return [dict(row) for row in conn.execute(query.order_by(work.c.kind, work.c.key)).mappings()]


def run_through(conn: Connection, through: date, preparer: str, contract_number: str | None) -> str | None:
    """The first run of this scope, if the preparer has started it."""
    query = select(billing_run.c.id).where(
        billing_run.c.through == through,
        billing_run.c.preparer == preparer,
        billing_run.c.scope["contract"].astext.is_not_distinct_from(contract_number),
    )
    found = conn.execute(query.order_by(billing_run.c.started_at, billing_run.c.id).limit(1)).scalar()
    return None if found is None else str(found)


def last_run(conn: Connection) -> datetime | None:
    """When the newest billing run was started."""
    moment: datetime | None = conn.execute(select(func.max(billing_run.c.started_at))).scalar()
    return moment


def invoice_of(conn: Connection, contract_number: str, through: date) -> str | None:
    """The number of the contract's released invoice up to a date."""
    query = select(invoice.c.number).where(
        invoice.c.kind == "invoice", invoice.c.contract == contract_number, invoice.c.through == through,
        invoice.c.number.is_not(None),
    )  # fmt: skip
    return conn.execute(query.order_by(invoice.c.draft_number).limit(1)).scalar()


# --- what came of it -----------------------------------------------------------------------------------


def totals(conn: Connection) -> dict[str, Any]:
    """Contracts, active projects, distinct time entries, documents by how far they came."""
    drafted = invoice.c.kind == "invoice"
    row = conn.execute(
        select(
            func.count().filter(drafted).label("drafted"),
            func.count().filter(drafted, invoice.c.number.is_not(None)).label("released"),
            func.count().filter(drafted, invoice.c.posted_at.is_not(None)).label("posted"),
            func.count().filter(~drafted, invoice.c.number.is_not(None)).label("credited"),
        ).where(or_(invoice.c.state != "void", invoice.c.number.is_not(None)))
    ).one()
    return {
        "contracts": _current(conn, contract),
        "projects_active": _current(conn, project, project.c.state == "active", project.c.contract.is_not(None)),
        "time_entries": _current(conn, time_entry),
        "invoices": dict(row._mapping),
    }  # fmt: skip


def _current(conn: Connection, table: Any, *conditions: Any) -> int:
    query = select(func.count()).select_from(table).where(table.c.superseded_at.is_(None), *conditions)
    return int(conn.execute(query).scalar_one())


def billed(conn: Connection) -> dict[str, Decimal]:
    """Net of released invoices less credit notes, by currency."""
    net = func.sum(billing_balance.c.billed_amount - billing_balance.c.credited_amount)
    query = (
        select(billing_event.c.currency, net)
        .join(billing_event, billing_event.c.id == billing_balance.c.event)
        .group_by(billing_event.c.currency)
        .order_by(billing_event.c.currency)
    )
    return _pairs(conn, query)


def revenue(conn: Connection, account: str) -> dict[str, Decimal]:
    """What stands on the revenue account, by currency (credits are positive here)."""
    query = (
        select(journal_line.c.currency, -func.sum(journal_line.c.amount))
        .where(journal_line.c.account == account)
        .group_by(journal_line.c.currency)
        .order_by(journal_line.c.currency)
    )
    return _pairs(conn, query)


def _pairs(conn: Connection, query: Select[Any]) -> dict[str, Any]:
    return {row[0]: row[1] for row in conn.execute(query)}


def traffic(conn: Connection) -> dict[str, dict[str, int]]:
    """By connector: versions of records that were read, effects that are proven."""
    read = select(inbox.c.connection, func.count()).group_by(inbox.c.connection)
    written = (
        select(intent.c.connection, func.count())
        .where(intent.c.state == "done")
        .group_by(intent.c.connection)
    )
    reads, writes = _pairs(conn, read), _pairs(conn, written)
    rows = conn.execute(select(connection.c.name, connection.c.connector).where(connection.c.enabled))
    found: dict[str, dict[str, int]] = {}
    for name, connector in sorted(tuple(row) for row in rows):
        one = found.setdefault(connector, {"read": 0, "written": 0})
        one["read"] += reads.get(name, 0)
        one["written"] += writes.get(name, 0)
    return found


# --- what is known of planted mess -----------------------------------------------------------------------


def entries(conn: Connection, keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """Each entry: minutes, state, contract, what of its events still holds, and what is billed of it net of credit.

    `through`: up to which days the released invoices go that hold it, in their order.
    """
    query = text("""
        SELECT t.key, t.worked_minutes, t.state, p.contract, coalesce(sum(e.amount - b.reversed_amount), 0) AS amount,
               coalesce(sum(b.billed_amount - b.credited_amount), 0) AS billed_amount,
               (array_agg(e.worked_hours ORDER BY e.sequence DESC) FILTER (WHERE e.kind = 'time'))[1] AS worked_hours,
               (array_agg(e.price ORDER BY e.sequence DESC) FILTER (WHERE e.kind = 'time'))[1] AS price,
               (SELECT array_agg(i.through ORDER BY i.draft_number) FROM billing_event x
                    JOIN invoice_line_event l ON l.event = x.id
                    JOIN invoice i ON i.id = l.invoice AND i.number IS NOT NULL AND i.kind = 'invoice'
                WHERE x.entry = t.key) AS through
        FROM time_entry t
        LEFT JOIN project p ON p.key = t.project AND p.superseded_at IS NULL
        LEFT JOIN billing_event e ON e.entry = t.key
        LEFT JOIN billing_balance b ON b.event = e.id
        WHERE t.superseded_at IS NULL AND t.key = ANY(CAST(:keys AS text[]))
        GROUP BY t.key, t.worked_minutes, t.state, p.contract
    """)
    rows = conn.execute(query, {"keys": list(keys)}).mappings()
    return {row["key"]: dict(row) for row in rows}


def exceptions_about(conn: Connection, kinds: Sequence[str], key: str) -> list[dict[str, Any]]:
    """Exceptions of these kinds on a key or about a contract, open or closed since, oldest first."""
    query = select(exception).where(
        exception.c.kind.in_(kinds), or_(exception.c.key == key, exception.c.contract == key)
    )
    return [
        dict(row) for row in conn.execute(query.order_by(exception.c.opened_at, exception.c.id)).mappings()
    ]


def deliveries(conn: Connection, source_id: str) -> dict[str, int]:
    """Of one source record: webhooks that came, repeats of the same webhook, versions that were taken in."""
    hints = conn.execute(
        select(func.count(), func.coalesce(func.sum(hint.c.deliveries - 1), 0)).where(
            hint.c.source_id == source_id
        )
    ).one()
    versions = conn.execute(
        select(func.count()).where(
            inbox.c.object == "time_entry", inbox.c.source_id == source_id,
            inbox.c.state.in_(("applied", "superseded")),
        )
    ).scalar_one()  # fmt: skip
    return {"hints": int(hints[0]), "repeats": int(hints[1]), "versions": int(versions)}


def troubled(
    conn: Connection, system: str, outcomes: Sequence[str], code: str | None = None
) -> list[dict[str, Any]]:
    """Effects of which an attempt ended so (with this code): key, operation, how they stand, the last code."""
    last = attempt.alias()
    last_code = (
        select(last.c.code)
        .where(last.c.intent == intent.c.id, last.c.code.is_not(None))
        .order_by(last.c.id.desc())
        .limit(1)
        .scalar_subquery()
        .label("last_code")
    )
    query = (
        select(intent.c.key, intent.c.operation, intent.c.state, last_code)
        .join(attempt, attempt.c.intent == intent.c.id)
        .where(attempt.c.connection == system, attempt.c.outcome.in_(outcomes))
        .distinct()
    )
    if code is not None:
        query = query.where(attempt.c.code == code)
    return [dict(row) for row in conn.execute(query.order_by(intent.c.key)).mappings()]


def pauses(conn: Connection, system: str) -> int:
    """How often a connection was left alone because its budget was spent, by the audit."""
    query = select(func.count()).where(
        audit.c.action == "pause", audit.c.type == "connection", audit.c.key == system
    )
    return int(conn.execute(query).scalar_one())


def credit_notes(conn: Connection, contract_number: str, through: date) -> list[dict[str, Any]]:
    """Released credit notes with rebilling of a contract's invoices up to a date."""
    credited = invoice.alias()
    query = (
        select(invoice.c.number, invoice.c.net_amount, invoice.c.posted_at)
        .join(credited, credited.c.id == invoice.c.credits)
        .where(
            invoice.c.kind == "credit_note", invoice.c.rebill, invoice.c.number.is_not(None),
            credited.c.contract == contract_number, credited.c.through == through,
        )
    )  # fmt: skip
    return [dict(row) for row in conn.execute(query.order_by(invoice.c.number)).mappings()]


def differences_of(conn: Connection, document: str) -> list[dict[str, Any]]:
    """Tie-out items, of any run, about a document that the ERP knows by this number."""
    theirs = select(erp_document.c.key).where(erp_document.c.number == document)
    item = tie_out_item.c
    query = select(item.key, item.outcome, item.cause).where(
        item.outcome != "matched",
        or_(item.key == document, item.explained_by == document, item.explained_by.in_(theirs)),
    )
    return [dict(row) for row in conn.execute(query.distinct()).mappings()]
