"""What each file of a workspace may state, and the findings where it states something else."""

from __future__ import annotations

import difflib
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from tieout.domain.rating.policies import DAY_TYPES
from tieout.domain.subledger.accounts import ACCOUNTS
from tieout.model.money import is_currency
from tieout.model.periods import MONTH_ENDS, WEEKDAYS, YEAR_ENDS
from tieout.workspace.findings import Finding
from tieout.workspace.yamlfile import Place, YamlFile


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError("a time zone such as America/New_York is expected") from None
    return name


def _currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError("an ISO 4217 currency code such as USD is expected")
    return code


Code = Annotated[str, Field(strict=True, min_length=1, max_length=200)]
TimeZone = Annotated[Code, AfterValidator(_time_zone)]
CurrencyCode = Annotated[Code, AfterValidator(_currency)]
Scalar = StrictBool | StrictInt | str | Decimal


class Shape(BaseModel):
    """Base: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WorkspaceFile(Shape):
    """tieout.yaml"""

    name: Code
    environments: list[Code] = ["dev"]
    regions: list[Code] = []


class ConnectionFile(Shape):
    """connections/NAME.yaml"""

    connector: Code
    config: dict[Code, Scalar] = {}
    secrets: dict[Code, Code] = {}
    budget_per_minute: int = Field(default=6000, ge=1, le=1_000_000, strict=True)


class OwnershipFile(Shape):
    """ownership.yaml; the matrix itself is read by hub.ownership."""

    ownership: dict[Code, Any]


class Treatment(Shape):
    """One tax treatment; a seller's entity or buyer's country left out means any. `code` names it for contracts.

    `business`: only buyers with a tax number (true) or without (false).
    """

    code: Code | None = None
    entity: Code | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    business: StrictBool | None = None
    category: Literal["S", "Z", "E", "AE", "K", "G", "O", "L", "M"]
    rate: Decimal = Field(ge=0, le=1, decimal_places=6)
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")
    note: str = ""


class TaxPoint(Shape):
    """Of which days the first is the tax point of what sellers of a country sell; a country left out means any."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    first_of: Annotated[list[Literal["supply", "invoice", "payment"]], Field(min_length=1)]
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")

    @field_validator("first_of")
    @classmethod
    def _certain(cls, value: list[str]) -> list[str]:
        if set(value) == {"payment"}:
            raise ValueError("supply or invoice is expected beside payment, which need not come")
        return value


class TransferMargin(Shape):
    """The share of cost that one legal entity adds when its people work for another."""

    supplier: Code
    buyer: Code
    margin: Decimal = Field(ge=0, le=100, decimal_places=6)
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _two(self) -> TransferMargin:
        if self.supplier == self.buyer:
            raise ValueError("two different legal entities are expected")
        return self


class TaxFile(Shape):
    """tax/*.yaml"""

    treatments: list[Treatment] = []
    points: list[TaxPoint] = []


class Series(Shape):
    """Prefixes of document numbers."""

    invoice: Code | None = None
    credit_note: Code | None = None


class Cards(Shape):
    """Rate cards where the contract names none."""

    entity: dict[Code, Code] = {}
    customer: dict[Code, Code] = {}


class BillingFile(Shape):
    """billing.yaml"""

    items: dict[Code, Code] = {}
    tax_codes: dict[Code, Code] = {}
    series: dict[Code, Series] = {}
    cards: Cards = Cards()
    correction: Literal["next_invoice", "credit_note"] = "next_invoice"
    tie_out_tolerance: Decimal = Field(default=Decimal(0), ge=0)
    write_limit: Decimal = Field(default=Decimal(0), ge=0)
    prior_period_material: Decimal = Field(default=Decimal(0), ge=0)
    accrue_unapproved: bool = True
    expedient: Literal["warn", "strict"] = "warn"
    fx: Literal["event_date", "period_average"] = "event_date"
    usage_tolerance: Decimal = Field(default=Decimal(0), ge=0)
    overtime_cost: Literal["capacity", "effective_rate"] = "capacity"
    labor_variance: Literal["projects", "period"] = "projects"
    transfer_margin: Decimal = Field(default=Decimal(0), ge=0, le=100, decimal_places=6)
    transfer_margins: list[TransferMargin] = []
    week_start: Literal[WEEKDAYS] = "monday"  # type: ignore[valid-type]
    holidays: list[date] | None = None
    weekend: list[Literal[WEEKDAYS]] | None = None  # type: ignore[valid-type]
    overtime_days: list[Literal[DAY_TYPES]] = []  # type: ignore[valid-type]


