"""What playing a scenario needs of the database beyond the hub: its configuration, its documents, its figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, text

from tieout.store.invoices import of_contracts
from tieout.store.tables import (
    billing_event,
    connection,
    event,
    exception,
    expense,
    invoice,
    invoice_line,
    time_entry,
    workspace_version,
)

_REFERENCE = func.concat("D-", invoice.c.draft_number)


def configure(conn: Connection, name: str, document: Mapping[str, Any], moment: datetime) -> None:
    """The one connection of a scenario and the workspace it is played under."""
    conn.execute(insert(connection).values(name=name, connector=name, config={}))
    content = json.dumps(document, sort_keys=True)
    conn.execute(
        insert(workspace_version).values(
            version=1, digest=hashlib.sha256(content.encode()).hexdigest(), document=dict(document),
            applied_by="scenario", recorded_at=moment,
        )
    )  # fmt: skip


def released(conn: Connection, named: str) -> dict[str, Any] | None:
    """A released invoice by number, or the `last` one."""
    query = select(invoice).where(invoice.c.kind == "invoice", invoice.c.number.is_not(None))
    query = query if named == "last" else query.where(invoice.c.number == named)
    row = (
        conn.execute(query.order_by(invoice.c.released_at.desc(), invoice.c.number.desc()).limit(1))
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


def draft(conn: Connection, named: str) -> str | None:
    """A draft by reference, or the `last` one."""
    query = select(_REFERENCE).where(invoice.c.state.in_(("draft", "approved")))
    if named != "last":
        query = query.where(_REFERENCE.in_([named]))
    found: str | None = conn.execute(query.order_by(invoice.c.draft_number.desc()).limit(1)).scalar()
    return found


def drafts_of_run(conn: Connection, run_id: str) -> list[str]:
    """References of the drafts of a run, by contract."""
    query = select(_REFERENCE).where(invoice.c.run == run_id, invoice.c.state == "draft")
    return list(conn.execute(query.order_by(invoice.c.contract, invoice.c.draft_number)).scalars())


def account_balances(
    conn: Connection,
    *,
    contract: str | None,
    entity: str | None,
    line: str | None,
    at: date,
    since: date | None = None,
    functional: bool = False,
) -> dict[str, Decimal]:
    """Balance by account, debit positive, of what was booked from `since` to `at`; `functional`: as the books have it."""
    query = text(
        f"SELECT l.account, sum(l.{_MEASURED[functional]}) AS amount FROM journal_line l WHERE l.booking_date <= :at"  # noqa: S608
        " AND (CAST(:since AS date) IS NULL OR l.booking_date >= :since)"
        " AND (CAST(:contract AS text) IS NULL OR l.contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR l.line = :line)"
        " AND (CAST(:entity AS text) IS NULL OR l.legal_entity = :entity) GROUP BY l.account"
    )
    told = {"at": at, "since": since, "contract": contract, "entity": entity, "line": line}
    return {row.account: row.amount for row in conn.execute(query, told) if row.amount}


_MEASURED = {False: "amount", True: "functional_amount"}
"""In the currency of the transaction, or in that of the books."""


def retained(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date
) -> Decimal:
    """What customers keep back of invoices, conditional or not, by what was booked up to a day."""
    query = text(
        "SELECT coalesce(sum(l.amount), 0) FROM journal_line l JOIN journal j ON j.id = l.journal"
        " WHERE j.cause_type = 'retention' AND l.account IN ('contract_asset', 'retention_receivable')"
        " AND l.booking_date <= :at AND (CAST(:contract AS text) IS NULL OR l.contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR l.line = :line)"
        " AND (CAST(:entity AS text) IS NULL OR l.legal_entity = :entity)"
    )
    told = {"at": at, "contract": contract, "entity": entity, "line": line}
    return Decimal(conn.execute(query, told).scalar_one())


def conditional_positions(
    conn: Connection, contract: str | None, entity: str | None, at: date, functional: bool = False
) -> list[Decimal]:
    """Contract asset less contract liability of each contract."""
    query = text(
        f"SELECT sum({_MEASURED[functional]}) FROM journal_line WHERE booking_date <= :at"  # noqa: S608
        " AND account IN ('contract_asset', 'contract_liability')"
        " AND (CAST(:contract AS text) IS NULL OR contract = :contract)"
        " AND (CAST(:entity AS text) IS NULL OR legal_entity = :entity) GROUP BY contract"
    )
    return list(conn.execute(query, {"contract": contract, "entity": entity, "at": at}).scalars())


def unbilled_lines(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date
) -> list[Decimal]:
    """Unbilled receivable of each contract line less what a person holds of it."""
    query = text(
        "SELECT sum(amount) FROM ("
        " SELECT contract, line, legal_entity, amount FROM journal_line"
        " WHERE account = 'unbilled_receivable' AND booking_date <= :at"
        " UNION ALL SELECT b.contract, b.line, b.legal_entity, -bb.held_amount FROM billing_event b"
        " JOIN billing_balance bb ON bb.event = b.id) AS parts"
        " WHERE (CAST(:contract AS text) IS NULL OR contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR line = :line)"
        " AND (CAST(:entity AS text) IS NULL OR legal_entity = :entity) GROUP BY contract, line"
    )
    told = {"at": at, "contract": contract, "entity": entity, "line": line}
    return list(conn.execute(query, told).scalars())


def contracts_in(conn: Connection, entity: str | None) -> list[str]:
    """The contracts, of an entity if one is named."""
    query = text(
        "SELECT key FROM contract WHERE superseded_at IS NULL"
        " AND (CAST(:entity AS text) IS NULL OR legal_entity = :entity) ORDER BY key"
    )
    return list(conn.execute(query, {"entity": entity}).scalars())


def bookings(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None, at: date, most: int = 12
) -> list[str]:
    """The newest journals up to a day in words: booking date, cause, and each account's amount, debit positive."""
    query = text(
        "SELECT j.booking_date, j.cause_type, j.cause, string_agg(l.account || ' ' || trim_scale(l.amount), ', '"
        " ORDER BY l.number) AS lines FROM journal j JOIN journal_line l ON l.journal = j.id"
        " WHERE j.booking_date <= :at AND (CAST(:contract AS text) IS NULL OR j.contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR l.line = :line)"
        " AND (CAST(:entity AS text) IS NULL OR j.legal_entity = :entity)"
        " GROUP BY j.id, j.booking_date, j.cause_type, j.cause ORDER BY j.booking_date DESC, j.id DESC LIMIT :most"
    )
    told = {"at": at, "contract": contract, "entity": entity, "line": line, "most": most}
    return [f"{r.booking_date} {r.cause_type} {r.cause}: {r.lines}" for r in conn.execute(query, told)]


