"""The form of a scenario file: every key, verb and measure of it, with the defaults that keep a small case small."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tieout.domain.rating.policies import DAY_TYPES, WEEKEND
from tieout.domain.tax import CATEGORIES
from tieout.model.periods import MONTH_ENDS, WEEKDAYS, YEAR_ENDS, Calendar, calendar_of
from tieout.scenario.fields import (
    Amount,
    Country,
    Currency,
    Day,
    NotNegative,
    Number,
    Owed,
    Price,
    Rated,
    Share,
    Text,
    TimeZone,
)


class Part(BaseModel):
    """A part of the file with no other keys than its own."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)


# --- the firm -------------------------------------------------------------------------------------------------


class Entity(Part):
    code: Text
    currency: Currency = "USD"
    country: Country = "US"
    tax_id: Text | None = None
    time_zone: TimeZone = "UTC"
    fiscal_year_start: int = Field(default=1, ge=1, le=12)
    framework: Literal["ifrs", "us_gaap"] = "ifrs"
    month_end: Annotated[Literal[MONTH_ENDS], BeforeValidator(str)] = "calendar"  # type: ignore[valid-type]
    year_end: Literal[YEAR_ENDS] = "last"  # type: ignore[valid-type]
    year_ends_on: Literal[WEEKDAYS] = "saturday"  # type: ignore[valid-type]
    week_53: int | None = None

    @property
    def calendar(self) -> Calendar:
        """How its fiscal periods are cut."""
        return calendar_of(self.model_dump())

    @model_validator(mode="after")
    def _can_be(self) -> Entity:
        self.calendar  # noqa: B018 - a calendar that cannot be is a ValueError
        return self


class Customer(Part):
    code: Text
    country: Country = "US"
    terms: int = Field(default=30, ge=0, le=3650)
    tax_id: Text | None = None
    parent: Text | None = None
    exempt: Text | bool | None = None
    exempt_code: Annotated[Text, Field(pattern="^VATEX-[A-Z0-9-]+$")] | None = None

    @model_validator(mode="after")
    def _said(self) -> Customer:
        if self.exempt_code is not None and not self.exempt:
            raise ValueError("a code of an exemption needs exempt: the reason in words, or true")
        return self


class Dated(Part):
    """The day of an item of the timeline."""

    at: Day


class CostRate(Part):
    from_: Day = Field(alias="from")
    to: Day | None = None
    rate: Number
    currency: Currency | None = None
    burden: NotNegative = Decimal(0)


class Worker(Part):
    id: Text
    name: Text | None = None
    role: Text = "consultant"
    grade: Text | None = None
    entity: Text | None = None
    cost_center: Text | None = None
    country: Country | None = None
    hired: Day | None = None
    left: Day | None = None
    salaried: bool = True
    capacity: NotNegative = Decimal(40)
    skills: dict[str, int] = {}
    cost_rates: list[CostRate] = []


class Rate(Part):
    person: Text | None = None
    task: Text | None = None
    project: Text | None = None
    grade: Text | None = None
    role: Text | None = None
    country: Country | None = None
    worksite: Text | None = None
    day_type: Literal[DAY_TYPES] | None = None  # type: ignore[valid-type]
    band: Text | None = None
    price: Rated
    unit: Literal["hour", "day"] = "hour"
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None


class RateCard(Part):
    code: Text
    currency: Currency = "USD"
    blended: bool | None = None
    day_hours: Number | None = Field(default=None, gt=0, le=24)
    day_step: Number | None = Field(default=None, gt=0, le=1)
    day_overtime: bool | None = None
    rates: list[Rate] = Field(min_length=1)


class Tax(Part):
    code: Text
    country: Country | None = None
    business: bool | None = None
    category: Literal[tuple(CATEGORIES)]  # type: ignore[valid-type]
    rate: Share = Decimal(0)
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None
    note: Text | None = None


class TaxPoint(Part):
    country: Country | None = None
    first_of: list[Literal["supply", "invoice", "payment"]] = Field(min_length=1)
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None


class Holidays(Part):
    entity: Text
    holidays: list[Day]


class Fx(Part):
    at: Day
    pair: Text
    rate: Annotated[Number, Field(gt=0)]
    type: Literal["spot", "average", "contract"] = "spot"


class Project(Part):
    code: Text
    contract: Text
    tasks: list[Text] = []
    manager: Text | None = None


class PurchaseOrder(Part):
    number: Text
    customer: Text | None = None
    amount: Owed | None = None
    currency: Currency = "USD"


class Cap(Part):
    id: Text | None = None
    lines: Literal["all"] | list[Text] = "all"
    amount: Owed | None = None
    hours: NotNegative | None = None
    includes: list[Literal["time", "expenses"]] | None = None
    over: Literal["hold", "write_off"] = "hold"


