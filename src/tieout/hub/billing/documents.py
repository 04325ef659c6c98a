"""One invoice or credit note: found by its reference or number, its permissions, digest and state."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import content_hash
from tieout.domain.frames import DRAFT_EVENTS, DRAFT_LINES, DRAFTS, frame
from tieout.domain.subledger import Books
from tieout.hub import audit, books, events
from tieout.hub.actors import SYSTEM, Actor, require
from tieout.hub.refusals import NotFound, Stale
from tieout.model.money import allocate, apportion
from tieout.store import invoices as store
from tieout.store import settlement

NAMES = {"invoice": "invoices", "credit_note": "credit-notes"}
"""Kind of document -> the resource in its permissions."""

SIGNS = {"invoice": 1, "credit_note": -1}
"""Kind of document that a run drafts -> how its amounts are held on the events behind it."""

E_INVOICE = "e_invoice"
"""The work that checks a draft as an e-invoice; its key is the reference."""

SERVICE_ITEM = "time"
"""The kind of line that billed hours make; the workspace names the ERP's item for it."""

_K = TypeVar("_K")
Place = tuple[str, str]
"""A contract and a line of it."""

_REFERENCE = re.compile(r"D-(\d{1,18})")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")


def reference_of(row: Mapping[str, Any]) -> str:
    """The draft reference of a document."""
    return f"D-{row['draft_number']}"


def name_of(row: Mapping[str, Any]) -> str:
    """What a person calls it: its number, before release its reference."""
    return row["number"] or reference_of(row)


def external_key_of(number: str) -> str:
    """The key under which the ERP stores the document: the number where its letters allow it."""
    if _KEY.fullmatch(number):
        return number
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", number)[:150]
    return f"{safe}-{hashlib.sha256(number.encode()).hexdigest()[:12]}"


def find(conn: Connection, ref: str, actor: Actor, *, lock: bool = False) -> dict[str, Any]:
    """The document of a reference (`D-1042`) or number that the actor may see."""
    match = _REFERENCE.fullmatch(ref)
    row = store.read(conn, store.by_number(ref), lock)
    if row is None and match:
        row = store.read(conn, store.by_draft_number(int(match[1])), lock)
    if row is None or not actor.sees(row["legal_entity"]):
        raise NotFound(f"There is no invoice or credit note {ref}.", remedy="List them: the page Billing.")
    return row


def may_read(actor: Actor, kind: str = "invoice") -> None:
    """Refuse who may not read documents; the hub itself may."""
    if actor is not SYSTEM:
        require(actor, f"{NAMES[kind]}:read")


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person: addresses are compared without case and spaces around them."""
    return one.strip().casefold() == other.strip().casefold()


def check_version(row: Mapping[str, Any], version: int | None) -> None:
    """Refuse a decision about another version than the one that was looked at."""
    if version is not None and version != row["version"]:
        raise Stale(
            f"{name_of(row)} changed after you opened it: it is at version {row['version']}, you saw {version}. "
            "Nothing was written.",
            remedy="Open it again and decide on what it says now.",
        )


def stored_digest(conn: Connection, row: Mapping[str, Any]) -> str:
    """The digest of what is stored now; it must be the one that was approved."""
    lines = store.lines(conn, row["id"])
    return digest_of(row, lines, store.line_events(conn, row["id"]))


def digest_of(
    row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> str:
    """The digest of a document: header, totals, lines, events; of an invoice what the customer keeps, of a credit note
    what it credits, how and why."""
    base = str(content_hash(*content(row, lines, events))["content_hash"][0])
    if row["kind"] == "invoice" and row.get("retention_share") is None:
        return base
    if row["kind"] == "invoice":
        said = f"{base}|{row['retention_share'].normalize():f}|{row['retained_amount'].normalize():f}"
        return hashlib.sha256(said.encode()).hexdigest()
    said = f"{base}|{row['credits']}|{row['credit_kind']}|{bool(row['rebill'])}|{row['reason']}"
    return hashlib.sha256(said.encode()).hexdigest()


def content(
    row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Header, lines and events of one document as DRAFTS (with its tax category), DRAFT_LINES, DRAFT_EVENTS."""
    header = {
        "draft": "this", "contract": row["contract"], "customer": row["customer"], "entity": row["legal_entity"],
        "currency": row["currency"], "purchase_order": row["purchase_order"], "terms_days": row["terms_days"],
        "net_amount": row["net_amount"], "tax_amount": row["tax_amount"], "gross_amount": row["gross_amount"],
    }  # fmt: skip
    head = frame([header], DRAFTS).with_columns(pl.lit(lines[0]["tax_category"]).alias("tax_category"))
    numbered = [{**line, "draft": "this", "number": line["line"]} for line in lines]
    linked = [{**e, "draft": "this", "number": e["line"], "event": str(e["event"])} for e in events]
    return head, frame(numbered, DRAFT_LINES), frame(linked, DRAFT_EVENTS)