def event_totals(
    conn: Connection, *, contract: str | None, entity: str | None, line: str | None
) -> dict[str, Decimal]:
    """Sums over the balances of billing events: amounts and hours by what became of them."""
    query = text(
        "SELECT coalesce(sum(bb.over_cap_amount), 0) AS held, coalesce(sum(bb.held_amount), 0) AS on_hold, coalesce(sum(bb.written_off_amount), 0) AS written_off,"
        " coalesce(sum(bb.billed_amount - bb.credited_amount), 0) AS billed, coalesce(sum(bb.credited_amount), 0) AS credited,"
        " coalesce(sum(bb.recognised_amount), 0) AS recognised,"
        " coalesce(sum(bb.billed_quantity - bb.credited_quantity) FILTER (WHERE b.source_kind = 'time'), 0) AS hours_billed,"
        " coalesce(sum(bb.quantity - bb.billed_quantity + bb.credited_quantity - bb.over_cap_quantity"
        " - bb.held_quantity - bb.written_off_quantity - bb.reversed_quantity)"
        " FILTER (WHERE b.source_kind = 'time'), 0) AS hours_unbilled"
        " FROM billing_event b JOIN billing_balance bb ON bb.event = b.id"
        " WHERE (CAST(:contract AS text) IS NULL OR b.contract = :contract)"
        " AND (CAST(:entity AS text) IS NULL OR b.legal_entity = :entity)"
        " AND (CAST(:line AS text) IS NULL OR b.line = :line)"
    )
    return dict(conn.execute(query, {"contract": contract, "entity": entity, "line": line}).mappings().one())


