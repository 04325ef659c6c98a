"""The shape of every answer of the API: what is published in the contract is what each answer is checked against.

Amounts, hours and prices are decimal strings with their currency beside them, dates and moments ISO 8601. A member is
always there unless its field is `absent()`; readers ignore members they do not know.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

Decimals = Annotated[
    str,
    Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", json_schema_extra={"format": "decimal"}, examples=["1250.00"]),
]
"""An exact number: money, hours, a price or a share."""
Currency = Annotated[str, Field(description="ISO 4217", examples=["USD"])]
Month = Annotated[
    str, Field(pattern=r"^\d{4}-P?\d{2}$", description="fiscal period", examples=["2026-01", "2026-P01"])
]
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 in hexadecimal")]


def absent(about: str | None = None) -> Any:
    """A member that may be missing; where it is there it is not null."""
    return Field(default=None, description=about)


def _published(schema: dict[str, Any]) -> None:
    """Checked closed, so that we notice; published open, so that a new member breaks nobody. What may be missing has no
    default either."""
    schema.pop("additionalProperties", None)
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


class Shown(BaseModel):
    """An answer or a part of one."""

    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, json_schema_extra=_published
    )  # fmt: skip


def page_of(shape: type[BaseModel]) -> type[BaseModel]:
    """The page of a list: `data`, and `next_cursor` while there is more."""
    return create_model(
        f"{shape.__name__}Page", __base__=Shown, __doc__="One page of a list.", data=(list[shape], ...),  # type: ignore[valid-type]
        next_cursor=(str | None, Field(description="of the next page; null: that was all")),
    )  # fmt: skip


# --- named values -------------------------------------------------------------------------------------------------


class DocumentKind(StrEnum):
    """What a document is."""

    invoice = "invoice"
    credit_note = "credit_note"


class DocumentPurpose(StrEnum):
    """What an invoice is for: work, what the customer kept of earlier invoices, or a deposit."""

    work = "work"
    retention = "retention"
    prepayment = "prepayment"


class DocumentState(StrEnum):
    """Where a document stands: drafted and decided here, posted and paid in the ERP."""

    draft = "draft"
    approved = "approved"
    released = "released"
    posted = "posted"
    part_paid = "part_paid"
    paid = "paid"
    credited = "credited"
    void = "void"


class CreditKind(StrEnum):
    """Why something is credited."""

    correction = "correction"
    concession = "concession"
    cancellation = "cancellation"


class CheckName(StrEnum):
    """What a reviewer of a document looks at first."""

    stale = "stale"
    content = "content"
    purchase_order = "purchase_order"
    cap = "cap"
    tax = "tax"
    e_invoice = "e_invoice"


class IntentState(StrEnum):
    """Whether an effect in another system is proven."""

    pending = "pending"
    unknown = "unknown"
    done = "done"
    rejected = "rejected"
    cancelled = "cancelled"


class EventKind(StrEnum):
    """Priced time, an expense, a charge of a plan, or what takes one of them back."""

    time = "time"
    expense = "expense"
    subcontract = "subcontract"
    reversal = "reversal"
    fixed = "fixed"
    milestone = "milestone"
    period = "period"
    retainer = "retainer"
    overage = "overage"
    usage = "usage"
    minimum = "minimum"
    units = "units"
    write_up = "write_up"
    deposit = "deposit"
    deduction = "deduction"
    adjustment = "adjustment"


class EventState(StrEnum):
    """What became of a billing event, read from its balance."""

    unbilled = "unbilled"
    part_billed = "part_billed"
    billed = "billed"
    over_cap = "over_cap"
    on_hold = "on_hold"
    written_off = "written_off"
    reversed = "reversed"


class RunState(StrEnum):
    """Whether a billing run still drafts."""

    running = "running"
    done = "done"


class Severity(StrEnum):
    """Whether an exception stops its key or informs."""

    blocking = "blocking"
    warning = "warning"


class ExceptionState(StrEnum):
    """Who has an exception in hand."""

    open = "open"
    assigned = "assigned"
    fixed = "fixed"
    replayed = "replayed"
    waived = "waived"
    resolved = "resolved"


class FlowState(StrEnum):
    """How far a flow is."""

    running = "running"
    waiting = "waiting"
    done = "done"
    compensating = "compensating"
    compensated = "compensated"
    failed = "failed"


class StepState(StrEnum):
    """How far a step of a flow is."""

    done = "done"
    waiting = "waiting"
    failed = "failed"
    undone = "undone"


class TieOutState(StrEnum):
    """Whether the other system gave its whole report."""

    complete = "complete"
    incomplete = "incomplete"


class Outcome(StrEnum):
    """What the comparison of one key came to."""

    matched = "matched"
    ours_only = "ours_only"
    theirs_only = "theirs_only"
    different = "different"


class Lifecycle(StrEnum):
    """Of an operation."""

    draft = "draft"
    published = "published"
    deprecated = "deprecated"
    retired = "retired"


# --- the read side's own ------------------------------------------------------------------------------------------


class Approval(Shown):
    """A decision of one person on what another prepared."""

    id: UUID
    type: str = Field(examples=["invoice", "credit_note", "waiver"])
    key: str
    content_hash: Digest
    preparer: str
    approver: str
    role: str = Field(description="the role that allowed it, at that time")
    decision: Literal["approved", "rejected"]
    reason: str | None
    recorded_at: AwareDatetime


class JournalLine(Shown):
    """A line of a journal; debit is positive, the functional amount is in the currency of the legal entity."""

    journal: UUID
    number: int
    contract: str | None = Field(description="null: payroll beyond the standard, of no contract")
    line: str | None
    legal_entity: str
    account: str
    currency: Currency
    amount: Decimals
    functional_amount: Decimals
    booking_date: date
    recorded_at: AwareDatetime


class ContractLine(Shown, extra="allow"):
    """The terms of one line of a contract; the contract's own where they are missing."""

    line: str
    billing_method: str = Field(examples=["time_and_materials"])
    tax_code: str = absent("of the service: the treatment that its sales take")
    name: str = absent()
    project: str = absent()
    rate_card: str = absent()
    discount: Decimals = absent()
    increment_minutes: int = absent()
    increment_mode: Literal["up", "nearest", "down"] = absent()
    increment_per: Literal["entry", "day"] = absent()
    minimum_hours_per_day: Decimals = absent()
    overtime_daily_after: Decimals = absent("hours")
    overtime_weekly_after: Decimals = absent("hours")
    overtime_multiplier: Decimals = absent()
    overtime_basis: Literal["bill", "work"] = absent()
    overtime_day_types: list[str] = absent("kinds of day of which every hour is overtime")
    expense_markup: Decimals = absent("share of the expense")
    expense_limits: list[dict[str, Any]] = absent("category, per, amount")
    expenses: Literal["billed", "included"] = absent()
    start: date = absent()
    end: date = absent()
    ended_on: date = absent("its last day where it ended before its time")
    amount: Decimals = absent("fee, in the contract's currency")
    price: Decimals = absent("of a unit")
    unit: str = absent()
    every: Literal["month", "quarter", "year"] = absent()
    anchor: date = absent("a day on which a period begins")
    timing: Literal["advance", "arrears"] = absent()
    proration: Literal["daily", "none"] = absent()
    uplift_rate: Decimals = absent("share")
    uplift_every: Literal["month", "quarter", "year"] = absent()
    schedule: list[dict[str, Any]] = absent("item, due_on, amount or share")
    milestones: list[dict[str, Any]] = absent("milestone, name, due_on, amount or share")
    bill_on: Literal["accepted", "completed"] = absent()
    kind: Literal["hours", "availability", "security"] = absent("of a retainer")
    rollover: Literal["none", "all", "periods"] = absent()
    rollover_periods: int = absent()
    rollover_cap: Decimals = absent()
    overage: Literal["bill", "hold"] = absent()
    included: Decimals = absent("units")
    tiers: list[dict[str, Any]] = absent("up_to (none in the last), price, flat_amount")
    mode: Literal["graduated", "volume", "package"] = absent()
    package_size: Decimals = absent("units")
    minimum_amount: Decimals = absent()
    minimum_every: Literal["month", "quarter", "year"] = absent()
    sources: list[str] = absent("who reads its meter")
    obligation: str = absent("lines that name one are one performance obligation")
    ssp: Decimals = absent("stand-alone selling price")
    bundle: str = absent("lines that are also sold together")
    bundle_price: Decimals = absent()
    residual: bool = absent("it gets what the others leave")
    residual_low: Decimals = absent()
    residual_high: Decimals = absent()
    revenue_method: str = absent("as_invoiced, or a measure of progress")
    revenue_from: date = absent()
    revenue_to: date = absent()
    revenue_basis: Literal["daily", "monthly"] = absent()
    revenue_milestone: str = absent()
    revenue_at: date = absent()
    estimated_cost: Decimals = absent("at completion")
    estimated_hours: Decimals = absent("at completion")
    estimated_units: Decimals = absent("at completion")
    weights: list[dict[str, Any]] = absent("milestone, weight")


