"""The one registry of event types: what became true, under which key, with which data.

A type is a contract with its readers: a field is never taken away nor changed in kind under the same `.v1`; what must
change that way becomes `.v2` beside it. Data names keys and figures, no personal facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TEXT: Mapping[str, Any] = {"type": "string"}
MAYBE: Mapping[str, Any] = {"type": ["string", "null"]}
FLAG: Mapping[str, Any] = {"type": "boolean"}
COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
DAY: Mapping[str, Any] = {"type": "string", "format": "date"}
TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
AMOUNT: Mapping[str, Any] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
MAYBE_AMOUNT: Mapping[str, Any] = {"type": ["string", "null"], "pattern": AMOUNT["pattern"]}
DOCUMENT: Mapping[str, Any] = {"type": "string", "enum": ["invoice", "credit_note"]}


@dataclass(frozen=True)
class EventType:
    """One type. `subject` is the business key; `data` are members always there, `sometimes` the others."""

    type: str
    about: str
    subject: str
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sometimes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_RECORD = {"key": TEXT}
_STATE = {"state": MAYBE}
_OF_PROJECT = {"key": TEXT, "contract": TEXT, "customer": MAYBE}
_OF_DRAFT = {"kind": DOCUMENT, "contract": MAYBE, "gross_amount": AMOUNT, "currency": TEXT}
_OF_RELEASE = {
    "reference": TEXT, "contract": MAYBE, "currency": TEXT, "gross_amount": AMOUNT, "issue_date": DAY,
}  # fmt: skip
_OF_SUM = {"amount": AMOUNT, "currency": TEXT}
_OF_MILESTONE = {"key": TEXT, "line": TEXT, "milestone": TEXT, "day": DAY}
_OF_EXCEPTION = {
    "id": TEXT, "kind": TEXT, "severity": {"type": "string", "enum": ["blocking", "warning"]}, "contract": MAYBE,
    "amount": MAYBE_AMOUNT, "currency": MAYBE,
}  # fmt: skip


def _record(type: str, about: str, subject: str, **sometimes: Mapping[str, Any]) -> EventType:
    """A canonical record reached a state."""
    return EventType(f"tieout.{type}.v1", about, subject, _RECORD, {**_STATE, **sometimes})


def _type(
    type: str, about: str, subject: str, data: Mapping[str, Any], sometimes: Mapping[str, Any] | None = None
) -> EventType:
    return EventType(f"tieout.{type}.v1", about, subject, data, sometimes or {})


_ALL = (
    _record("opportunity.contracted", "An opportunity is won and has its contract.", "opportunity number"),
    _record("customer.changed", "A customer is new or changed.", "customer number"),
    _record("contract.signed", "A contract is signed.", "contract number"),
    _record("contract.amended", "Terms changed, maybe those of the past (`late`).", "contract number", late=FLAG),
    _record("contract.terminated", "A contract ended before its time.", "contract number"),
    _type("project.requested", "A signed contract asked for its project.", "project number", _OF_PROJECT),
    _type("project.activated", "Every system knows the project.", "project number", _OF_PROJECT),
    _record("project.changed", "A project is new or changed.", "project number"),
    _record("project.closed", "A project ended, or its set-up was taken back (`cancelled`).", "project number",
            contract=TEXT, cancelled=FLAG),
    _record("worker.hired", "A worker is new.", "worker id"),
    _record("worker.changed", "A worker changed.", "worker id"),
    _record("worker.left", "A worker's last day is known.", "worker id"),
    _type("timesheet.approved", "Time was approved: one event per contract and page of changes.",
          "contract number or `unassigned`", {"entries": TEXTS}),
    _type("timesheet.corrected", "Approved time changed or was withdrawn.", "contract number or `unassigned`",
          {"entries": TEXTS}),
    _type("expense.approved", "Expenses were approved: one event per contract and page of changes.",
          "contract number or `unassigned`", {"expenses": TEXTS}),
    _type("expense.corrected", "Approved expenses changed or were withdrawn.", "contract number or `unassigned`",
          {"expenses": TEXTS}),
    _type("milestone.completed", "The supplier says that a milestone is done.", "contract number", _OF_MILESTONE),
    _type("milestone.accepted", "The customer accepted a milestone.", "contract number", _OF_MILESTONE),
    _type("billing_event.created", "Work or a charge was priced.", "contract number", {"entries": COUNT, **_OF_SUM}),
    _type("invoice.drafted", "A document waits for approval.", "draft reference", _OF_DRAFT),
    _type("invoice.approved", "Another person than the preparer approved a draft.", "draft reference", _OF_DRAFT),
    _type("invoice.released", "An invoice has its number and goes to the ERP.", "invoice number", _OF_RELEASE),
    _type("invoice.posted", "The ERP holds the document as it was sent.", "document number",
          {"kind": DOCUMENT, "connection": MAYBE, "target": TEXT, "contract": MAYBE}),
    _type("invoice.paid", "Nothing of an invoice is open any more.", "invoice number",
          {"contract": MAYBE, "state": TEXT, "payments": TEXTS, "taken_back": TEXTS}),
    _type("credit_note.released", "A credit note has its number and goes to the ERP.", "credit note number",
          _OF_RELEASE),
    _type("revenue.recognised", "Revenue was booked in the subledger.", "contract number",
          {"events": COUNT, **_OF_SUM}),
    _record("period.closed", "A fiscal period takes no more postings.", "ENTITY/PERIOD"),
    _record("period.reopened", "A closed period takes postings again.", "ENTITY/PERIOD"),
    _type("exception.opened", "A person must decide something.", "key of the exception", _OF_EXCEPTION),
    _type("exception.resolved", "It was decided, or did not occur again.", "key of the exception",
          {**_OF_EXCEPTION, "state": TEXT}),
    _type("sync.failed", "A connection cannot be read.", "connection", {}, {"code": TEXT, "why": TEXT}),
    _type("sync.recovered", "A connection answers again.", "connection", {}),
    _type("schema.drifted", "A system dropped fields that are read.", "CONNECTION/OBJECT",
          {"object": TEXT, "removed": TEXTS, "added": TEXTS}),
)  # fmt: skip

EVENT_TYPES: Mapping[str, EventType] = {one.type: one for one in _ALL}