def state_after(
    row: Mapping[str, Any], paid: Decimal, credited: Decimal, retained: Decimal = Decimal(0)
) -> str:
    """The state of a released document from what was credited and paid of it; what is `retained` is asked for apart."""
    gross = row["gross_amount"] - retained
    if credited and credited >= gross:
        return "credited"
    if paid and paid + credited >= gross:
        return "paid"
    if paid > 0:
        return "part_paid"
    return "posted" if row["posted_at"] else "released"


def told_by_contract(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lines as the customer reads them: of a document of several contracts each names its own."""
    if len({line["contract"] for line in lines}) == 1:
        return [dict(line) for line in lines]
    return [{**line, "description": f"{line['contract']}: {line['description']}"} for line in lines]


def nets_of(lines: Iterable[Mapping[str, Any]]) -> dict[Place, Decimal]:
    """The net of each contract line on a document."""
    nets: dict[Place, Decimal] = {}
    for line in lines:
        place = line["contract"], line["contract_line"]
        nets[place] = nets.get(place, Decimal(0)) + line["net_amount"]
    return dict(sorted(nets.items()))


def taxes_of(row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[Place, Decimal]:
    """The tax of a document over its contract lines: net x rate of each, what rounding left by largest remainder."""
    exact = nets_of([{**line, "net_amount": line["net_amount"] * line["tax_rate"]} for line in lines])
    shares = apportion(row["tax_amount"], list(exact.values()), row["currency"])
    return dict(zip(exact, shares, strict=True))


def share_over(total: Decimal, weights: Mapping[_K, Decimal], currency: str) -> dict[_K, Decimal]:
    """An amount shared in proportion to weights; who is below zero takes no share, and all alike where nobody is above."""
    sizes = [max(weight, Decimal(0)) for weight in weights.values()]
    shares = allocate(total, sizes if any(sizes) else [Decimal(1)] * len(sizes), currency)
    return dict(zip(weights, shares, strict=True))


def over_lines(
    amounts: Mapping[str, Decimal], nets: Mapping[Place, Decimal], currency: str
) -> dict[Place, Decimal]:
    """Amounts of contracts over the lines of each by their nets."""
    shares: dict[Place, Decimal] = {}
    for contract, amount in amounts.items():
        own = {place: net for place, net in nets.items() if place[0] == contract}
        shares |= share_over(amount, own, currency)
    return shares


def open_of(conn: Connection, row: Mapping[str, Any], nets: Mapping[Place, Decimal]) -> dict[str, Decimal]:
    """How much is open of a released invoice by contract, as weights: where nothing is, the nets."""
    contracts = sorted({contract for contract, _ in nets})
    if len(contracts) == 1:
        return dict.fromkeys(contracts, Decimal(1))
    found = settlement.open_by_contract(conn, row)
    left = {contract: max(found.get(contract, Decimal(0)), Decimal(0)) for contract in contracts}
    if any(left.values()):
        return left
    return {
        contract: sum((net for place, net in nets.items() if place[0] == contract), Decimal(0))
        for contract in contracts
    }


def books_for(conn: Connection, row: Mapping[str, Any]) -> Books:
    """The books as they are now; an entity we know no currency of keeps them in that of its documents."""
    place = row["legal_entity"], row["currency"]
    contracts = store.contracts_of(conn, row["id"])
    return books.open_books(conn, dict.fromkeys(contracts, place)).assuming(dict([place]))


def announce_drafts(
    conn: Connection, drafted: Sequence[tuple[Mapping[str, Any], int]], preparer: str
) -> list[str]:
    """Event and audit row of each new draft and the number of its parts; their references."""
    names = ("kind", "contract", "gross_amount", "currency")
    new = [
        events.NewEvent(events.INVOICE_DRAFTED, reference_of(row), row["legal_entity"], {name: row[name] for name in names})
        for row, _ in drafted
    ]  # fmt: skip
    events.emit(conn, new)
    for (row, parts), told in zip(drafted, new, strict=True):
        audit.record(conn, preparer, "draft", row["kind"], told.subject, rows=parts, entity=told.legal_entity,
                     digest=bytes.fromhex(row["content_hash"]), detail=told.data)  # fmt: skip
    return [told.subject for told in new]
