"""Invoices and credit notes: billing runs, decisions by two people, release, credit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from tieout.api import answers
from tieout.api.invoice_schemas import (
    BackupSheet,
    BillingRunRecord,
    BillingRunStarted,
    Invoice,
    InvoiceDecided,
    InvoiceRecord,
)
from tieout.api.requests import PageQuery, Who, chosen_by, fields_of, filters_of
from tieout.api.schemas import page_of
from tieout.hub import billing

routes = APIRouter(prefix="/v1", tags=["invoices"])
Paging = Annotated[PageQuery, Depends()]
InvoicePage = page_of(Invoice)
_LISTING: dict[str, Any] = {
    "responses": answers.gives(InvoicePage), "openapi_extra": chosen_by("state", "contract", "customer"),
}  # fmt: skip
_RECORD: dict[str, Any] = {"responses": answers.gives(InvoiceRecord), "openapi_extra": chosen_by()}
_DECISION: dict[str, Any] = {"responses": answers.gives(InvoiceDecided)}


class Strict(BaseModel):
    """A body with no other fields than its own."""

    model_config = ConfigDict(extra="forbid")


class BillingRun(Strict):
    """Draft everything due on or before `through`, of one contract, customer or legal entity, or of all."""

    through: date
    contract: str | None = Field(None, max_length=200)
    customer: str | None = Field(None, max_length=200)
    entity: str | None = Field(None, max_length=200)


class Decision(Strict):
    """Why."""

    reason: str = Field("", max_length=2000)


NO_REASON = Decision(reason="")
"""A decision without a body."""


class CreditItem(Strict):
    """What of the invoice is credited: an entry's or a line's hours or amount."""

    id: str = Field(
        max_length=200, description="an entry, a contract line (LINE or CONTRACT/LINE) or a contract"
    )
    hours: Decimal | None = Field(None, gt=0, max_digits=14, decimal_places=6)
    amount: Decimal | None = Field(None, gt=0, max_digits=20, decimal_places=4)


class CreditRequest(Strict):
    """A credit of one invoice: `items`, or an `amount` (net), or `all`."""

    invoice: str = Field(max_length=200)
    items: list[CreditItem] | None = Field(None, max_length=1000)
    amount: Decimal | None = Field(None, gt=0, max_digits=20, decimal_places=4)
    all: bool = False
    kind: Literal["correction", "concession", "cancellation"] = "correction"
    reason: str = Field(min_length=1, max_length=2000)
    rebill: bool = False


@routes.post("/billing-runs", status_code=202, operation_id="start_billing_run",
             responses=answers.gives(BillingRunStarted, 202, location=True))  # fmt: skip
def start_run(request: Request, who: Who, body: BillingRun) -> Response:
    """Start a billing run; its drafts appear under the run. Scope `invoices:draft`."""

    def act(conn: Connection) -> dict[str, Any]:
        run_id = billing.start_run(conn, who.actor, **body.model_dump())
        return {"id": run_id, "status": f"/v1/billing-runs/{run_id}"}

    return answers.command(
        request, who, BillingRunStarted, body.model_dump(), act, 202, "/v1/billing-runs/{id}"
    )


@routes.get(
    "/billing-runs/{run_id}", operation_id="get_billing_run", responses=answers.gives(BillingRunRecord)
)
def show_run(request: Request, who: Who, run_id: str) -> Response:
    """How far a run is and what it drafted. Scope `invoices:read`."""
    with who.reading() as conn:
        return answers.record(request, BillingRunRecord, billing.run_status(conn, run_id, who.actor))


def _list(request: Request, who: Who, paging: Paging, kind: str) -> Response:
    with who.reading() as conn:
        filters = filters_of(request) | {"kind": kind}
        found = billing.listed(conn, filters, paging.cursor, limit=paging.limit, actor=who.actor)
    return answers.page(Invoice, found, fields_of(request))


@routes.get("/invoices", operation_id="list_invoices", **_LISTING)
def list_invoices(request: Request, who: Who, paging: Paging) -> Response:
    """Drafts and invoices, newest first. Scope `invoices:read`. Filters: state, contract, customer."""
    return _list(request, who, paging, "invoice")


@routes.get("/credit-notes", operation_id="list_credit_notes", **_LISTING)
def list_credit_notes(request: Request, who: Who, paging: Paging) -> Response:
    """Credit notes, newest first. Scope `credit-notes:read`. Filters: state, contract, customer."""
    return _list(request, who, paging, "credit_note")


@routes.get("/invoices/{ref}", operation_id="get_invoice", **_RECORD)
@routes.get("/credit-notes/{ref}", operation_id="get_credit_note", **_RECORD)
def show_invoice(request: Request, who: Who, ref: str) -> Response:
    """One document by number or draft reference, with lines, checks and approvals."""
    with who.reading() as conn:
        return answers.record(request, InvoiceRecord, billing.show(conn, ref, who.actor), fields_of(request))


@routes.get(
    "/invoices/{ref}/backup-sheet", operation_id="get_backup_sheet", responses=answers.gives(BackupSheet)
)
def backup_sheet(request: Request, who: Who, ref: str) -> Response:
    """Every hour behind the lines; it sums to them. Scope `invoices:read`."""
    with who.reading() as conn:
        return answers.record(request, BackupSheet, {"rows": billing.backup_sheet(conn, ref, who.actor)})


def _decide(request: Request, who: Who, ref: str, body: Decision, decide: Any) -> Response:
    version = answers.expected_version(request)

    def act(conn: Connection) -> dict[str, Any]:
        decide(conn, ref, who.actor, body.reason, version)
        return _shown(conn, ref, who)

    return answers.command(request, who, InvoiceDecided, {"if_match": version, **body.model_dump()}, act)


def _shown(conn: Connection, ref: str, who: Who) -> dict[str, Any]:
    shown = billing.show(conn, ref, who.actor)
    names = ("reference", "number", "state", "version", "contract", "currency", "net_amount", "gross_amount")
    return {name: shown.get(name) for name in names}


@routes.post("/invoices/{ref}/approve", operation_id="approve_invoice", **_DECISION)
@routes.post("/credit-notes/{ref}/approve", operation_id="approve_credit_note", **_DECISION)
def approve(request: Request, who: Who, ref: str, body: Decision = NO_REASON) -> Response:
    """Approve a draft; never its preparer. Needs If-Match. Scope `invoices:approve` (`credit-notes:approve`)."""
    return _decide(request, who, ref, body, billing.approve)


@routes.post("/invoices/{ref}/reject", operation_id="reject_invoice", **_DECISION)
@routes.post("/credit-notes/{ref}/reject", operation_id="reject_credit_note", **_DECISION)
def reject(request: Request, who: Who, ref: str, body: Decision = NO_REASON) -> Response:
    """Send a draft back with a reason; its hours are free again. Needs If-Match."""
    return _decide(request, who, ref, body, billing.reject)


@routes.post("/invoices/{ref}/void", operation_id="void_invoice", **_DECISION)
def void(request: Request, who: Who, ref: str, body: Decision = NO_REASON) -> Response:
    """Void a draft. Needs If-Match. A released invoice is cancelled only by a credit note."""
    return _decide(request, who, ref, body, billing.void)


@routes.post("/invoices/{ref}/release", operation_id="release_invoice", **_DECISION)
@routes.post("/credit-notes/{ref}/release", operation_id="release_credit_note", **_DECISION)
def release(request: Request, who: Who, ref: str, body: Decision = NO_REASON) -> Response:
    """Release an approved document: it gets its number and goes to the ERP. Needs If-Match."""

    def decide(conn: Connection, ref: str, actor: Any, reason: str, version: int) -> None:
        billing.release(conn, ref, actor, version)

    return _decide(request, who, ref, body, decide)


@routes.post("/credit-notes", status_code=201, operation_id="request_credit_note",
             responses=answers.gives(InvoiceDecided, 201, location=True))  # fmt: skip
def request_credit(request: Request, who: Who, body: CreditRequest) -> Response:
    """Ask for a credit of what is left of an invoice; another person approves it. Scope `credit-notes:request`."""

    def act(conn: Connection) -> dict[str, Any]:
        items = None if body.items is None else [item.model_dump() for item in body.items]
        ref = billing.request_credit(
            conn, who.actor, body.invoice, items=items, amount=body.amount, whole=body.all, kind=body.kind,
            reason=body.reason, rebill=body.rebill,
        )  # fmt: skip
        return _shown(conn, ref, who)

    return answers.command(
        request, who, InvoiceDecided, body.model_dump(), act, 201, "/v1/credit-notes/{reference}"
    )