class ContractCap(Shown, extra="allow"):
    """A cap of a contract; without `lines` it stands on all of them. The amount is in the contract's currency."""

    over: Literal["hold", "write_off"] = Field(description="what becomes of work over it")
    cap: str = absent()
    lines: list[str] = absent()
    includes: list[str] = absent()
    amount: Decimals = absent()
    hours: Decimals = absent()


class Balance(Shown):
    """What became of a billing event's amount, in its currency; empty while nothing did."""

    over_cap_amount: Decimals = absent()
    held_amount: Decimals = absent()
    written_off_amount: Decimals = absent()
    reversed_amount: Decimals = absent()
    drafted_amount: Decimals = absent()
    billed_amount: Decimals = absent()
    credited_amount: Decimals = absent()
    recognised_amount: Decimals = absent()


class Told(Shown):
    """What every form of an event has: the attributes of CloudEvents 1.0."""

    id: UUID
    specversion: Literal["1.0"]
    source: Literal["/tieout/hub"] = Field(description="who says it, as a URI reference")
    type: str = Field(pattern=r"^tieout\.[a-z_]+\.[a-z_]+\.v[0-9]+$", examples=["tieout.invoice.released.v1"])
    subject: str = Field(description="the business key it is about")
    sequence: str = Field(pattern="^[1-9][0-9]*$", description="from 1 per subject, without a gap")
    time: AwareDatetime
    datacontenttype: Literal["application/json"]
    data: dict[str, Any]


class Event(Told):
    """What became true, as a CloudEvent 1.0; the data of each type is in the AsyncAPI document."""

    position: int = Field(description="place in the feed")
    legal_entity: str | None


class CloudEvent(Told):
    """The same with names that CloudEvents allows."""

    position: str = Field(pattern="^[1-9][0-9]*$", description="place in the feed")
    legalentity: str = absent()


class CatalogEntry(Shown):
    """An operation."""

    operation: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    lifecycle: Lifecycle


class Catalog(Shown):
    """Every operation."""

    data: list[CatalogEntry]


class Accepted(Shown):
    """A webhook is durable."""

    accepted: int = Field(ge=0, description="how many hints it carried")
