"""Events: CloudEvents of what became true, written in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tieout.hub.audit import plain
from tieout.model.plain import plain as as_json
from tieout.store import clock
from tieout.store import events as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

OPPORTUNITY_CONTRACTED = "tieout.opportunity.contracted.v1"
CUSTOMER_CHANGED = "tieout.customer.changed.v1"
CONTRACT_SIGNED = "tieout.contract.signed.v1"
CONTRACT_AMENDED = "tieout.contract.amended.v1"
CONTRACT_TERMINATED = "tieout.contract.terminated.v1"
PROJECT_REQUESTED = "tieout.project.requested.v1"
PROJECT_ACTIVATED = "tieout.project.activated.v1"
PROJECT_CHANGED = "tieout.project.changed.v1"
PROJECT_CLOSED = "tieout.project.closed.v1"
WORKER_HIRED = "tieout.worker.hired.v1"
WORKER_CHANGED = "tieout.worker.changed.v1"
WORKER_LEFT = "tieout.worker.left.v1"
TIMESHEET_APPROVED = "tieout.timesheet.approved.v1"
TIMESHEET_CORRECTED = "tieout.timesheet.corrected.v1"
EXPENSE_APPROVED = "tieout.expense.approved.v1"
EXPENSE_CORRECTED = "tieout.expense.corrected.v1"
MILESTONE_COMPLETED = "tieout.milestone.completed.v1"
MILESTONE_ACCEPTED = "tieout.milestone.accepted.v1"
BILLING_EVENT_CREATED = "tieout.billing_event.created.v1"
INVOICE_DRAFTED = "tieout.invoice.drafted.v1"
INVOICE_APPROVED = "tieout.invoice.approved.v1"
INVOICE_RELEASED = "tieout.invoice.released.v1"
INVOICE_POSTED = "tieout.invoice.posted.v1"
INVOICE_PAID = "tieout.invoice.paid.v1"
CREDIT_NOTE_RELEASED = "tieout.credit_note.released.v1"
REVENUE_RECOGNISED = "tieout.revenue.recognised.v1"
PERIOD_CLOSED = "tieout.period.closed.v1"
PERIOD_REOPENED = "tieout.period.reopened.v1"
EXCEPTION_OPENED = "tieout.exception.opened.v1"
EXCEPTION_RESOLVED = "tieout.exception.resolved.v1"
SYNC_FAILED = "tieout.sync.failed.v1"
SYNC_RECOVERED = "tieout.sync.recovered.v1"
SCHEMA_DRIFTED = "tieout.schema.drifted.v1"

ERP_DOCUMENT_CHANGED = "erp_document.changed"
TASK_CHANGED = "project_task.changed"
LEGAL_ENTITY_CHANGED = "legal_entity.changed"
OPPORTUNITY_CHANGED = "opportunity.changed"
PERFORMANCE_HEARD = "performance.heard"
TIME_RECORDED = "time_entry.recorded"
PURCHASE_HEARD = "purchase.heard"
PAYROLL_HEARD = "payroll.heard"
WORKER_TERMS_HEARD = "worker_terms.heard"
EXCHANGE_RATE_HEARD = "exchange_rate.heard"
"""Internal, as the nine before: handed to the caller of `inbox.apply_new` and never stored."""

UNASSIGNED = "unassigned"
"""Subject of time and expenses that belong to no contract."""

ENVELOPE = {"specversion": "1.0", "source": "/tieout/hub", "datacontenttype": "application/json"}
"""What every event has alike as a CloudEvent."""


@dataclass(frozen=True)
class NewEvent:
    """An event to be written. `subject` is the business key; `data` is small and names keys, not personal facts."""

    type: str
    subject: str
    legal_entity: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Event(NewEvent):
    """An event with its place: `sequence` counts from 1 per subject without a gap."""

    id: str
    sequence: int
    time: datetime


def cloud_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored event as its readers get it: CloudEvents 1.0, the sequence as text."""
    return {**row, **ENVELOPE, "sequence": str(row["sequence"])}


def emit(conn: Connection, events: Sequence[NewEvent]) -> list[Event]:
    """Write events in order and give each the next sequence of its subject."""
    if not events:
        return []
    moment = clock.now(conn)
    subjects = {e.subject for e in events}
    store.lock_subjects(conn, subjects)
    last = store.last_sequences(conn, subjects)
    written: list[Event] = []
    for e in events:
        last[e.subject] = last.get(e.subject, 0) + 1
        data = plain(as_json(e.data))
        written.append(
            Event(e.type, e.subject, e.legal_entity, data, new_id(moment), last[e.subject], moment)
        )
    store.append(conn, [_row(e) for e in written])
    fp("events.emitted")
    return written


def _row(e: Event) -> dict[str, Any]:
    return {
        "id": e.id,
        "type": e.type,
        "subject": e.subject,
        "sequence": e.sequence,
        "legal_entity": e.legal_entity,
        "data": e.data,
        "time": e.time,
    }
