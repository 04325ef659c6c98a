"""Reading documents: lists page by page, one document whole, and the sheet of hours behind it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import policies, retention
from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.billing import e_invoices
from tieout.hub.billing.documents import find, may_read, reference_of, stored_digest
from tieout.hub.exceptions import Page
from tieout.hub.refusals import Invalid
from tieout.store import canonical, settlement
from tieout.store import exceptions as exception_store
from tieout.store import invoices as store

_FILTERS = {"state", "stale", "contract", "customer", "kind", "search", "legal_entity", "run", "preparer"}
_SHOWN = 500
_FIELDS = (
    "kind", "number", "state", "contract", "customer", "currency", "through", "purchase_order", "terms_days",
    "issue_date", "due_date", "net_amount", "tax_amount", "gross_amount", "purpose", "retained_amount", "preparer", "approver", "approved_at",
    "released_at", "posted_at", "stale_reason", "void_reason", "credit_kind", "reason", "rebill", "version", "run",
    "recorded_at",
)  # fmt: skip
_PAYMENT = ("payment", "version", "paid_on", "amount")


def listed(
    conn: Connection,
    filters: Mapping[str, Any] | None = None,
    cursor: str | None = None,
    *,
    limit: int = 100,
    actor: Actor = SYSTEM,
) -> Page:
    """Drafts, invoices and credit notes, newest first.

    Filters: state (one or several), stale, contract, customer, kind, entity, run, preparer, search (number, reference,
    contract, customer, purchase order).
    """
    chosen = {name: value for name, value in (filters or {}).items() if value not in (None, "", [])}
    if "entity" in chosen:
        chosen["legal_entity"] = chosen.pop("entity")
    may_read(actor, "credit_note" if chosen.get("kind") == "credit_note" else "invoice")
    if unknown := sorted(set(chosen) - _FILTERS):
        raise Invalid(f"Invoices cannot be filtered by {', '.join(unknown)}.",
                      fields=dict.fromkeys(unknown, "unknown filter"))  # fmt: skip
    size = max(1, min(limit, _SHOWN))
    after = _decode(cursor) if cursor else None
    rows = store.listed(conn, filters=chosen, entities=actor.entities, after=after, limit=size + 1)
    following = _encode(rows[size - 1]["draft_number"]) if len(rows) > size else None
    return Page([_view(row) for row in rows[:size]], following)


def _view(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "reference": reference_of(row), **{name: row[name] for name in _FIELDS}, "entity": row["legal_entity"],
        "stale": row["stale_reason"] is not None and row["state"] in ("draft", "approved"),
        "credits": row.get("credits_number"),
    }  # fmt: skip


def show(conn: Connection, ref: str, actor: Actor = SYSTEM) -> dict[str, Any]:
    """One document: lines with the events behind each, checks, approvals, what was sent, payments, credit notes."""
    row = find(conn, ref, actor)
    may_read(actor, row["kind"])
    original = store.read(conn, store.by_id(row["credits"])) if row["credits"] else None
    credits = store.credits_of(conn, row["id"], released=False) if row["kind"] == "invoice" else []
    released = [note for note in credits if note["number"]]
    credited = sum((note["gross_amount"] for note in released), Decimal(0))
    paid = settlement.paid(conn, row["external_key"]) if row["external_key"] else Decimal(0)
    return {
        **_view({**row, "credits_number": original["number"] if original else None}),
        "content_hash": row["content_hash"],
        "lines": _lines(conn, row),
        "checks": checks(conn, row),
        "approvals": store.approvals(conn, row["kind"], reference_of(row)),
        "intents": store.intents_of(conn, [row["number"]]) if row["number"] else [],
        "payments": _payments(conn, row),
        "credit_notes": [_brief(note) for note in credits],
        "credited_amount": credited,
        "paid_amount": paid,
        "open_amount": row["gross_amount"] - credited - paid - retention.kept_of(conn, row),
    }


def _lines(conn: Connection, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    behind: dict[int, list[dict[str, Any]]] = {}
    for event in store.events_behind(conn, row["id"]):
        behind.setdefault(event.pop("line"), []).append(event)
    return [
        {name: value for name, value in line.items() if name != "invoice"}
        | {"events": behind.get(line["line"], [])}
        for line in store.lines(conn, row["id"])
    ]


def _brief(note: Mapping[str, Any]) -> dict[str, Any]:
    names = ("number", "state", "credit_kind", "reason", "rebill", "net_amount", "gross_amount")
    return {"reference": reference_of(note), **{name: note[name] for name in names}}


def _payments(conn: Connection, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not row["external_key"]:
        return []
    documents = settlement.documents_under(conn, row["external_key"])
    return [
        {"document": one, **{name: payment[name] for name in _PAYMENT}}
        for one in documents
        for payment in settlement.applications(conn, one)
    ]


def checks(conn: Connection, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a reviewer looks at first: {check, ok, detail}; a check that is not ok is not always a refusal."""
    found = [_stale(row), _content(conn, row)]
    if row["kind"] == "invoice":
        found += [_order(conn, row), _cap(conn, row)]
    electronic = e_invoices.check(conn, row)
    return [*found, _tax(conn, row), *([electronic] if electronic else [])]


