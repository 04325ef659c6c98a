"""What leads to what: the links between records of different kinds, followed set by set in either direction."""

# ruff: noqa: S608 - the pieces of each query are constants of this module; values are always parameters
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

CANONICAL = (
    "customer", "opportunity", "contract", "project", "time_entry", "expense", "milestone", "delivery", "usage_reading",
    "subcontract", "payroll", "erp_document", "payment",
)  # fmt: skip
_CURRENT = "superseded_at IS NULL"
_UUIDS = "CAST(:ids AS uuid[])"
_TEXTS = "CAST(:ids AS text[])"
_RATE_FITS = " AND ".join(
    f"r.{name} IS NOT DISTINCT FROM (e.trail->'matched'->>'{name}')"
    for name in ("person", "task", "project", "grade", "role", "country", "worksite", "day_type", "band")
)


@dataclass(frozen=True)
class Link:
    """One kind of edge. `rows` is the FROM and WHERE; `before` and `after` find its rows by the ids of one end."""

    source: str
    target: str
    via: str
    a: str
    b: str
    rows: str
    by_source: str
    by_target: str


def _named(source: str, target: str, via: str, a: str, b: str, table: str) -> Link:
    rows = f"{table} WHERE {_CURRENT} AND {a} IS NOT NULL AND {b} IS NOT NULL"
    return Link(source, target, via, a, b, rows, f"{a} = ANY({_TEXTS})", f"{b} = ANY({_TEXTS})")


def _charged(type: str, match: str) -> Link:
    """From what was performed to the charges that it made billable."""
    return Link(type, "billing_event", "charged as", "f.key", "CAST(e.id AS text)",
                f"{type} f JOIN billing_event e ON e.contract = f.contract AND e.line = f.line AND {match}"
                f" WHERE f.{_CURRENT}",
                f"f.key = ANY({_TEXTS})", f"e.id = ANY({_UUIDS})")  # fmt: skip


def _effects(type: str) -> Link:
    return Link(type, "intent", "sent as", "n.key", "CAST(n.id AS text)", f"intent n WHERE n.type = '{type}'",
                f"n.key = ANY({_TEXTS})", f"n.id = ANY({_UUIDS})")  # fmt: skip


def _costed(type: str, kind: str) -> Link:
    return Link(type, "cost_entry", "costed as", "c.source", "CAST(c.id AS text)", f"cost_entry c WHERE c.kind = '{kind}'",
                f"c.source = ANY({_TEXTS})", f"c.id = ANY({_UUIDS})")  # fmt: skip


_INVOICE = "CAST(i.id AS text)"
_OF_INVOICE = f"i.id = ANY({_UUIDS})"
_LINE = "CAST(l.invoice AS text) || '/' || l.line"
_LINES = "(l.invoice, l.line) IN (SELECT CAST(split_part(x, '/', 1) AS uuid), CAST(split_part(x, '/', 2) AS integer)" \
    f" FROM unnest({_TEXTS}) AS x)"  # fmt: skip