def document_totals(
    conn: Connection,
    *,
    contract: str | None,
    entity: str | None,
    line: str | None,
    at: date,
    number: str | None = None,
) -> dict[str, Decimal]:
    """Released invoices less released credit notes issued by a day: net, tax, gross; credits net; of one by number.

    Of one contract or line of it the lines that are its, and the tax that the books have of it.
    """
    if contract is not None or line is not None:
        return _line_totals(conn, contract, entity, line, at, number)
    sign = text(
        "SELECT coalesce(sum(CASE WHEN kind = 'invoice' THEN net_amount ELSE -net_amount END), 0) AS net,"
        " coalesce(sum(CASE WHEN kind = 'invoice' THEN tax_amount ELSE -tax_amount END), 0) AS tax,"
        " coalesce(sum(CASE WHEN kind = 'invoice' THEN gross_amount ELSE -gross_amount END), 0) AS gross,"
        " coalesce(sum(net_amount) FILTER (WHERE kind = 'credit_note'), 0) AS credited"
        " FROM invoice WHERE number IS NOT NULL AND issue_date <= :at AND purpose <> 'retention'"
        " AND (CAST(:entity AS text) IS NULL OR legal_entity = :entity)"
        " AND (CAST(:number AS text) IS NULL OR number = :number"
        "      OR credits = (SELECT id FROM invoice WHERE number = :number))"
    )
    told = {"entity": entity, "at": at, "number": number}
    return dict(conn.execute(sign, told).mappings().one())


def _line_totals(
    conn: Connection, contract: str | None, entity: str | None, line: str | None, at: date, number: str | None
) -> dict[str, Decimal]:
    query = text(
        "WITH named AS (SELECT * FROM invoice WHERE number IS NOT NULL AND issue_date <= :at AND purpose <> 'retention'"
        "  AND (CAST(:entity AS text) IS NULL OR legal_entity = :entity)"
        "  AND (CAST(:number AS text) IS NULL OR number = :number"
        "       OR credits = (SELECT id FROM invoice WHERE number = :number))),"
        " lines AS (SELECT coalesce(sum(CASE WHEN i.kind = 'invoice' THEN l.net_amount ELSE -l.net_amount END), 0) AS net,"
        "   coalesce(sum(l.net_amount) FILTER (WHERE i.kind = 'credit_note'), 0) AS credited"
        "  FROM named i JOIN invoice_line l ON l.invoice = i.id"
        "  WHERE (CAST(:contract AS text) IS NULL OR l.contract = :contract)"
        "  AND (CAST(:line AS text) IS NULL OR l.contract_line = :line)),"
        " taxes AS (SELECT -coalesce(sum(l.amount), 0) AS tax FROM named i"
        "   JOIN journal j ON j.cause_type IN ('release', 'credit') AND j.cause = i.number"
        "   JOIN journal_line l ON l.journal = j.id AND l.account = 'tax_payable'"
        "  WHERE (CAST(:contract AS text) IS NULL OR l.contract = :contract)"
        "  AND (CAST(:line AS text) IS NULL OR l.line = :line))"
        " SELECT net, tax, net + tax AS gross, credited FROM lines, taxes"
    )
    told = {"contract": contract, "entity": entity, "line": line, "at": at, "number": number}
    return dict(conn.execute(query, told).mappings().one())


def worked_hours(
    conn: Connection, contract: str | None, line: str | None, worker: str | None, project: str | None
) -> Decimal:
    """Hours as recorded, withdrawn entries apart; of a line those of the projects that the contract's terms give it."""
    query = text(
        "SELECT coalesce(sum(t.worked_hours), 0) FROM time_entry t LEFT JOIN project p"
        " ON p.key = t.project AND p.superseded_at IS NULL WHERE t.superseded_at IS NULL AND t.state <> 'withdrawn'"
        " AND (CAST(:contract AS text) IS NULL OR p.contract = :contract)"
        " AND (CAST(:line AS text) IS NULL OR EXISTS (SELECT FROM contract_terms c,"
        " jsonb_array_elements(c.lines) AS one WHERE c.contract = p.contract"
        " AND one->>'project' = p.key AND one->>'line' = :line))"
        " AND (CAST(:worker AS text) IS NULL OR t.worker = :worker)"
        " AND (CAST(:project AS text) IS NULL OR t.project = :project)"
    )
    told = {"contract": contract, "line": line, "worker": worker, "project": project}
    return Decimal(conn.execute(query, told).scalar_one())


