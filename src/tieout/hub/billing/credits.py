"""Credit notes: what is left of one invoice, in part or whole, as a draft that another person approves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.domain.billing import (
    Credit,
    CreditItem,
    CreditRefused,
    CreditRequest,
    credit_lines,
)
from tieout.domain.frames import INVOICED, frame
from tieout.hub.actors import Actor, require
from tieout.hub.billing import e_invoices
from tieout.hub.billing.decisions import locked
from tieout.hub.billing.documents import announce_drafts, name_of
from tieout.hub.billing.notes import left_of, lines_under, note_of
from tieout.hub.refusals import Conflict, Invalid
from tieout.store import clock
from tieout.store import invoices as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

BEYOND = "TIE-208"


def request_credit(
    conn: Connection,
    actor: Actor,
    invoice: str,
    *,
    items: Sequence[Mapping[str, Any]] | None = None,
    amount: Decimal | None = None,
    whole: bool = False,
    kind: str = "correction",
    reason: str,
    rebill: bool = False,
) -> str:
    """Draft a credit note for items ({id: entry, LINE, CONTRACT/LINE or contract, hours | quantity | amount}), a net amount, or all that is left.

    The reference of the draft. What other credit notes took or ask for is not left.
    """
    require(actor, "credit-notes:request")
    request = _request(items, amount, whole, kind, reason, rebill)
    row = locked(conn, invoice, actor)
    if row["kind"] != "invoice" or not row["number"]:
        raise Conflict(f"{name_of(row)} is no released invoice: only that is credited. Nothing was written.")
    invoiced = frame(store.credited_parts(conn, row["id"]), INVOICED)
    try:
        credit = credit_lines(invoiced, request, left=left_of(conn, row), currency=row["currency"])
    except CreditRefused as error:
        raise Invalid(
            f"{row['number']} was not credited: {error}. Nothing was written.",
            code=BEYOND,
            fields={error.key: f"left {error.left}"},
            remedy="Ask for no more than what is left of it.",
        ) from error
    return _write(conn, row, credit, request, actor)


def _request(
    items: Sequence[Mapping[str, Any]] | None,
    amount: Decimal | None,
    whole: bool,
    kind: str,
    reason: str,
    rebill: bool,
) -> CreditRequest:
    if (bool(items) + (amount is not None) + whole) != 1:
        raise Invalid(
            "Say what is credited: items, or an amount, or all of it.", fields={"items": "one of three"}
        )
    if not reason.strip():
        raise Invalid("A credit note needs a reason.", fields={"reason": "empty"})
    if rebill and kind != "correction":
        raise Invalid(
            f"A {kind} gives the money up: only a correction is billed again.", fields={"rebill": kind}
        )
    return CreditRequest(kind, reason, rebill, tuple(_item(item) for item in items or ()), amount)


def _item(item: Mapping[str, Any]) -> CreditItem:
    hours = item.get("hours") if item.get("hours") is not None else item.get("quantity")
    if hours is not None and item.get("amount") is not None:
        raise Invalid(
            f"{item['id']}: hours or an amount, not both.", fields={str(item["id"]): "hours and amount"}
        )
    return CreditItem(str(item["id"]), _decimal(hours), _decimal(item.get("amount")))


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _write(
    conn: Connection, original: Mapping[str, Any], credit: Credit, request: CreditRequest, actor: Actor
) -> str:
    moment = clock.now(conn)
    lines = _lines(conn, original["id"], credit)
    texts = store.texts_under(conn, original["id"])
    links = [
        {"line": e["number"], "event": e["event"], "quantity": e["quantity"], "amount": e["amount"],
         "notes": texts.get(e["event"])}
        for e in credit.events.iter_rows(named=True)
    ]  # fmt: skip
    said = {"credit_kind": credit.kind, "reason": request.reason, "rebill": credit.rebill}
    row = {
        **note_of(conn, original, lines, links, said), "id": new_id(moment), "preparer": actor.name,
        "recorded_at": moment, "updated_at": moment,
    }  # fmt: skip
    [number] = store.insert_documents(conn, [{"row": row, "lines": lines, "links": links}])
    fp("billing.credit.drafted")
    drafted = {**row, "draft_number": number}
    [reference] = announce_drafts(conn, [(drafted, len(links))], actor.name)
    e_invoices.ask(conn, {reference: row["legal_entity"]})
    return reference


def _lines(conn: Connection, original: str, credit: Credit) -> list[dict[str, Any]]:
    held = lines_under(conn, original)
    made = []
    for line in credit.lines.iter_rows(named=True):
        of = held[line["number"]]
        kept = {name: of[name] for name in ("contract", "project", "role", "description", "corrects")}
        own = {name: value for name, value in line.items() if name != "number"}
        made.append({"line": line["number"], **kept, **own})
    return made