LINKS: tuple[Link, ...] = (
    _named("customer", "contract", "customer of", "customer", "key", "contract"),
    _named("opportunity", "contract", "contracted as", "key", "contract", "opportunity"),
    _named("contract", "project", "delivered in", "contract", "key", "project"),
    _named("project", "time_entry", "worked on", "project", "key", "time_entry"),
    _named("project", "expense", "spent on", "project", "key", "expense"),
    *(
        Link(type, "billing_event", "rated as", "e.entry", "CAST(e.id AS text)",
             f"billing_event e WHERE e.source_kind = '{kind}'", f"e.entry = ANY({_TEXTS})", f"e.id = ANY({_UUIDS})")
        for type, kind in (("time_entry", "time"), ("expense", "expense"))
    ),
    *(
        Link(type, "billing_event", "charged beside its price as", "e.item", "CAST(e.id AS text)",
             "billing_event e WHERE e.kind IN ('overage', 'write_up')", f"e.item = ANY({_TEXTS})", f"e.id = ANY({_UUIDS})")
        for type in ("time_entry", "expense")
    ),
    _charged("milestone", "e.source_kind = 'milestone' AND e.item = f.milestone"),
    _charged("delivery", "e.source_kind = 'units' AND e.item = f.key"),
    _charged("usage_reading", "e.source_kind = 'usage' AND f.day BETWEEN e.period_start AND e.period_end"),
    _named("project", "subcontract", "bought for", "project", "key", "subcontract"),
    _costed("time_entry", "labor"),
    _costed("subcontract", "subcontract"),
    _costed("expense", "expense"),
    _costed("expense", "pass_through"),
    Link("payroll", "cost_entry", "costed as", "r.key", "CAST(c.id AS text)",
         "payroll r JOIN cost_entry c ON c.worker = r.worker AND (c.kind = 'payroll'"
         " AND c.source = concat_ws(':', r.worker, c.legal_entity, r.period) OR c.kind = 'variance'"
         f" AND starts_with(c.source, concat_ws(':', r.worker, r.period, ''))) WHERE r.{_CURRENT}",
         f"r.key = ANY({_TEXTS})", f"c.id = ANY({_UUIDS})"),
    Link("cost_entry", "transfer_entry", "charged as", "CAST(c.id AS text)", "CAST(t.id AS text)",
         "cost_entry c JOIN transfer_entry t ON t.kind = c.kind AND t.source = c.source WHERE true",
         f"c.id = ANY({_UUIDS})", f"t.id = ANY({_UUIDS})"),
    *(
        Link(type, "journal", "booked in", "CAST(c.id AS text)", "CAST(c.journal AS text)", f"{type} c WHERE true",
             f"c.id = ANY({_UUIDS})", f"c.journal = ANY({_UUIDS})")
        for type in ("cost_entry", "transfer_entry")
    ),
    Link("contract", "billing_event", "priced under", "e.contract", "CAST(e.id AS text)", "billing_event e WHERE true",
         f"e.contract = ANY({_TEXTS})", f"e.id = ANY({_UUIDS})"),
    Link("billing_event", "billing_event", "reversed by", "CAST(e.reverses AS text)", "CAST(e.id AS text)",
         "billing_event e WHERE e.reverses IS NOT NULL", f"e.reverses = ANY({_UUIDS})", f"e.id = ANY({_UUIDS})"),
    Link("billing_event", "invoice_line", "billed on", "CAST(l.event AS text)", _LINE, "invoice_line_event l WHERE true",
         f"l.event = ANY({_UUIDS})", _LINES),
    Link("invoice_line", "invoice", "line of", _LINE, "CAST(l.invoice AS text)", "invoice_line l WHERE true",
         _LINES, f"l.invoice = ANY({_UUIDS})"),
    Link("invoice", "invoice", "credited by", "CAST(i.credits AS text)", _INVOICE,
         "invoice i WHERE i.credits IS NOT NULL", f"i.credits = ANY({_UUIDS})", _OF_INVOICE),
    Link("invoice", "approval", "decided in", _INVOICE, "CAST(p.id AS text)",
         "invoice i JOIN approval p ON p.type = i.kind AND p.key = 'D-' || i.draft_number WHERE true",
         _OF_INVOICE, f"p.id = ANY({_UUIDS})"),
    Link("invoice", "event", "announced as", _INVOICE, "CAST(v.id AS text)",
         "invoice i JOIN event v ON v.subject IN ('D-' || i.draft_number, i.number)"
         " AND v.type LIKE ANY (ARRAY['tieout.invoice.%', 'tieout.credit_note.%']) WHERE true",
         _OF_INVOICE, f"v.id = ANY({_UUIDS})"),
    Link("invoice", "intent", "sent as", _INVOICE, "CAST(n.id AS text)",
         "invoice i JOIN intent n ON n.type = i.kind AND n.key = i.number WHERE true",
         _OF_INVOICE, f"n.id = ANY({_UUIDS})"),
    *(_effects(type) for type in ("customer", "opportunity", "contract", "project")),
    Link("intent", "target_record", "made", "CAST(n.id AS text)", "n.connection || '|' || n.target_id",
         "intent n WHERE n.target_id IS NOT NULL", f"n.id = ANY({_UUIDS})",
         f"n.connection || '|' || n.target_id = ANY({_TEXTS})"),
    Link("invoice", "erp_document", "posted as", _INVOICE, "d.key",
         f"invoice i JOIN erp_document d ON d.external_key = i.external_key AND d.{_CURRENT} WHERE true",
         _OF_INVOICE, f"d.key = ANY({_TEXTS})"),
    Link("erp_document", "payment", "paid by", "a.erp_document", "a.payment",
         f"payment_application a JOIN payment p ON p.key = a.payment AND p.version = a.payment_version"
         f" AND p.{_CURRENT} WHERE true",
         f"a.erp_document = ANY({_TEXTS})", f"a.payment = ANY({_TEXTS})"),
)  # fmt: skip