def _check(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "detail": detail}


def _stale(row: Mapping[str, Any]) -> dict[str, Any]:
    return _check("stale", row["stale_reason"] is None, row["stale_reason"] or "its sources are unchanged")


def _content(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    same = stored_digest(conn, row) == row["content_hash"]
    return _check("content", same, "the digest fits" if same else "it is not what was drafted")


def _order(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    customer = canonical.current(conn, "customer", [row["customer"]]).get(row["customer"], {})
    wanted = bool(customer.get("purchase_order_required"))
    detail = row["purchase_order"] or ("required and missing" if wanted else "none required")
    return _check("purchase_order", bool(row["purchase_order"]) or not wanted, detail)


def _cap(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    over = [
        one
        for contract in store.contracts_of(conn, row["id"])
        for one in exception_store.open_about(conn, "cap-exceeded", contract)
    ]
    amount = sum((one["amount"] or Decimal(0) for one in over), Decimal(0))
    detail = f"{amount} of the contract is over the cap and not on this draft" if over else "within the cap"
    return _check("cap", not over, detail)


def _tax(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    shown = sorted(
        {
            f"{line['tax_category']} {(line['tax_rate'] * 100).normalize():f} %"
            for line in store.lines(conn, row["id"])
        }
    )
    known = not policies.load(conn).tax.is_empty() or row["number"] is not None
    return _check("tax", known, ", ".join(shown))


def backup_sheet(conn: Connection, ref: str, actor: Actor = SYSTEM) -> list[dict[str, Any]]:
    """Every hour behind a document, line by line; the rows of each line sum to it."""
    row = find(conn, ref, actor)
    may_read(actor, row["kind"])
    rows = store.events_behind(conn, row["id"])
    sums: dict[int, tuple[Decimal, Decimal]] = {}
    for one in rows:
        quantity, amount = sums.get(one["line"], (Decimal(0), Decimal(0)))
        sums[one["line"]] = (quantity + one["quantity"], amount + one["amount"])
    for line in store.lines(conn, row["id"]):
        if line["settles"] is None and sums.get(line["line"]) != (line["quantity"], line["net_amount"]):
            raise AssertionError(f"the hours behind line {line['line']} of {ref} do not sum to it")
    names = ("line", "work_date", "worker", "role", "project", "task", "entry", "notes", "quantity", "price",
             "multiplier", "discount", "amount", "currency")  # fmt: skip
    return [{name: one[name] for name in names} for one in rows]


def _encode(number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([number]).encode()).decode()


def _decode(cursor: str) -> int:
    try:
        [number] = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return int(number)
    except (ValueError, TypeError) as error:
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "unreadable"}) from error
