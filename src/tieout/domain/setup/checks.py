"""The contract, its customer, entity, tax, prices, purchase order and document: every finding at once, in plain words.

What a person gets back once per missing field costs days; one list costs one correction. Domain rules §2 to §4 and the
set-up of mission workflow 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import TAX_QUESTIONS, frame
from tieout.domain.tax.treatment import determine_tax
from tieout.model.money import is_currency

SUPPORTED_METHODS = ("time_and_materials",)
LONGEST_TERMS_DAYS = 365
LONGEST_INCREMENT_MINUTES = 480
OVER_CAP = (None, "hold", "write_off")
WITHOUT_POSTAL_CODE = frozenset({"AE", "HK", "MO", "QA"})
"""Places whose addresses have none."""


@dataclass(frozen=True)
class Finding:
    """One thing that stops the set-up: the field, what is wrong with it, and where a person puts it right."""

    field: str
    what: str
    where: str

    def words(self) -> str:
        """`field: what is wrong; where to fix it`."""
        return f"{self.field}: {self.what}; {self.where}"


@dataclass(frozen=True)
class SetupFacts:
    """What is known about a contract on a day. `prices` are the currencies of each card's prices on the first day.

    `cards` are the contract's, customer's and entity's rate cards in the order they are asked; `owners` the system
    that each field group is taken from; `treatments` the tax table (frame TREATMENTS).
    """

    contract: Mapping[str, Any]
    customer: Mapping[str, Any] | None
    entity: Mapping[str, Any] | None
    cards: Sequence[str]
    prices: Mapping[str, frozenset[str]]
    treatments: pl.DataFrame
    today: date
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_day(self) -> date:
        """The first day of service; today where the contract states none."""
        return self.contract.get("start_date") or self.today

    def at(self, group: str, what: str) -> str:
        """Where a field of this group is put right."""
        return f"correct {what} in {self.owners.get(group, 'its source system')}"


TERMS = frozenset({
    "start_date", "end_date", "currency", "payment_terms", "billing_method", "cap_amount", "cap_over", "discount",
    "increment_minutes",
})  # fmt: skip
"""Fields of findings about what was agreed, as an amendment can change it."""


@dataclass(frozen=True)
class Judgement:
    """All findings; the tax category where one could be determined; whether a purchase order is required and missing."""

    findings: tuple[Finding, ...]
    tax_category: str | None
    purchase_order_missing: bool


def judge(facts: SetupFacts) -> Judgement:
    """Everything that stops the contract from being set up, in the order in which a person would check it."""
    category, tax = _tax(facts)
    order_missing = _order_missing(facts)
    found = (
        *_customer(facts), *_entity(facts), *tax, *_currency(facts), *_terms(facts), *_dates(facts),
        *_method(facts), *_prices(facts), *_purchase_order(facts, order_missing), *_limits(facts),
        *_document(facts),
    )  # fmt: skip
    return Judgement(found, category, order_missing)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _customer(facts: SetupFacts) -> Iterator[Finding]:
    number, customer = facts.contract.get("customer"), facts.customer
    where = facts.at("customer.profile", f"customer {number}")
    if customer is None:
        named = f"customer {number} is not known" if number else "the contract names none"
        yield Finding("customer", named, facts.at("contract.terms", "the contract's account"))
        return
    for name, said in (
        ("legal_name", "the legal name is missing"),
        ("country", "the country is missing"),
        ("city", "the city of the address is missing"),
        ("currency", "the currency is missing"),
    ):
        if _blank(customer.get(name)):
            yield Finding(f"customer.{name}", said, where)
    if _blank(customer.get("postal_code")) and customer.get("country") not in WITHOUT_POSTAL_CODE:
        yield Finding("customer.postal_code", "the postal code of the address is missing", where)


def _entity(facts: SetupFacts) -> Iterator[Finding]:
    code = facts.contract.get("legal_entity")
    if _blank(code):
        where = facts.at("contract.terms", "the contract")
        yield Finding("legal_entity", "the contract names no legal entity", where)
    elif facts.entity is None:
        where = f"add it in {facts.owners.get('legal_entity', 'its source system')}, or correct the contract"
        yield Finding("legal_entity", f"there is no active legal entity {code}", where)


def _tax(facts: SetupFacts) -> tuple[str | None, tuple[Finding, ...]]:
    """Category of a sale of the entity to the customer's country on the first day; silent where either is missing."""
    entity, country = facts.contract.get("legal_entity"), (facts.customer or {}).get("country")
    if _blank(entity) or _blank(country):
        return None, ()
    code = (facts.contract.get("invoicing") or {}).get("tax_code")
    question = {
        "key": "setup",
        "entity": entity,
        "country": country,
        "code": code,
        "business": not _blank((facts.customer or {}).get("tax_id")),
        "tax_point": facts.first_day,
    }
    result = determine_tax(frame([question], TAX_QUESTIONS), facts.treatments)
    if result.answers.height:
        return str(result.answers["tax_category"][0]), ()
    where = "add a treatment under `tax` in the workspace"
    return None, (Finding("tax", str(result.undetermined["detail"][0]), where),)


