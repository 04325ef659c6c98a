"""The verbs of a timeline: what may be said to happen, with the keys of each."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from tieout.scenario.fields import (
    Amount,
    Country,
    Currency,
    Day,
    NotNegative,
    Number,
    Owed,
    PeriodCode,
    Share,
    Text,
)
from tieout.scenario.model import CostRate, Part, Rate


class Verb(Part):
    """What may stand beside the keys of any fact: when it was heard, its source version, that it came again."""

    arrives: Day | None = None
    version: int | None = Field(default=None, ge=1)
    again: bool = False


class OnContract(Verb):
    contract: Text | None = None


class TimeEntry(OnContract):
    id: Text | None = None
    worker: Text | None = None
    line: Text | None = None
    date: Day | None = None
    hours: Number
    task: Text | None = None
    billable: bool = True
    approved: bool = True
    role: Text | None = None
    country: Country | None = None
    worksite: Text | None = None
    band: Text | None = None


class Expense(OnContract):
    id: Text | None = None
    worker: Text | None = None
    line: Text | None = None
    date: Day | None = None
    amount: Amount
    currency: Currency | None = None
    category: Text | None = None
    billable: bool = True
    approved: bool = True
    tax_amount: Amount | None = None
    nature: Literal["principal", "agent", "disbursement"] | None = None
    task: Text | None = None
    notes: Text | None = None


class Correct(Verb):
    id: Text
    hours: Number | None = None
    date: Day | None = None
    task: Text | None = None
    billable: bool | None = None
    approved: bool | None = None
    role: Text | None = None
    country: Country | None = None
    worksite: Text | None = None
    band: Text | None = None
    worker: Text | None = None
    contract: Text | None = None
    line: Text | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    category: Text | None = None
    tax_amount: Amount | None = None
    nature: Literal["principal", "agent", "disbursement"] | None = None
    quantity: Number | None = None


class Withdraw(Verb):
    id: Text


class Change(Part):
    """What an amendment changes; `lines` are merged into those that they name, or added."""

    lines: list[dict[str, Any]] = Field(default=[])
    remove: list[Text] = Field(default=[])
    billing: dict[str, Any] | None = None
    revenue: dict[str, Any] | None = None
    end: Day | None = None
    price: Owed | None = None
    past_change: Amount | None = None
    collectible: bool | None = None


class Amend(OnContract):
    treatment: Literal["auto", "separate", "prospective", "cumulative"] = "auto"
    distinct: bool | None = None
    at_ssp: bool | None = None
    change: Change


class MilestoneState(OnContract):
    line: Text | None = None
    id: Text
    state: Literal["completed", "accepted", "rejected"] = "accepted"


class Progress(OnContract):
    line: Text | None = None
    cost_to_date: Amount | None = None
    hours_to_date: Number | None = None
    units_to_date: Number | None = None
    percent: Number | None = None
    estimated_cost: Amount | None = None
    estimated_hours: Number | None = None
    estimated_units: Number | None = None
    uninstalled_cost: Amount | None = None
    wasted_cost: Amount | None = None
    reimbursed_price: Amount | None = None
    completed: bool | None = None


class Quantity(OnContract):
    """What was used or delivered; `id` names it, so that it can be corrected."""

    id: Text | None = None
    line: Text | None = None
    date: Day | None = None
    quantity: Number


class Usage(Quantity):
    source: Text | None = None
    meter: Text | None = None


class Outcome(Part):
    amount: Amount
    probability: Share | None = None


class Estimate(OnContract):
    variable: Text
    amount: Amount | None = None
    outcomes: list[Outcome] | None = None
    constrained: bool | None = None


class Bill(OnContract):
    customer: Text | None = None
    entity: Text | None = None
    through: Day | None = None
    draft: bool = False


class OnInvoice(Verb):
    invoice: Text = "last"


class CreditItem(Part):
    id: Text
    hours: Number | None = None
    quantity: Number | None = None
    amount: Amount | None = None


class Credit(OnInvoice):
    lines: list[CreditItem] | None = None
    amount: Amount | None = None
    all: bool = False
    kind: Literal["correction", "concession", "cancellation"] = "correction"
    reason: Text = "stated by the scenario"
    rebill: bool = False


class Pay(OnInvoice):
    amount: Amount | None = None
    currency: Currency | None = None
    withheld: Owed | None = None


class FxRate(Verb):
    pair: Text
    rate: Number = Field(gt=0)
    type: Literal["spot", "average", "contract"] = "spot"


class HeardRate(Verb, Rate):
    card: Text


class WorkerChange(Verb):
    id: Text
    effective: Day | None = None
    left: Day | None = None
    role: Text | None = None
    cost_rates: list[CostRate] | None = None
    entity: Text | None = None
    hired: Day | None = None
    salaried: bool | None = None
    capacity: NotNegative | None = None
    cost_center: Text | None = None
    name: Text | None = None
    skills: dict[str, int] | None = None
    grade: Text | None = None
    country: Country | None = None


class Payroll(Verb):
    id: Text | None = None
    worker: Text
    period: Text
    amount: Amount
    currency: Currency | None = None
    entity: Text | None = None


class ContractCost(OnContract):
    id: Text | None = None
    amount: Amount
    kind: Literal["commission", "set_up", "other"] = "commission"
    currency: Currency | None = None
    service_start: Day | None = None
    service_end: Day | None = None
    creates_service: bool | None = None


class Dispute(OnInvoice):
    amount: Amount | None = None
    expected_concession: Owed = Decimal(0)
    reason: Text = "stated by the scenario"


class CreditLoss(OnInvoice):
    amount: Amount
    reason: Text = "stated by the scenario"


class Deposit(OnContract):
    id: Text | None = None
    amount: Amount
    currency: Currency | None = None


class Subcontract(OnContract):
    id: Text | None = None
    line: Text | None = None
    date: Day | None = None
    supplier: Text | None = None
    billable: bool = False
    amount: Amount
    currency: Currency | None = None
    tax_amount: Amount | None = None


class Close(Verb):
    entity: Text | None = None
    period: PeriodCode
    strict: bool = False


class Hold(OnContract):
    id: Text | None = None
    line: Text | None = None
    reason: Text = "stated by the scenario"


class Write(OnContract):
    id: Text | None = None
    line: Text | None = None
    down: Annotated[Amount, Field(gt=0)] | None = None
    up: Annotated[Amount, Field(gt=0)] | None = None
    off: Annotated[Amount, Field(gt=0)] | None = None
    reason: Text = "stated by the scenario"


class Anything(Verb):
    """A verb whose keys are checked when it is supported."""

    model_config = ConfigDict(extra="allow")


VERBS: dict[str, type[Verb]] = {
    "sign": OnContract, "activate": OnContract, "suspend": OnContract, "terminate": OnContract, "time": TimeEntry,
    "correct": Correct, "withdraw": Withdraw, "amend": Amend, "bill": Bill, "release": OnInvoice, "void": OnInvoice,
    "credit": Credit, "pay": Pay, "rate": HeardRate, "worker": WorkerChange, "close": Close, "reopen": Close,
    "hold": Hold, "unhold": Hold, "write": Write, "milestone": MilestoneState, "progress": Progress,
    "usage": Usage, "deliver": Quantity, "estimate": Estimate, "payroll": Payroll, "subcontract": Subcontract,
    "expense": Expense, "fx": FxRate, "deposit": Deposit,
    "contract_cost": ContractCost, "dispute": Dispute, "credit_loss": CreditLoss,
    **dict.fromkeys(
        ("request", "staff", "system"),
        Anything,
    ),
}  # fmt: skip