ORIGINS: tuple[Link, ...] = (
    Link("rate", "billing_event", "priced by", "CAST(r.id AS text)", "CAST(e.id AS text)",
         "billing_event e JOIN rate r ON r.card = e.card AND CAST(r.effective_from AS text) = e.trail->'rate'->>'from'"
         f" AND CAST(r.effective_to AS text) IS NOT DISTINCT FROM (e.trail->'rate'->>'to') AND r.price = e.price"
         f" AND r.recorded_at <= e.recorded_at AND (r.superseded_at IS NULL OR r.superseded_at > e.recorded_at)"
         f" AND {_RATE_FITS} WHERE true",
         "r.id = ANY(CAST(:ids AS bigint[]))", f"e.id = ANY({_UUIDS})"),
    *(
        Link("source_document", type, "stated by", "CAST(x AS text)", "c.key",
             f"{type} c CROSS JOIN LATERAL jsonb_path_query(c.provenance, '$.*.inbox[*]') AS x WHERE c.{_CURRENT}",
             "false", f"c.key = ANY({_TEXTS})")
        for type in CANONICAL
    ),
)  # fmt: skip
"""Edges that are only followed backwards: why an amount is what it is, and who stated a fact."""

_NUMBER = "coalesce(i.number, 'D-' || i.draft_number)"
_FACTS = {
    "source_document": "SELECT CAST(id AS text) AS ident, source_id AS key, connection AS system, recorded_at AS at,"
    " CAST(NULL AS numeric) AS amount, CAST(NULL AS text) AS currency, CAST(NULL AS text) AS entity"
    " FROM inbox WHERE id = ANY(CAST(:ids AS bigint[]))",
    "rate": "SELECT CAST(id AS text), card, 'tieout', recorded_at, price, currency, CAST(NULL AS text)"
    " FROM rate WHERE id = ANY(CAST(:ids AS bigint[]))",
    "billing_event": "SELECT CAST(id AS text), entry, 'tieout', recorded_at, amount, currency, legal_entity"
    f" FROM billing_event WHERE id = ANY({_UUIDS})",
    "cost_entry": "SELECT CAST(id AS text), source, 'tieout', recorded_at, amount, currency, legal_entity"
    f" FROM cost_entry WHERE id = ANY({_UUIDS})",
    "transfer_entry": "SELECT CAST(id AS text), source, 'tieout', recorded_at, amount, currency, supplier"
    f" FROM transfer_entry WHERE id = ANY({_UUIDS})",
    "journal": "SELECT CAST(id AS text), cause_type || ':' || cause, 'tieout', recorded_at, CAST(NULL AS numeric),"
    f" CAST(NULL AS text), legal_entity FROM journal WHERE id = ANY({_UUIDS})",
    "invoice_line": f"SELECT {_LINE}, {_NUMBER} || '/' || l.line, 'tieout', i.recorded_at, l.net_amount, i.currency,"
    f" i.legal_entity FROM invoice_line l JOIN invoice i ON i.id = l.invoice WHERE {_LINES}",
    "invoice": f"SELECT {_INVOICE}, {_NUMBER}, 'tieout', coalesce(i.released_at, i.recorded_at), i.gross_amount,"
    f" i.currency, i.legal_entity FROM invoice i WHERE {_OF_INVOICE}",
    "approval": "SELECT CAST(id AS text), key, 'tieout', recorded_at, CAST(NULL AS numeric), CAST(NULL AS text),"
    f" CAST(NULL AS text) FROM approval WHERE id = ANY({_UUIDS})",
    "event": "SELECT CAST(id AS text), type, 'tieout', time, CAST(NULL AS numeric), CAST(NULL AS text), legal_entity"
    f" FROM event WHERE id = ANY({_UUIDS})",
    "intent": "SELECT CAST(id AS text), external_key, connection, recorded_at, CAST(context->>'amount' AS numeric),"
    f" context->>'currency', context->>'legal_entity' FROM intent WHERE id = ANY({_UUIDS})",
    "target_record": "SELECT DISTINCT ON (1) connection || '|' || target_id, target_id, connection, done_at,"
    " CAST(NULL AS numeric), CAST(NULL AS text), context->>'legal_entity' FROM intent"
    f" WHERE target_id = ANY(SELECT substr(x, strpos(x, '|') + 1) FROM unnest({_TEXTS}) AS x)"
    f" AND connection || '|' || target_id = ANY({_TEXTS})",
}
_AMOUNTS = {
    "opportunity": ("amount", "currency"), "contract": ("cap_amount", "currency"),
    "erp_document": ("total", "currency"), "payment": ("amount", "currency"), "subcontract": ("amount", "currency"),
    "payroll": ("amount", "currency"), "expense": ("amount", "currency"),
}  # fmt: skip