def _currency(facts: SetupFacts) -> Iterator[Finding]:
    currency = facts.contract.get("currency")
    where = facts.at("contract.terms", "the contract's currency")
    if _blank(currency):
        yield Finding("currency", "the contract states none", where)
        return
    if not is_currency(str(currency)):
        yield Finding("currency", f"{currency} is no ISO 4217 currency", where)
    theirs = (facts.customer or {}).get("currency")
    if not _blank(theirs) and theirs != currency:
        what = f"the contract is in {currency}, its customer in {theirs}"
        yield Finding("currency", what, f"{where}, or the customer's")


def _terms(facts: SetupFacts) -> Iterator[Finding]:
    days, where = facts.contract.get("payment_terms_days"), facts.at("contract.terms", "the payment terms")
    if days is None:
        yield Finding("payment_terms", "the days until payment are missing", where)
    elif not 0 <= days <= LONGEST_TERMS_DAYS:
        what = f"0 to {LONGEST_TERMS_DAYS} days expected, got {days}"
        yield Finding("payment_terms", what, where)


def _dates(facts: SetupFacts) -> Iterator[Finding]:
    start, end = facts.contract.get("start_date"), facts.contract.get("end_date")
    where = facts.at("contract.terms", "the contract's dates")
    if start is None:
        yield Finding("start_date", "the first day is missing", where)
    elif end is not None and end < start:
        yield Finding("end_date", f"the last day {end} is before the first day {start}", where)


def _method(facts: SetupFacts) -> Iterator[Finding]:
    method = facts.contract.get("billing_method")
    if method in SUPPORTED_METHODS:
        return
    what = f"{method} cannot be billed yet" if method else "the billing method is missing"
    expected = ", ".join(SUPPORTED_METHODS)
    where = f"{facts.at('contract.terms', 'the contract')}: one of {expected}"
    yield Finding("billing_method", what, where)


def _prices(facts: SetupFacts) -> Iterator[Finding]:
    """The named card must have prices of its own; without one, the customer's or the entity's serves."""
    named = facts.contract.get("rate_card")
    asked = [named] if named else list(facts.cards)
    if not asked:
        where = (
            f"{facts.at('contract.terms', 'the contract')}, or name a card for the entity in the workspace"
        )
        yield Finding(
            "rate_card", "no rate card is named for the contract, its customer or its entity", where
        )
        return
    names = " or ".join(str(card) for card in asked)
    found = frozenset[str]().union(*(facts.prices.get(str(card), frozenset()) for card in asked))
    currency = facts.contract.get("currency")
    if not found:
        where = "import its prices with `tieout rates import`, or correct the card's name on the contract"
        yield Finding("rate_card", f"{names} has no price on {facts.first_day}", where)
    elif not _blank(currency) and currency not in found:
        what = f"{names} has prices in {', '.join(sorted(found))}, the contract is in {currency}"
        yield Finding("rate_card", what, "import its prices in the contract's currency")


def _order_missing(facts: SetupFacts) -> bool:
    required = bool((facts.customer or {}).get("purchase_order_required"))
    return required and _blank(facts.contract.get("purchase_order"))


def _purchase_order(facts: SetupFacts, missing: bool) -> Iterator[Finding]:
    where = facts.at("contract.purchase_order", "the purchase order on the contract")
    amount = facts.contract.get("purchase_order_amount")
    if missing:
        what = f"customer {facts.contract.get('customer')} requires one and the contract names none"
        yield Finding("purchase_order", what, where)
    if amount is not None and amount <= 0:
        yield Finding("purchase_order_amount", f"an amount above zero expected, got {amount}", where)


def _limits(facts: SetupFacts) -> Iterator[Finding]:
    contract, where = facts.contract, facts.at("contract.terms", "the contract")
    cap, discount = contract.get("cap_amount"), contract.get("discount")
    minutes, mode = contract.get("increment_minutes"), contract.get("increment_mode")
    if cap is not None and cap <= 0:
        yield Finding("cap_amount", f"an amount above zero expected, got {cap}", where)
    if contract.get("cap_over") not in OVER_CAP:
        yield Finding("cap_over", f"hold or write_off expected, got {contract['cap_over']}", where)
    if discount is not None and not Decimal(0) <= discount < Decimal(1):
        yield Finding("discount", f"0 to below 100 % expected, got {discount * 100:f} %", where)
    if minutes is not None and not 0 < minutes <= LONGEST_INCREMENT_MINUTES:
        what = f"1 to {LONGEST_INCREMENT_MINUTES} minutes expected, got {minutes}"
        yield Finding("increment_minutes", what, where)
    if mode is not None and minutes is None:
        yield Finding("increment_minutes", f"the mode {mode} needs the minutes of an increment", where)


def _document(facts: SetupFacts) -> Iterator[Finding]:
    where = facts.at("contract.terms", "the contract's document")
    if _blank(facts.contract.get("document_url")):
        yield Finding("document", "the link to the signed contract is missing", where)
    if _blank(facts.contract.get("document_hash")):
        yield Finding("document_hash", "the hash of the signed contract is missing", where)