class Increment(Part):
    minutes: int = Field(gt=0, le=1440)
    mode: Literal["up", "nearest", "down"] = "up"
    per: Literal["entry", "day"] = "entry"


class Overtime(Part):
    daily_after: Annotated[NotNegative, Field(le=24)] | None = None
    weekly_after: Annotated[NotNegative, Field(le=168)] | None = None
    multiplier: Annotated[NotNegative, Field(lt=1000)] = Decimal("1.5")
    basis: Literal["bill", "work"] = "bill"
    day_types: list[Literal[DAY_TYPES]] | None = None  # type: ignore[valid-type]


Period = Literal["month", "quarter", "year"]


class ScheduleItem(Part):
    at: Day
    id: Text | None = None
    amount: Owed | None = None
    share: Share | None = None


class Milestone(Part):
    id: Text
    name: Text | None = None
    at: Day | None = None
    amount: Owed | None = None
    share: Share | None = None


class Tier(Part):
    up_to: Number | None = Field(default=None, gt=0)
    price: Price
    flat: Owed | None = None


class Minimum(Part):
    amount: Owed
    every: Period = "month"


class Uplift(Part):
    rate: Number
    every: Period = "year"


class Drawdown(Part):
    rate_card: Text


class CategoryLimit(Part):
    limit_per_item: Owed | None = None
    limit_per_day: Owed | None = None
    limit_per_month: Owed | None = None
    limit: Owed | None = None


class ExpenseTerms(Part):
    markup: NotNegative | None = None
    cap: Owed | None = None
    categories: dict[str, CategoryLimit] = {}


class Billing(Part):
    method: Literal["time_and_materials", "fixed_fee", "milestone", "retainer", "recurring", "usage", "units"]
    rate_card: Text | None = None
    cap: Cap | None = None
    increment: Increment | None = None
    overtime: Overtime | None = None
    minimum_hours_per_day: Annotated[NotNegative, Field(le=24)] | None = None
    discount: Share | None = None
    expenses: ExpenseTerms | None = None
    amount: Owed | None = None
    schedule: list[ScheduleItem] | None = None
    every: Period | None = None
    milestones: list[Milestone] | None = None
    bill_on: Literal["accepted", "completed"] | None = None
    kind: Literal["hours", "availability", "security"] | None = None
    in_: Literal["advance", "arrears"] | None = Field(default=None, alias="in")
    drawdown: Drawdown | None = None
    rollover: Text | None = Field(default=None, pattern=r"^(none|all|[1-9][0-9]{0,2} periods?)$")
    overage: Literal["bill", "hold"] | None = None
    proration: Literal["daily", "none"] | None = None
    uplift: Uplift | None = None
    unit: Text | None = None
    included: NotNegative | None = None
    tiers: list[Tier] | None = None
    mode: Literal["graduated", "volume", "package"] | None = None
    package_size: Number | None = Field(default=None, gt=0)
    minimum: Minimum | None = None
    price: Price | None = None
    anchor: Day | None = None


class When(Part):
    milestone: Text | None = None
    at: Day | None = None


class Revenue(Part):
    method: Literal[
        "as_invoiced", "cost_to_cost", "labor_hours", "milestone", "straight_line", "units", "point_in_time"
    ]
    estimated_cost: Owed | None = None
    estimated_hours: NotNegative | None = None
    estimated_units: NotNegative | None = None
    weights: dict[str, NotNegative] | None = None
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None
    basis: Literal["daily", "monthly"] | None = None
    when: When | None = None


class Bundle(Part):
    """Lines that are also sold together: the price of all lines of that id (IFRS 15.82)."""

    id: Text
    price: Owed


class Residual(Part):
    """The line gets what the others leave, when that lies in this range (IFRS 15.79(c))."""

    low: Owed | None = None
    high: Owed | None = None


class Line(Part):
    id: Text = "1"
    name: Text | None = None
    project: Text | None = None
    obligation: Text | None = None
    ssp: Owed | None = None
    start: Day | None = None
    end: Day | None = None
    bundle: Bundle | None = None
    residual: Residual | None = None
    tax: Text | None = None
    ended_on: Day | None = None
    billing: Billing
    revenue: Revenue = Revenue(method="as_invoiced")


class Release(Part):
    milestone: Text | None = None
    at: Day | None = None


class Retention(Part):
    share: Share
    release: Release | None = None


class Payer(Part):
    customer: Text
    share: Share


class Variable(Part):
    id: Text
    amount: Amount = Decimal(0)
    method: Literal["most_likely", "expected_value"] = "most_likely"
    lines: Literal["all"] | list[Text] = "all"
    constrained: bool = False