class Invoices(Shape):
    """How a legal entity appears on its invoices; `electronic`: drafts are checked by EN 16931 before release."""

    electronic: StrictBool = False
    legal_name: Code | None = None
    street: Code | None = None
    city: Code | None = None
    postal_code: Code | None = None
    state_code: Code | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    tax_id: Code | None = None
    registration: Code | None = None
    contact: Code | None = None
    phone: Code | None = None
    email: Code | None = None
    account: Code | None = None
    bic: Code | None = None
    bank: Code | None = None
    exemption: Code | None = None
    self_billed: list[Code] = []


class EntityFile(Shape):
    """entities/CODE.yaml"""

    time_zone: TimeZone
    invoices: Invoices | None = None
    holidays: list[date] | None = None
    fiscal_year_start: Annotated[int, Field(ge=1, le=12, strict=True)] | None = None
    month_end: Annotated[Literal[MONTH_ENDS], BeforeValidator(str)] | None = None  # type: ignore[valid-type]
    year_end: Literal[YEAR_ENDS] | None = None  # type: ignore[valid-type]
    year_ends_on: Literal[WEEKDAYS] | None = None  # type: ignore[valid-type]
    week_53: Annotated[int, Field(ge=1, le=13, strict=True)] | None = None


class CardFile(Shape):
    """rates/*.yaml: one rate card, its prices stated here or in a price list beside it.

    `blended`: one price for every role and grade; `day_hours`, `day_step`, `day_overtime`: what a price by the day counts.
    """

    card: Code
    currency: CurrencyCode = "USD"
    blended: StrictBool | None = None
    day_hours: Decimal | None = Field(default=None, gt=0, le=24, decimal_places=6)
    day_step: Decimal | None = Field(default=None, gt=0, le=1, decimal_places=6)
    day_overtime: StrictBool | None = None
    file: Code | None = None
    start: date | None = Field(default=None, alias="from")
    format: Literal["plain", "gsa"] | None = None
    rates: list[dict[Code, Any]] | None = None

    @property
    def rules(self) -> dict[str, Any]:
        """What is stated of the card beside its prices, as JSON carries it."""
        named = {"blended", "day_hours", "day_step", "day_overtime"}
        return self.model_dump(mode="json", include=named, exclude_none=True)


ACCOUNT_NAMES = frozenset(ACCOUNTS)

T = TypeVar("T", bound=Shape)


def parse(file: YamlFile, shape: type[T]) -> tuple[T | None, list[Finding]]:
    """The file in its shape, or what is wrong with each key of it."""
    if file.findings:
        return None, list(file.findings)
    if not isinstance(file.value, dict):
        known = ", ".join(_names(shape))
        return None, [file.finding((), "no keys are stated", f"the keys {known} are expected")]
    try:
        return shape.model_validate(file.value), []
    except ValidationError as error:
        return None, [_finding(file, shape, one) for one in error.errors()]


def _finding(file: YamlFile, shape: type[Shape], error: Any) -> Finding:
    place = _place(file, error)
    seen = error["input"]
    if error["type"] == "extra_forbidden":
        known = _names(_shape_at(shape, place[:-1]))
        near = difflib.get_close_matches(str(place[-1]), known, 1)
        return file.finding(
            place, "this key is not known", f"known are {', '.join(known)}",
            f"Did you mean {near[0]}?" if near else "Take it out.",
        )  # fmt: skip
    if error["type"] == "missing":
        return file.finding(place, "it is missing", "it must be stated", "State it.")
    remedy = f'Put it in quotes: "{seen}".' if error["type"] == "string_type" and _is_number(seen) else ""
    return file.finding(place, f"{_shown(seen)} was seen", _expected(error), remedy)


def _expected(error: Any) -> str:
    said = str(error["msg"]).removeprefix("Value error, ")
    said = said.removeprefix("Input should be ")
    return said if "expected" in said else f"expected is {said[:1].lower()}{said[1:]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = repr(str(value)) if isinstance(value, str | Decimal | date) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _place(file: YamlFile, error: Any) -> Place:
    """The place in the file: what pydantic adds for the branch of a union is no key."""
    place: Place = ()
    for part in error["loc"]:
        if (*place, part) in file.lines or error["type"] == "missing":
            place = (*place, part)
    return place


def _names(shape: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in shape.model_fields.items()]


def _shape_at(shape: type[Shape], place: tuple[Any, ...]) -> type[BaseModel]:
    """The shape that a place of the file has: of a nested table, else of the whole file."""
    nested: dict[str, type[BaseModel]] = {
        "treatments": Treatment, "points": TaxPoint, "series": Series, "cards": Cards, "invoices": Invoices,
    }  # fmt: skip
    return nested.get(str(place[0]), shape) if place else shape
