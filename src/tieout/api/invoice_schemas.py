"""The shape of answers about documents: invoices, credit notes, what is behind them, billing runs."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from tieout.api.schemas import (
    Approval,
    CheckName,
    Count,
    CreditKind,
    Currency,
    Decimals,
    Digest,
    DocumentKind,
    DocumentPurpose,
    DocumentState,
    EventKind,
    IntentState,
    RunState,
    Shown,
    absent,
)

# --- documents ----------------------------------------------------------------------------------------------------


class Invoice(Shown):
    """A draft, invoice or credit note as lists show it; amounts are in `currency`."""

    reference: str = Field(description="of the draft", examples=["D-1042"])
    kind: DocumentKind
    number: str | None = Field(description="null until it is released")
    state: DocumentState
    contract: str = Field(description="the first one of its lines")
    customer: str
    currency: Currency
    through: date = Field(description="everything due on or before this date")
    purchase_order: str | None
    terms_days: int
    issue_date: date | None
    due_date: date | None
    net_amount: Decimals
    tax_amount: Decimals
    gross_amount: Decimals
    purpose: DocumentPurpose
    retained_amount: Decimals = Field(description="what of it the customer keeps until it is asked for")
    preparer: str
    approver: str | None
    approved_at: AwareDatetime | None
    released_at: AwareDatetime | None
    posted_at: AwareDatetime | None
    stale_reason: str | None
    void_reason: str | None
    credit_kind: CreditKind | None
    reason: str | None
    rebill: bool
    version: int
    run: UUID | None = Field(description="the billing run that drafted it")
    recorded_at: AwareDatetime
    entity: str = Field(description="the legal entity that bills")
    stale: bool = Field(description="its sources changed after it was drafted")
    credits: str | None = Field(description="credit note: the number of the invoice it credits")


class LineEvent(Shown):
    """The part of a billing event that stands on a line."""

    event: UUID
    kind: EventKind
    source_kind: EventKind = Field(
        description="what made it; of an adjustment or a reversal, of what it changes"
    )
    entry: str = Field(description="the time entry or expense, or the key of the charge")
    entry_version: int
    worker: str | None
    role: str | None
    project: str | None
    task: str | None
    work_date: date
    worked_hours: Decimals
    quantity: Decimals
    price: Decimals
    multiplier: Decimals
    discount: Decimals
    amount: Decimals
    currency: Currency
    card: str | None
    trail: dict[str, Any] = Field(description="why this price")
    notes: str | None
    period_start: date | None = Field(description="of a charge for a period")
    period_end: date | None


class InvoiceLine(Shown):
    """A line; `net_amount` is in the currency of the document."""

    line: int
    contract: str = Field(description="whose line it is: a document may be of several contracts")
    contract_line: str
    project: str | None
    role: str | None
    description: str
    quantity: Decimals
    unit_price: Decimals
    net_amount: Decimals
    tax_category: str = Field(description="code of EN 16931")
    tax_rate: Decimals
    corrects: str | None = Field(description="number of the earlier invoice that this line corrects")
    settles: str | None = Field(description="number of the invoice whose retention this line asks for")
    events: list[LineEvent]


class DocumentCheck(Shown):
    """One check of a document; one that is not ok is not always a refusal."""

    check: CheckName
    ok: bool
    detail: str


class Intent(Shown):
    """What was sent to another system for a document, and what proves it."""

    id: UUID
    connection: str
    operation: str
    type: DocumentKind
    key: str
    revision: int
    external_key: str
    state: IntentState
    attempts: Count
    target_id: str | None
    receipt: dict[str, Any] | None
    error: dict[str, Any] | None
    read_back_at: AwareDatetime | None
    done_at: AwareDatetime | None
    recorded_at: AwareDatetime


class AppliedPayment(Shown):
    """Cash applied to the document in the ERP; `amount` is in the currency of the document."""

    document: str = Field(description="id of the ERP's document")
    payment: str
    version: int
    paid_on: date | None
    amount: Decimals


class CreditNoteBrief(Shown):
    """A credit note of an invoice; amounts are in the currency of the invoice."""

    reference: str
    number: str | None
    state: DocumentState
    credit_kind: CreditKind | None
    reason: str | None
    rebill: bool
    net_amount: Decimals
    gross_amount: Decimals


class InvoiceRecord(Invoice):
    """One document whole: lines with what is behind them, checks, decisions, what was sent, payments, credits."""

    content_hash: Digest
    lines: list[InvoiceLine]
    checks: list[DocumentCheck]
    approvals: list[Approval]
    intents: list[Intent]
    payments: list[AppliedPayment]
    credit_notes: list[CreditNoteBrief]
    credited_amount: Decimals
    paid_amount: Decimals
    open_amount: Decimals


class InvoiceDecided(Shown):
    """A document after a decision; amounts are in `currency`."""

    reference: str
    number: str | None
    state: DocumentState
    version: int
    contract: str
    currency: Currency
    net_amount: Decimals
    gross_amount: Decimals


class BackupRow(Shown):
    """One entry of time behind a line."""

    line: int
    work_date: date
    worker: str | None
    role: str | None
    project: str | None
    task: str | None
    entry: str
    notes: str | None
    quantity: Decimals
    price: Decimals
    multiplier: Decimals
    discount: Decimals
    amount: Decimals
    currency: Currency


class BackupSheet(Shown):
    """Every hour behind the lines of a document; the rows of a line sum to it."""

    rows: list[BackupRow]


# --- billing runs -------------------------------------------------------------------------------------------------


class BillingRunStarted(Shown):
    """The run and where its state is read."""

    id: UUID
    status: str = Field(description="address of the run")


class RunScope(Shown):
    """What was asked for; null: all."""

    contract: str | None
    customer: str | None
    entity: str | None


class RunCounts(Shown):
    """Drafts made, kept and voided, and parts that wait, over all contracts of a run."""

    drafted: Count
    kept: Count
    voided: Count
    waiting: Count


class Waiting(Shown):
    """Why an amount of a contract was not drafted."""

    reason: str
    amount: Decimals
    currency: Currency = absent("missing in runs that were drafted before this member was there")


class PartWaiting(Shown):
    """A contract that is not drafted yet."""

    contract: str
    state: Literal["waiting"]


class PartDrafted(Shown):
    """What came of a contract: references of drafts, and what waits."""

    contract: str
    entity: str | None
    drafted: list[str]
    kept: list[str]
    voided: list[str]
    waiting: list[Waiting]


class BillingRunRecord(Shown):
    """How far a run is and what came of each contract."""

    id: UUID
    state: RunState
    through: date
    scope: RunScope
    preparer: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    contracts: Count
    contracts_done: Count
    counts: RunCounts
    parts: list[PartDrafted | PartWaiting]
