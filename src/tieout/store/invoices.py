"""Invoices and credit notes: headers, lines, the events behind them, numbers, and the balances they move."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from tieout.store import payers
from tieout.store.copying import copy_frame
from tieout.store.tables import approval, invoice, invoice_line, invoice_line_event, number_series

RELEASED = ("released", "posted", "part_paid", "paid", "credited")
_MEASURES = ("quantity", "amount")


LINK_COLUMNS: dict[str, Any] = {
    "line": pl.Int64, "event": pl.String, "quantity": pl.Decimal(20, 6), "amount": pl.Decimal(20, 4), "notes": pl.String,
}  # fmt: skip


def insert_documents(conn: Connection, documents: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write drafts of one kind: the `row` of each, its `lines` and `links` to their events; their draft numbers."""
    added = insert(invoice).returning(invoice.c.draft_number, sort_by_parameter_order=True)
    numbers: list[int] = []
    for rows in _alike(one["row"] for one in documents):
        numbers += conn.execute(added, rows).scalars()
    for lines in _alike({"invoice": one["row"]["id"], **line} for one in documents for line in one["lines"]):
        conn.execute(insert(invoice_line), lines)
    links = [(one["row"]["id"], link) for one in documents for link in one["links"]]
    told = {name: [link.get(name) for _, link in links] for name in LINK_COLUMNS}
    of = pl.Series("invoice", [document for document, _ in links], pl.String)
    copy_frame(conn, "invoice_line_event", pl.DataFrame(told, schema=LINK_COLUMNS).with_columns(of))
    return numbers


