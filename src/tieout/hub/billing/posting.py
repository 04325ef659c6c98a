"""Posting a released document to the ERP: what it refers to there, the frozen command, and what the receipt means."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, crosswalk, events, exceptions, outbox, ownership, policies, retention, work
from tieout.hub.actors import SYSTEM
from tieout.hub.billing.documents import SERVICE_ITEM, state_after, told_by_contract
from tieout.hub.exceptions import NewException
from tieout.hub.outbox import NewIntent
from tieout.hub.settings import load_settings
from tieout.store import clock, connections, settlement
from tieout.store import invoices as store
from tieout.store import outbox as intents
from tieout.store import setup as setups
from tieout.telemetry.failpoints import fp

WORK, KIND = "post", "unposted"
OPERATIONS = {"invoice": "upsert_invoice", "credit_note": "upsert_credit_memo"}
OBJECTS = {"invoice": "invoice", "credit_note": "creditMemo"}
"""Kind of document -> the ERP's record, under which the crosswalk links it to our number."""

Answers = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Case:
    """A document on its way to the ERP. `erp` None: nothing owns posting, it stays released."""

    row: Mapping[str, Any]
    erp: str | None

    @property
    def number(self) -> str:
        """Its number."""
        return str(self.row["number"])


def read(conn: Connection, number: str, connectors: Collection[str]) -> Case:
    """The document and the connection that owns posting for its entity on its issue date."""
    row = store.read(conn, store.by_number(number))
    if row is None:
        raise LookupError(f"{number} is gone, though released documents are never deleted")
    owner = ownership.load(conn).owner("invoice.posting", row["legal_entity"], row["issue_date"])
    return Case(row, owner if owner and _is_real(conn, owner, connectors) else None)


def _is_real(conn: Connection, name: str, connectors: Collection[str]) -> bool:
    held = connections.read(conn, name)
    return held is not None and held["enabled"] and held["connector"] in connectors


def intent_of(conn: Connection, case: Case) -> dict[str, Any] | None:
    """The newest command of this document; None before the first."""
    if case.erp is None:
        return None
    return setups.last_intent(conn, case.erp, OPERATIONS[case.row["kind"]], case.number)


def questions(conn: Connection, case: Case) -> list[list[str]]:
    """What to ask the ERP before anything is sent: [name, kind of reference, key]."""
    row, stated = case.row, policies.load(conn)
    lines = store.lines(conn, row["id"])
    asked = [
        ["subsidiary", "subsidiary", row["legal_entity"]],
        ["currency", "currency", row["currency"]],
        ["period", "period", row["issue_date"].isoformat()],
    ]
    if row["kind"] == "invoice":
        asked.append(["terms", "term", str(row["terms_days"])])
    if item := stated.items.get(SERVICE_ITEM):
        asked.append(["item", "item", item])
    if code := stated.tax_codes.get(lines[0]["tax_category"]):
        asked.append(["tax_code", "tax_code", code])
    if case.erp is not None and _linked(conn, case.erp, "customer", row["customer"]) is None:
        asked.append(["customer", "customer", f"{row['customer']}/{row['legal_entity']}"])
    return asked


def missing(conn: Connection, case: Case, answers: Answers) -> list[str]:
    """What keeps the document from being sent, in words."""
    wanted = ["subsidiary", "currency", "item", "tax_code", "period"]
    wanted += ["terms"] if case.row["kind"] == "invoice" else []
    found = [
        f"the ERP has no {name.replace('_', ' ')} for it" for name in wanted if answers.get(name) is None
    ]
    if case.erp is not None and _customer(conn, case, answers) is None:
        found.append(f"customer {case.row['customer']} is not in the ERP")
    return found


def closed(answers: Answers) -> bool:
    """Whether the ERP takes nothing more into the period of the issue date."""
    period = answers.get("period")
    return period is not None and not period.get("open", True)


def refuse(
    conn: Connection, case: Case, causes: list[str], *, period_closed: bool = False, intent: str | None = None
) -> None:
    """Say what keeps it from being posted; it stays released and is never renumbered or moved in date by itself."""
    row = case.row
    cause = f"{case.number} was not posted: {'; '.join(causes)}. It stays released under its number."
    if period_closed:
        cause += " Reopen the period there and replay, or credit it and bill again in an open period."
    found = [_exception(case, KIND, cause, intent)]
    if period_closed:
        found.append(replace(_exception(case, "closed-period", cause), amount=None))  # counted on `unposted`
    exceptions.open_exceptions(conn, found)
    if not period_closed:
        exceptions.resolve(conn, "closed-period", [case.number], "the period is open")
    audit.record(conn, SYSTEM, "refuse", row["kind"], case.number, entity=row["legal_entity"],
                 detail={"causes": causes})  # fmt: skip
    fp("posting.refused")


def _exception(case: Case, kind: str, cause: str, intent: str | None = None) -> NewException:
    row = case.row
    return NewException(
        kind, case.number, cause, contract=row["contract"], legal_entity=row["legal_entity"],
        amount=row["gross_amount"], currency=row["currency"],
        evidence={"connection": case.erp, "work": {"kind": WORK, "key": case.number},
                  "group": cause.split(": ", 1)[1], **({"intent": intent} if intent else {})},
    )  # fmt: skip


def original_posted(conn: Connection, case: Case) -> bool:
    """Whether the invoice of a credit note is in the ERP, so that it can be applied there."""
    if case.row["kind"] == "invoice":
        return True
    original = store.read(conn, store.by_id(case.row["credits"]))
    return original is not None and original["posted_at"] is not None