class Invoicing(Part):
    group: Literal["contract", "project", "purchase_order", "customer"] = "contract"
    terms: int | None = Field(default=None, ge=0, le=3650)
    tax: Text | None = None
    calendar: Literal["month_end"] | None = None
    consolidate: bool = False
    retention: Share | Retention | None = None
    split: list[Payer] | None = None
    delivery: Literal["pdf"] | None = None


class Contract(Part):
    number: Text = "C-1"
    customer: Text | None = None
    entity: Text | None = None
    currency: Currency | None = None
    start: Day | None = None
    end: Day | None = None
    purchase_order: Text | None = None
    collectible: bool = True
    combine_with: Text | None = None
    rules: list[Text] = []
    loss_scope: Literal["asc_605_35"] | None = None
    non_cancellable: bool = True
    caps: list[Cap] = []
    invoicing: Invoicing = Invoicing()
    allocation: Literal["ssp", "stated"] = "ssp"
    variable: list[Variable] = []
    lines: list[Line] = Field(min_length=1)


def default_project(contract: str, line: str, place: int) -> str:
    """The project of a line that names none: `P-CONTRACT`, of every line but the first with the line's id."""
    return f"P-{contract}" if place == 1 else f"P-{contract}-{line}"


MEASURES = frozenset(
    [
        "revenue", "cost", "margin", "revenue_in_period", "cost_in_period", "billed", "tax", "billed_gross",
        "credited", "paid", "receivable", "unbilled_receivable", "contract_asset", "contract_liability",
        "unbilled", "deferred", "held", "written_off", "prepaid_balance", "retention", "on_hold", "disputed",
        "loss_provision", "refund_liability", "fx_gain", "percent_complete", "transaction_price",
        "allocated_price", "remaining_price", "hours_worked", "hours_billed", "hours_unbilled", "utilization",
        "invoices", "exceptions", "journal", "assignments", "unfilled", "tie_out", "events",
    ]
)  # fmt: skip
SELECTORS = frozenset({"contract", "line", "obligation", "entity", "worker", "project", "invoice"})


class Event(BaseModel):
    """One item of the timeline, checked: its day, verb, keys and place in the file."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    at: date
    verb: str
    body: Any
    place: tuple[Any, ...]

    @property
    def heard(self) -> date:
        """The day on which the hub hears of it."""
        return self.body.arrives or self.at


class Expectation(BaseModel):
    """What must be true at the end of a day: selectors and measures."""

    at: date
    where: dict[str, str]
    measures: dict[str, Any]
    tolerance: Decimal = Decimal(0)
    functional: bool = False
    place: tuple[Any, ...]


class TransferMargin(Part):
    supplier: Text
    buyer: Text
    margin: NotNegative
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None


class Policies(Part):
    """What the firm chose; a file states what differs from these defaults."""

    expedient: Literal["warn", "strict"] = "warn"
    correction: Literal["next_invoice", "credit_note"] = "next_invoice"
    fx: Literal["event_date", "period_average"] = "event_date"
    overtime_cost: Literal["capacity", "effective_rate"] = "capacity"
    labor_variance: Literal["projects", "period"] = "projects"
    week_start: Literal[WEEKDAYS] = "monday"  # type: ignore[valid-type]
    weekend: list[Literal[WEEKDAYS]] = list(WEEKEND)  # type: ignore[valid-type]
    overtime_days: list[Literal[DAY_TYPES]] = []  # type: ignore[valid-type]
    usage_tolerance: NotNegative = Decimal(0)
    write_limit: NotNegative = Decimal(0)
    prior_period_material: NotNegative = Decimal(0)
    transfer_margin: NotNegative = Decimal(0)
    transfer_margins: list[TransferMargin] = []
    tie_out_tolerance: NotNegative = Decimal(0)
    accrue_unapproved: bool = True


def _exact_one(value: Any) -> Any:
    return value if type(value) is int else None


class Header(Part):
    """The file without its timeline and expectations."""

    scenario: Annotated[Literal[1], BeforeValidator(_exact_one)]
    name: Text
    source: str | None = None
    tags: list[Text] = []
    entities: list[Entity] = []
    customers: list[Customer] = []
    workers: list[Worker] = []
    calendars: list[Holidays] = []
    leave: Any = None
    rate_cards: list[RateCard] = []
    taxes: list[Tax] = []
    tax_points: list[TaxPoint] = []
    fx: list[Fx] = []
    purchase_orders: list[PurchaseOrder] = []
    projects: list[Project] = []
    policies: Policies = Policies()
    contracts: list[Contract] = []
    timeline: list[dict[str, Any]] = []
    expect: list[dict[str, Any]] = []