def edges(
    conn: Connection, link: Link, ids: Collection[str], *, forward: bool, limit: int
) -> list[tuple[str, str]]:
    """(source id, target id) of the edges at these ids: forward from sources, else back from targets."""
    condition = link.by_source if forward else link.by_target
    query = f"SELECT DISTINCT {link.a} AS a, {link.b} AS b FROM {link.rows} AND {condition} ORDER BY 1, 2 LIMIT :limit"
    return [(row.a, row.b) for row in conn.execute(text(query), {"ids": sorted(ids), "limit": limit})]


def facts(conn: Connection, type: str, ids: Collection[str]) -> list[dict[str, Any]]:
    """{ident, key, system, at, amount, currency, entity} of records of one type."""
    query = _FACTS.get(type)
    if query is None:
        amount, currency = _AMOUNTS.get(type, ("CAST(NULL AS numeric)", "CAST(NULL AS text)"))
        system = "(SELECT x.value->>'system' FROM jsonb_each(provenance) AS x ORDER BY x.key LIMIT 1)"
        query = (
            f"SELECT key, key, coalesce({system}, 'tieout'), recorded_at, {amount}, {currency}, legal_entity"
            f" FROM {type} WHERE {_CURRENT} AND key = ANY({_TEXTS})"
        )
    names = ("ident", "key", "system", "at", "amount", "currency", "entity")
    return [dict(zip(names, row, strict=True)) for row in conn.execute(text(query), {"ids": sorted(ids)})]


def named(conn: Connection, key: str) -> list[tuple[str, str]]:
    """(type, ident) of what a person may mean by a key: an invoice, a line of it, a canonical record, a journal."""
    number, slash, line = key.rpartition("/")
    found = []
    if slash and line.isdecimal() and len(line) < 10:
        found += [("invoice_line", f"{ident}/{int(line)}") for ident in _invoices(conn, number)]
    found += [("invoice", ident) for ident in _invoices(conn, key)]
    for type in CANONICAL:
        query = text(f"SELECT key FROM {type} WHERE {_CURRENT} AND key = :key")
        found += [(type, row.key) for row in conn.execute(query, {"key": key})]
    journals = text("SELECT CAST(id AS text) AS id FROM journal WHERE (cause_type, cause) = (:type, :cause)")
    cause_type, _, cause = key.partition(":")
    return found + [
        ("journal", row.id) for row in conn.execute(journals, {"type": cause_type, "cause": cause})
    ]


def _invoices(conn: Connection, ref: str) -> list[str]:
    query = text(
        "SELECT CAST(id AS text) AS id FROM invoice WHERE number = :ref OR 'D-' || draft_number = :ref"
    )
    return [row.id for row in conn.execute(query, {"ref": ref})]