def _alike(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows one after another that state the same columns: one statement for many has the columns of its first row."""
    return (list(group) for _, group in groupby(rows, key=frozenset))


def read(conn: Connection, condition: ColumnElement[bool], lock: bool = False) -> dict[str, Any] | None:
    """One document."""
    query = select(invoice).where(condition)
    if lock:
        query = query.with_for_update()
    row = conn.execute(query).mappings().first()
    return None if row is None else dict(row)


def by_id(document: str) -> ColumnElement[bool]:
    """Condition: this id."""
    return invoice.c.id == document


def by_number(number: str) -> ColumnElement[bool]:
    """Condition: this number."""
    return invoice.c.number == number


def by_draft_number(number: int) -> ColumnElement[bool]:
    """Condition: this draft reference."""
    return invoice.c.draft_number == number


def by_external_key(key: str) -> ColumnElement[bool]:
    """Condition: this key in the ERP."""
    return invoice.c.external_key == key


def of_contracts(contracts: Collection[str]) -> ColumnElement[bool]:
    """Condition: a line is of one of the contracts."""
    line = invoice_line.c
    return invoice.c.id.in_(select(line.invoice).where(line.contract == func.any(list(contracts))))


def contracts_of(conn: Connection, document: str) -> list[str]:
    """The contracts whose money a document is of."""
    line = invoice_line.c
    query = select(line.contract).where(line.invoice == document).distinct().order_by(line.contract)
    return list(conn.execute(query).scalars())


def live_drafts(conn: Connection, contracts: Collection[str], *, lock: bool = True) -> list[dict[str, Any]]:
    """What runs drafted for the contracts, before release, locked, with all its `contracts`; stale ones hold no amounts
    any more.
    """
    line = invoice_line.c
    named = func.array_agg(line.contract.distinct()).label("contracts")
    own = select(named).where(line.invoice == invoice.c.id).scalar_subquery()
    query = select(invoice, own.label("contracts")).where(of_contracts(contracts), _UNRELEASED)
    query = query.order_by(invoice.c.draft_number)
    return [dict(row) for row in conn.execute(query.with_for_update() if lock else query).mappings()]


_UNRELEASED = and_(
    or_(invoice.c.kind == "invoice", invoice.c.run.is_not(None)), invoice.c.state.in_(("draft", "approved"))
)


def sharing_drafts(conn: Connection, contracts: Collection[str]) -> list[str]:
    """The contracts, and all that share a draft of a run that is still redone with them, directly or through others."""
    query = text("""
        WITH RECURSIVE mate(contract) AS (
            SELECT unnest(CAST(:contracts AS text[]))
            UNION SELECT o.contract FROM mate m JOIN invoice_line l ON l.contract = m.contract
            JOIN invoice i ON i.id = l.invoice AND (i.kind = 'invoice' OR i.run IS NOT NULL)
                AND (i.state = 'draft' OR i.state = 'approved' AND i.stale_reason IS NOT NULL)
            JOIN invoice_line o ON o.invoice = i.id AND o.contract <> l.contract
        ) SELECT contract FROM mate ORDER BY 1
    """)
    return list(conn.execute(query, {"contracts": list(contracts)}).scalars())


def drafted_for(conn: Connection, payers: Collection[str]) -> set[str]:
    """The contracts on drafts for these payers that nobody has approved, or that are stale."""
    redone = or_(invoice.c.state == "draft", invoice.c.stale_reason.is_not(None))
    query = select(invoice_line.c.contract).join(invoice, invoice.c.id == invoice_line.c.invoice)
    rows = conn.execute(query.where(_UNRELEASED, redone, invoice.c.customer.in_(list(payers))))
    return set(rows.scalars())


def change(conn: Connection, document: str, values: Mapping[str, Any], moment: datetime) -> None:
    """Change a document; its version counts."""
    conn.execute(
        update(invoice)
        .where(invoice.c.id == document)
        .values(**values, version=invoice.c.version + 1, updated_at=moment)
    )


def void(conn: Connection, documents: Collection[str], reason: str, moment: datetime) -> None:
    """End drafts."""
    conn.execute(
        update(invoice)
        .where(invoice.c.id.in_(list(documents)))
        .values(state="void", void_reason=reason, version=invoice.c.version + 1, updated_at=moment)
    )


def lines(conn: Connection, document: str) -> list[dict[str, Any]]:
    """The lines of a document in order."""
    query = select(invoice_line).where(invoice_line.c.invoice == document).order_by(invoice_line.c.line)
    return [dict(row) for row in conn.execute(query).mappings()]


def line_events(conn: Connection, document: str) -> list[dict[str, Any]]:
    """The part of each event that a document's lines hold: {line, event, quantity, amount, notes}."""
    link = invoice_line_event.c
    query = select(link.line, link.event, link.quantity, link.amount, link.notes).where(
        link.invoice == document
    )
    return [dict(row) for row in conn.execute(query.order_by(link.line, link.event)).mappings()]


def insert_approval(conn: Connection, row: Mapping[str, Any]) -> None:
    """Append one decision."""
    conn.execute(insert(approval).values(**row))


def approvals(conn: Connection, type: str, key: str) -> list[dict[str, Any]]:
    """Decisions on one document in order."""
    query = select(approval).where(approval.c.type == type, approval.c.key == key)
    return [dict(row) for row in conn.execute(query.order_by(approval.c.recorded_at)).mappings()]


def take_number(conn: Connection, entity: str, series: str, prefix: str) -> str:
    """The next number of a series; its row stays locked until the end of the transaction, so none is lost.

    Of two series with one prefix the later one adds its legal entity to it: INV-1 and INV-DE01-1.
    """
    columns = number_series.c
    mine = and_(columns.legal_entity == entity, columns.series == series)
    added = pg_insert(number_series).values(legal_entity=entity, series=series, prefix=prefix, last=0)
    conn.execute(added.on_conflict_do_nothing())
    if conn.execute(select(columns.prefix).where(~mine, columns.prefix == prefix).limit(1)).first():
        prefix = f"{prefix}{entity}-"
    row = conn.execute(
        update(number_series).where(mine).values(last=columns.last + 1, prefix=prefix).returning(columns.last)
    ).scalar_one()
    return f"{prefix}{row}"


# --- balances --------------------------------------------------------------------------------------------------------


def move(
    conn: Connection,
    documents: Collection[str],
    changes: Mapping[str, int],
    moment: datetime,
    works: bool = False,
) -> int:
    """Add the parts of documents to balances of their events, with `works` only of `payers.WORK`: {place: sign}; how many events.

    Places: drafted, billed, credited, written_off. The database refuses what would bill an event twice, or a payer more
    than its share.
    """
    payers.move(conn, documents, changes, moment, works)
    sets = ", ".join(
        f"{place}_{measure} = b.{place}_{measure} {'+' if sign > 0 else '-'} s.{measure}"
        for place, sign in changes.items()
        for measure in _MEASURES
    )
    statement = f"""
        UPDATE billing_balance b SET {sets}, updated_at = :moment FROM (
            SELECT l.event, sum(l.quantity) AS quantity, sum(l.amount) AS amount FROM invoice_line_event l
                JOIN billing_event e ON e.id = l.event
            WHERE l.invoice = ANY(CAST(:documents AS uuid[])) AND (CAST(:works AS boolean) IS NOT TRUE OR {payers.WORK})
            GROUP BY l.event) AS s
        WHERE b.event = s.event
    """  # noqa: S608
    given = {"documents": list(documents), "moment": moment, "works": works}
    return int(conn.execute(text(statement), given).rowcount)


def short_of(conn: Connection, document: str) -> int:
    """How many events of a draft have less drafted than the draft holds (a defect, or it is stale)."""
    query = text(
        "SELECT count(*) FROM (SELECT event, sum(amount) AS amount, sum(quantity) AS quantity"
        " FROM invoice_line_event WHERE invoice = CAST(:document AS uuid) GROUP BY event) s"
        " JOIN billing_balance b ON b.event = s.event"
        " WHERE abs(b.drafted_amount) < abs(s.amount) OR abs(b.drafted_quantity) < abs(s.quantity)"
    )
    return int(conn.execute(query, {"document": document}).scalar_one())


def secured(conn: Connection, document: str, prefix: str) -> dict[tuple[str, str], Decimal]:
    """What of a document is kept as security or gives it back, by contract and line: of events whose item begins so."""
    query = text(
        "SELECT e.contract, e.line, sum(l.amount) FROM invoice_line_event l JOIN billing_event e ON e.id = l.event"
        " WHERE l.invoice = CAST(:document AS uuid) AND starts_with(e.item, :prefix) GROUP BY 1, 2"
    )
    rows = conn.execute(query, {"document": document, "prefix": prefix})
    return {(contract, line): amount for contract, line, amount in rows}


def give_up_revenue(conn: Connection, document: str, moment: datetime) -> list[dict[str, Any]]:
    """Take the credited part of work out of what is recognised of each event; what was taken.

    {event, contract, line, currency, origin (the day of the work), amount, before (recognised until now), whole (the event's amount),
    whole_passed}.
    """
    statement = text(f"""
        WITH parts AS (SELECT l.event, e.contract, e.line, e.currency, e.work_date AS origin, e.amount AS whole,
           e.pass_through_amount AS whole_passed, b.recognised_amount AS before, CASE WHEN sum(l.amount) >= 0
            THEN least(sum(l.amount), greatest(b.recognised_amount, 0))
            ELSE greatest(sum(l.amount), least(b.recognised_amount, 0)) END AS amount
           FROM invoice_line_event l JOIN billing_balance b ON b.event = l.event
            JOIN billing_event e ON e.id = l.event AND {payers.WORK}
           WHERE l.invoice = CAST(:document AS uuid) GROUP BY l.event, e.id, b.recognised_amount)
        UPDATE billing_balance b SET recognised_amount = b.recognised_amount - p.amount, updated_at = :moment
        FROM parts p WHERE b.event = p.event AND p.amount <> 0
        RETURNING CAST(p.event AS text) AS event, p.contract, p.line, p.currency, p.origin, p.amount, p.before, p.whole,
            p.whole_passed
    """)  # noqa: S608
    rows = conn.execute(statement, {"document": document, "moment": moment})
    return sorted(
        (dict(row) for row in rows.mappings()), key=lambda r: (r["contract"], r["line"], r["event"])
    )


# --- credits ---------------------------------------------------------------------------------------------------------


def credited_parts(conn: Connection, document: str) -> list[dict[str, Any]]:
    """What of each event stands on an invoice with its credit notes, and over all documents (columns of INVOICED).

    Notes that are asked for and not released yet count as given; what a correction run drafted counts once released.
    """
    query = text(f"""
        WITH {_PARTS}, named AS (
            SELECT DISTINCT ON (l.line) l.line, l.contract, l.contract_line, l.unit_price, l.tax_category, l.tax_rate
            FROM invoice_line l JOIN invoice i ON i.id = l.invoice
            WHERE CAST(:document AS uuid) IN (i.id, i.credits) ORDER BY l.line, i.credits NULLS FIRST
        ), asked AS (
            SELECT l.event, sum(l.quantity) AS quantity, sum(l.amount) AS amount FROM invoice_line_event l
            JOIN invoice n ON n.id = l.invoice AND n.kind = 'credit_note' AND n.state IN ('draft', 'approved')
            WHERE n.run IS NULL GROUP BY l.event
        ), undone AS (
            SELECT reverses AS event, sum(quantity) AS quantity, sum(amount) AS amount FROM billing_event
            WHERE reverses IS NOT NULL GROUP BY reverses
        )
        SELECT CAST(p.root AS text) AS invoice, p.line AS number, n.contract, n.contract_line, CAST(p.event AS text) AS event,
            e.kind, e.entry, e.item, n.unit_price, n.tax_category, n.tax_rate, p.quantity, p.amount,
            b.billed_quantity - b.credited_quantity - coalesce(a.quantity, 0) + coalesce(u.quantity, 0)
                AS standing_quantity,
            b.billed_amount - b.credited_amount - coalesce(a.amount, 0) + coalesce(u.amount, 0) AS standing_amount
        FROM parts p JOIN named n ON n.line = p.line JOIN billing_event e ON e.id = p.event
            JOIN billing_balance b ON b.event = e.id LEFT JOIN asked a ON a.event = e.id
            LEFT JOIN undone u ON u.event = e.id
    """)  # noqa: S608
    given = {"document": document, "documents": [document]}
    return [dict(row) for row in conn.execute(query, given).mappings()]


_PARTS = """parts AS (
            SELECT s.root, s.line, s.event, sum(s.quantity) AS quantity, sum(s.amount) AS amount FROM (
                SELECT i.id AS root, l.line, l.event, l.quantity, l.amount
                FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice
                WHERE i.id = ANY(CAST(:documents AS uuid[]))
                UNION ALL
                SELECT n.credits, l.line, l.event, -l.quantity, -l.amount
                FROM invoice_line_event l JOIN invoice n ON n.id = l.invoice
                WHERE n.credits = ANY(CAST(:documents AS uuid[])) AND n.state <> 'void'
                  AND (n.number IS NOT NULL OR n.run IS NULL)
            ) s GROUP BY s.root, s.line, s.event
        )"""
"""What stands of each event on an invoice; a note that a run drafted and nobody released yet says nothing."""


def carrying(conn: Connection, contracts: Collection[str], entries: Collection[str]) -> list[str]:
    """Ids of the released invoices of the contracts on which entries were billed, the first first."""
    query = text(
        "SELECT CAST(i.id AS text) FROM invoice i"
        " WHERE i.id IN (SELECT invoice FROM invoice_line WHERE contract = ANY(CAST(:contracts AS text[])))"
        " AND i.kind = 'invoice' AND i.number IS NOT NULL AND EXISTS (SELECT 1 FROM invoice_line_event l"
        "  JOIN billing_event e ON e.id = l.event WHERE l.invoice = i.id AND e.entry = ANY(CAST(:entries AS text[])))"
        " ORDER BY i.draft_number"
    )
    return list(conn.execute(query, {"contracts": list(contracts), "entries": list(entries)}).scalars())


def standing_of(
    conn: Connection, documents: Collection[str], entries: Collection[str]
) -> list[dict[str, Any]]:
    """What of entries stands on invoices, line by line (columns of STANDING)."""
    query = text(f"""
        WITH {_PARTS} SELECT CAST(p.root AS text) AS invoice, p.line AS number, e.contract, e.entry, sum(p.amount) AS amount
        FROM parts p JOIN billing_event e ON e.id = p.event WHERE e.entry = ANY(CAST(:entries AS text[]))
        GROUP BY p.root, p.line, e.contract, e.entry
    """)  # noqa: S608
    given = {"documents": list(documents), "entries": list(entries)}
    return [dict(row) for row in conn.execute(query, given).mappings()]


def beyond(conn: Connection, note: str) -> int:
    """How many events of a credit note have less standing than it takes: corrected since it was drafted."""
    query = text(f"""
        SELECT count(*) FROM (SELECT event, sum(quantity) AS quantity, sum(amount) AS amount
          FROM invoice_line_event WHERE invoice = CAST(:note AS uuid) GROUP BY event) s
        JOIN billing_event e ON e.id = s.event AND {payers.WORK} JOIN billing_balance b ON b.event = s.event
        LEFT JOIN (SELECT reverses, sum(quantity) AS quantity, sum(amount) AS amount FROM billing_event
          WHERE reverses IS NOT NULL GROUP BY reverses) u ON u.reverses = s.event
        WHERE b.billed_amount - b.credited_amount + coalesce(u.amount, 0) < s.amount
        OR b.billed_quantity - b.credited_quantity + coalesce(u.quantity, 0) < s.quantity
    """)  # noqa: S608
    return int(conn.execute(query, {"note": note}).scalar_one())


def texts_under(conn: Connection, document: str) -> dict[str, str | None]:
    """What an invoice and its credit notes say of the work behind each event."""
    query = (
        select(invoice_line_event.c.event, invoice_line_event.c.notes)
        .join(invoice, invoice.c.id == invoice_line_event.c.invoice)
        .where(or_(invoice.c.id == document, invoice.c.credits == document))
        .order_by(invoice.c.draft_number.desc())
    )
    return {row.event: row.notes for row in conn.execute(query)}


def lines_of_credits(conn: Connection, document: str) -> list[dict[str, Any]]:
    """Lines of the credit notes of an invoice that are not void, in order of drafting."""
    query = (
        select(invoice_line)
        .join(invoice, invoice.c.id == invoice_line.c.invoice)
        .where(invoice.c.credits == document, invoice.c.state != "void")
        .order_by(invoice.c.draft_number, invoice_line.c.line)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def credits_of(conn: Connection, document: str, released: bool) -> list[dict[str, Any]]:
    """Credit notes of an invoice that are not void, or only the released ones."""
    condition = and_(invoice.c.credits == document, invoice.c.state != "void")
    if released:
        condition = and_(condition, invoice.c.state.in_(RELEASED))
    query = select(invoice).where(condition).order_by(invoice.c.draft_number)
    return [dict(row) for row in conn.execute(query).mappings()]


# --- lists -----------------------------------------------------------------------------------------------------------


def listed(
    conn: Connection,
    *,
    filters: Mapping[str, Any],
    entities: Collection[str] | None,
    after: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Documents, newest first; a credit note with the number it credits as `credits_number`."""
    original = invoice.alias()
    query = select(invoice, original.c.number.label("credits_number")).outerjoin(
        original, original.c.id == invoice.c.credits
    )
    exact = {
        name: value for name, value in filters.items() if name not in ("search", "state", "stale", "contract")
    }
    query = query.where(*(invoice.c[name] == value for name, value in exact.items()))
    if state := filters.get("state"):
        query = query.where(invoice.c.state.in_([state] if isinstance(state, str) else list(state)))
    if "stale" in filters:
        query = query.where(invoice.c.stale_reason.is_not(None), invoice.c.state.in_(("draft", "approved")))
    if contract := filters.get("contract"):
        query = query.where(of_contracts([contract]))
    if search := filters.get("search"):
        query = query.where(_matches(str(search)))
    if entities is not None:
        query = query.where(invoice.c.legal_entity.in_(list(entities)))
    if after is not None:
        query = query.where(invoice.c.draft_number < after)
    query = query.order_by(invoice.c.draft_number.desc()).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def _matches(search: str) -> ColumnElement[bool]:
    named = (invoice.c.number, invoice.c.customer, invoice.c.purchase_order)
    found = [column.icontains(search, autoescape=True) for column in named]
    of = invoice_line.c
    found.append(invoice.c.id.in_(select(of.invoice).where(of.contract.icontains(search, autoescape=True))))
    reference = search.upper().removeprefix("D-")
    if reference.isascii() and reference.isdigit() and len(reference) < 19:
        found.append(invoice.c.draft_number == int(reference))
    return or_(*found)


def events_behind(conn: Connection, document: str) -> list[dict[str, Any]]:
    """Every part of every event on a document with its entry, worker, date, hours, price and trail."""
    query = text(
        "SELECT l.line, l.quantity, l.amount, CAST(e.id AS text) AS event, e.kind, e.source_kind, e.entry, e.entry_version, e.worker,"
        " e.role, e.project, e.task, e.work_date, e.worked_hours, e.price, e.multiplier, e.discount, e.card, e.trail,"
        " e.currency, coalesce(l.notes, e.description) AS notes, e.period_start, e.period_end FROM invoice_line_event l JOIN billing_event e ON e.id = l.event"
        " WHERE l.invoice = CAST(:document AS uuid) ORDER BY l.line, e.work_date, e.entry, e.sequence"
    )
    return [dict(row) for row in conn.execute(query, {"document": document}).mappings()]


def intents_of(conn: Connection, keys: Collection[str]) -> list[dict[str, Any]]:
    """What was sent for documents (by number), without the bytes."""
    query = text(
        "SELECT CAST(id AS text) AS id, connection, operation, type, key, revision, external_key, state, attempts,"
        " target_id, receipt, error, read_back_at, done_at, recorded_at FROM intent"
        " WHERE type IN ('invoice', 'credit_note') AND key = ANY(CAST(:keys AS text[])) ORDER BY recorded_at, revision"
    )
    return [dict(row) for row in conn.execute(query, {"keys": list(keys)}).mappings()]


def released_in(conn: Connection, entity: str, first: date, last: date) -> list[dict[str, Any]]:
    """Released documents issued between two dates, with the state of their newest intent."""
    query = text(
        "SELECT i.number, i.external_key, i.kind, i.contract, i.currency, i.gross_amount, i.tax_amount, i.issue_date,"
        " (SELECT n.state FROM intent n WHERE n.type = i.kind AND n.key = i.number ORDER BY n.revision DESC LIMIT 1)"
        "  AS intent_state FROM invoice i WHERE i.number IS NOT NULL AND i.purpose <> 'retention' AND i.legal_entity = :entity"
        " AND i.issue_date BETWEEN :first AND :last ORDER BY i.draft_number"
    )
    given = {"entity": entity, "first": first, "last": last}
    return [dict(row) for row in conn.execute(query, given).mappings()]