def invoices(
    conn: Connection, *, contract: str | None, entity: str | None, at: date, number: str | None = None
) -> list[dict[str, Any]]:
    """Released documents issued by a day in number order, with their lines; credit notes negative."""
    query = select(invoice).where(invoice.c.number.is_not(None), invoice.c.issue_date <= at)
    if contract is not None:
        query = query.where(of_contracts([contract]))
    if entity is not None:
        query = query.where(invoice.c.legal_entity == entity)
    if number is not None:
        original = select(invoice.c.id).where(invoice.c.number == number).scalar_subquery()
        query = query.where(or_(invoice.c.number == number, invoice.c.credits == original))
    found = [
        dict(row) for row in conn.execute(query.order_by(invoice.c.released_at, invoice.c.number)).mappings()
    ]
    for row in found:
        lines = select(invoice_line).where(invoice_line.c.invoice == row["id"]).order_by(invoice_line.c.line)
        row["lines"] = [dict(line) for line in conn.execute(lines).mappings()]
    return found


def open_exceptions(conn: Connection, *, contract: str | None, entity: str | None) -> list[dict[str, Any]]:
    """Open exceptions, of a contract or entity if named."""
    query = select(exception).where(exception.c.state.not_in(("waived", "resolved")))
    if contract is not None:
        query = query.where(or_(exception.c.contract == contract, exception.c.key == contract))
    if entity is not None:
        query = query.where(exception.c.legal_entity == entity)
    return [dict(row) for row in conn.execute(query.order_by(exception.c.kind, exception.c.key)).mappings()]


def events_on(conn: Connection, day: date, subjects: list[str]) -> list[str]:
    """Types of the events of a day about these subjects, in order."""
    query = select(event.c.type).where(
        func.date(func.timezone("UTC", event.c.time)) == day, event.c.subject.in_(subjects)
    )
    return list(conn.execute(query.order_by(event.c.position)).scalars())


def subjects_of(conn: Connection, contract: str) -> list[str]:
    """A contract and what belongs to it: its projects' and documents' keys."""
    projects = conn.execute(
        text("SELECT key FROM project WHERE superseded_at IS NULL AND contract = :contract"),
        {"contract": contract},
    ).scalars()
    documents = conn.execute(select(_REFERENCE, invoice.c.number).where(of_contracts([contract])))
    named = [name for row in documents for name in row if name]
    return [contract, *projects, *named]


_BY_THE_HOUR = (
    "NOT EXISTS (SELECT FROM project p JOIN contract_terms c ON c.contract = p.contract,"
    " jsonb_array_elements(c.lines) AS one WHERE p.key = time_entry.project AND p.superseded_at IS NULL"
    " AND coalesce(one->>'project', p.key) = p.key AND one->>'billing_method' <> 'time_and_materials')"
)


def hours_in_no_place(conn: Connection) -> list[str]:
    """Approved billable entries of lines billed by the hour, neither rated nor in an open exception: there must be none."""
    rated = select(billing_event.c.entry).where(billing_event.c.kind == "time")
    named = select(exception.c.key).where(exception.c.state.not_in(("waived", "resolved")))
    query = select(time_entry.c.key).where(
        time_entry.c.superseded_at.is_(None), time_entry.c.state == "approved", time_entry.c.billable.is_(True),
        time_entry.c.worked_hours != 0, time_entry.c.key.not_in(rated), time_entry.c.key.not_in(named),
        text(_BY_THE_HOUR),
    )  # fmt: skip
    return list(conn.execute(query).scalars())


def expenses_in_no_place(conn: Connection) -> list[str]:
    """Approved billable expenses of lines billed by the hour, neither rated nor in an open exception: there must be none."""
    rated = select(billing_event.c.entry).where(billing_event.c.kind == "expense")
    named = select(exception.c.key).where(exception.c.state.not_in(("waived", "resolved")))
    query = select(expense.c.key).where(
        expense.c.superseded_at.is_(None), expense.c.state == "approved", expense.c.billable.is_(True),
        expense.c.key.not_in(rated), expense.c.key.not_in(named), text(_BY_THE_HOUR.replace("time_entry", "expense")),
    )  # fmt: skip
    return list(conn.execute(query).scalars())


def unbalanced_journals(conn: Connection) -> list[str]:
    """Journals whose lines do not sum to zero by entity and currency: there must be none."""
    query = text(
        "SELECT CAST(journal AS text) FROM journal_line GROUP BY journal, legal_entity, currency"
        " HAVING sum(amount) <> 0 OR sum(functional_amount) <> 0"
    )
    return list(conn.execute(query).scalars())