def prepare(conn: Connection, case: Case, answers: Answers, flow_id: str) -> str | None:
    """The command to deliver: an open one as it is; None when a person must act on a refused one first.

    A refused command whose content would be another now becomes a new revision; the number and the key stay.
    """
    if case.erp is None:
        raise AssertionError("nothing is sent where nothing owns posting")
    row = case.row
    last = intent_of(conn, case)
    if last is not None and last["state"] not in ("rejected", "cancelled"):
        return str(last["id"])
    operation = OPERATIONS[row["kind"]]
    mapping = load_settings(conn, case.erp).mappings.outbound(operation)
    body = mapping.render(_context(conn, case, answers))
    if last is not None and last["state"] == "rejected" and bytes(last["body"]) == body:
        return None
    new = NewIntent(
        case.erp, operation, row["kind"], case.number, intents.next_revision(conn, case.erp, operation, case.number),
        row["external_key"], body, flow_id, contract=row["contract"], legal_entity=row["legal_entity"],
        amount=row["gross_amount"], currency=row["currency"], work=(WORK, case.number),
    )  # fmt: skip
    fp("posting.rendered")
    return outbox.put(conn, [new])[0]


def _context(conn: Connection, case: Case, answers: Answers) -> dict[str, Any]:
    row = case.row
    lines = store.lines(conn, row["id"])
    target = {name: (answers.get(name) or {}).get("id") for name in (
        "subsidiary", "currency", "terms", "item", "tax_code", "period")}  # fmt: skip
    target["customer"] = _customer(conn, case, answers)
    target["job"] = _job(conn, case, lines)
    names = ("number", "issue_date", "due_date", "purchase_order", "currency", "net_amount", "gross_amount")
    context = {name: row[name] for name in names} | {"target": target, "memo": _memo(lines)}
    if row["kind"] == "credit_note":
        original = store.read(conn, store.by_id(row["credits"]))
        number = str(original["number"]) if original else ""
        target["invoice"] = _linked(conn, str(case.erp), OBJECTS["invoice"], number)
        context["memo"] = f"Credit of {number}: {row['reason']}"
    return context | {"lines": [_line(line) for line in told_by_contract(lines)]}


def _memo(lines: Sequence[Mapping[str, Any]]) -> str:
    contracts = sorted({line["contract"] for line in lines})
    return f"Contract{'s' if len(contracts) > 1 else ''} {', '.join(contracts)}"


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    names = ("line", "description", "quantity", "unit_price", "net_amount")
    return {name: _plain(line[name]) for name in names}


def _plain(value: Any) -> Any:
    """A decimal without the zeros of its column."""
    if not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def _customer(conn: Connection, case: Case, answers: Answers) -> str | None:
    held = _linked(conn, str(case.erp), "customer", case.row["customer"])
    return held or (answers.get("customer") or {}).get("id")


def _job(conn: Connection, case: Case, lines: list[dict[str, Any]]) -> str | None:
    """The job of the first project on the document that has one."""
    projects = [
        *(line["project"] for line in lines if line["project"]),
        *(
            one
            for contract in store.contracts_of(conn, case.row["id"])
            for one in setups.projects_of(conn, contract)
        ),
    ]
    found = crosswalk.source_ids_of(conn, str(case.erp), "job", projects)
    return next((found[project] for project in projects if project in found), None)


def _linked(conn: Connection, erp: str, object: str, key: str) -> str | None:
    return crosswalk.source_ids_of(conn, erp, object, [key]).get(key)


def settle(conn: Connection, case: Case, target_id: str) -> None:
    """The ERP holds it as sent: link it, say that it is posted, close what complained."""
    row, moment = case.row, clock.now(conn)
    if row["posted_at"] is not None:
        return
    crosswalk.link(conn, str(case.erp), OBJECTS[row["kind"]], row["kind"], {target_id: case.number})
    fp("posting.linked")
    credited = sum((n["gross_amount"] for n in store.credits_of(conn, row["id"], released=True)), Decimal(0))
    paid = settlement.paid(conn, row["external_key"]) if row["kind"] == "invoice" else Decimal(0)
    kept = retention.kept_of(conn, row)
    state = state_after({**row, "posted_at": moment}, paid, credited, kept)
    store.change(conn, row["id"], {"state": state, "posted_at": moment}, moment)
    fp("posting.changed")
    said = {"kind": row["kind"], "connection": case.erp, "target": target_id, "contract": row["contract"]}
    events.emit(conn, [events.NewEvent(events.INVOICE_POSTED, case.number, row["legal_entity"], said)])
    audit.record(conn, SYSTEM, "post", row["kind"], case.number, entity=row["legal_entity"],
                 digest=bytes.fromhex(row["content_hash"]), detail=said)  # fmt: skip
    for kind in (KIND, "closed-period"):
        exceptions.resolve(conn, kind, [case.number], f"posted as {target_id}")
    waiting = store.credits_of(conn, row["id"], released=True) if row["kind"] == "invoice" else []
    wanted = {(WORK, str(note["number"])) for note in waiting if note["posted_at"] is None}
    crm = ownership.load(conn).owner("opportunity", row["legal_entity"], row["issue_date"])
    wanted |= {("status_back", crm)} if crm else set()
    wanted |= {("settle", document) for document in settlement.documents_under(conn, row["external_key"])}
    work.request_all(conn, wanted)
