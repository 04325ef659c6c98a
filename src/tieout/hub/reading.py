"""What the doors may read, by the names of the API: permission, source table, filters; masked and scoped in one place."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tieout.hub import canonical
from tieout.hub.actors import Actor, require
from tieout.hub.events import cloud_event
from tieout.hub.exceptions import Page
from tieout.hub.refusals import Invalid, NotFound
from tieout.store import reading as store

MOST = 500


@dataclass(frozen=True)
class Resource:
    """One kind of record. `key` is the field that a person types; `table` is where it is kept."""

    name: str
    permission: str
    table: str
    filters: tuple[str, ...]
    about: str


RESOURCES: dict[str, Resource] = {
    r.name: r
    for r in (
        Resource("customers", "customers:read", "customer", ("country", "currency"), "Customers by number."),
        Resource("projects", "projects:read", "project", ("contract", "state"), "Delivery projects by number."),
        Resource("resources", "resources:read", "worker", ("role",), "Workers; names need the scope pii:read."),
        Resource("contracts", "contracts:read", "contract", ("customer", "state", "legal_entity"), "Signed terms."),
        Resource("rate-cards", "rate-cards:read", "rate", ("card", "role", "person"), "Prices by card."),
        Resource("time-entries", "time-entries:read", "time_entry", ("project", "worker", "state", "work_date"),
                 "Hours as the source states them."),
        Resource("expenses", "expenses:read", "expense", ("project", "worker", "state", "category", "expense_date"),
                 "Costs on projects as the source states them, with their category and tax."),
        Resource("billing-events", "billing-events:read", "billing_event", ("contract", "entry", "kind"),
                 "Priced hours, expenses and charges with why this price and what became of them."),
        Resource("payments", "payments:read", "payment", ("customer",), "Cash as the ERP applied it."),
        Resource("periods", "periods:read", "period", ("legal_entity", "state"), "Fiscal periods."),
        Resource("journals", "journals:read", "journal", ("contract", "period", "cause_type", "cause"),
                 "The subledger's journals with their lines."),
        Resource("approvals", "approvals:read", "approval", ("type", "key", "approver"), "Who approved what, as what."),
        Resource("events", "events:read", "event", ("type", "subject"), "What became true, in order."),
        Resource("audit", "audit:read", "audit", ("type", "key", "actor", "action"), "Who did what."),
    )
}  # fmt: skip


def listed(
    conn: Connection,
    name: str,
    actor: Actor,
    *,
    filters: Mapping[str, str] | None = None,
    cursor: str | None = None,
    limit: int = 100,
    known_at: datetime | None = None,
) -> Page:
    """One page of a resource, in the order of its key."""
    resource = _allowed(name, actor)
    chosen = _filters(resource, filters or {})
    size = max(1, min(limit, MOST))
    column = store.KEY_OF.get(resource.table, "key")
    after = None if cursor is None else _typed(resource, column, str(decode(cursor)))
    rows = store.page(conn, resource.table, store.Wanted(chosen, after, size + 1, actor.entities, known_at))
    following = encode(rows[size - 1][column]) if len(rows) > size else None
    return Page(_views(conn, resource, rows[:size], actor), following)


def show(
    conn: Connection,
    name: str,
    key: str,
    actor: Actor,
    *,
    as_of: date | None = None,
    known_at: datetime | None = None,
) -> dict[str, Any]:
    """One record: now, as known at a moment, or (a contract) with the terms of a date."""
    resource = _allowed(name, actor)
    typed = _typed(resource, store.KEY_OF.get(resource.table, "key"), key, missing=True)
    row = store.one(conn, resource.table, typed, actor.entities, known_at)
    if row is not None and as_of is not None and resource.table == "contract":
        row = canonical.as_of(conn, "contract", key, as_of)
    if row is None:
        raise NotFound(f"There is no {name} {key}.", remedy=f"List them: GET /v1/{name}")
    return _views(conn, resource, [row], actor)[0]


def _allowed(name: str, actor: Actor) -> Resource:
    if name not in RESOURCES:
        raise NotFound(f"There is no resource {name}.")
    require(actor, RESOURCES[name].permission)
    return RESOURCES[name]


def _views(
    conn: Connection, resource: Resource, rows: list[dict[str, Any]], actor: Actor
) -> list[dict[str, Any]]:
    if resource.table == "billing_event":
        held = store.balances(conn, [row["id"] for row in rows])
        rows = [{**row, **_balance(held.get(str(row["id"]), {}))} for row in rows]
    elif resource.table == "journal":
        lines = store.journal_lines(conn, [row["id"] for row in rows])
        rows = [{**row, "lines": lines.get(str(row["id"]), [])} for row in rows]
    elif resource.table == "event":
        rows = [cloud_event(row) for row in rows]
    return [canonical.mask(resource.table, row, actor) for row in rows]


def _balance(held: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a billing event, read from its balance (domain rules §3: never stored)."""
    if not held:
        return {"state": "unbilled", "balance": {}}
    names = ("over_cap", "held", "written_off", "reversed", "drafted", "billed", "credited", "recognised")
    parts = {f"{name}_amount": held[f"{name}_amount"] for name in names}
    net = held["billed_amount"] - held["credited_amount"]
    rest = (
        held["amount"] - net - held["over_cap_amount"] - held["written_off_amount"] - held["reversed_amount"]
    )
    state = (
        "reversed" if held["amount"] and held["reversed_amount"] == held["amount"]
        else "billed" if net and not rest
        else "part_billed" if net
        else "over_cap" if held["over_cap_amount"] and not rest
        else "written_off" if held["written_off_amount"] and not rest
        else "on_hold" if held["held_amount"]
        else "unbilled"
    )  # fmt: skip
    return {"state": state, "balance": parts}


def _filters(resource: Resource, told: Mapping[str, str]) -> dict[str, Any]:
    unknown = set(told) - set(resource.filters)
    if unknown:
        raise Invalid(
            f"{resource.name} cannot be filtered by {', '.join(sorted(unknown))}.",
            fields={f"filter[{one}]": "unknown filter" for one in sorted(unknown)},
            remedy=f"Filter by {', '.join(resource.filters)}.",
        )
    return {name: _typed(resource, name, value) for name, value in told.items()}


def _typed(resource: Resource, column: str, value: str, missing: bool = False) -> Any:
    """A filter's text as the column's type; what cannot be one is refused, or for a key simply not there."""
    wanted = UUID if missing and resource.table in ("billing_event", "journal", "approval") else None
    kind = wanted or store.columns_of(resource.table)[column]
    try:
        if kind is UUID:
            return str(UUID(value))
        if kind in (date, datetime):
            return kind.fromisoformat(value)
        if kind in (int, Decimal):
            number: Any = kind(value)
            if abs(number) > 2**62:
                raise ValueError
            return number
        if "\x00" in value:
            raise ValueError
        return value
    except (ValueError, ArithmeticError):
        if missing:
            raise NotFound(f"There is no {resource.name} {ascii(value)[:80]}.") from None
        raise Invalid(
            f"{column} is no {kind.__name__}: {ascii(value)[:80]}", fields={column: "wrong type"}
        ) from None


def encode(key: Any) -> str:
    """An opaque cursor after this key."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode()


def decode(cursor: str | None) -> Any:
    """The key of a cursor; refused when it is none of ours."""
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except ValueError:
        key = None
    if not isinstance(key, str | int) or isinstance(key, bool) or "\x00" in str(key):
        raise Invalid("The cursor is none that a list gave.", fields={"cursor": "unreadable"})
    return key
