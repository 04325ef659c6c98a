"""What the ERP needs before it takes a customer, a job and later an invoice: what to ask it, and what its answers mean.

An invoice that the ERP refuses is found at month end; the same refusal is found here on the day of signing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tieout.domain.setup.checks import Finding, SetupFacts

DOCUMENTS = ("invoice", "creditMemo")
"""Documents that carry our numbers."""


@dataclass(frozen=True)
class ErpRules:
    """The workspace's names in one ERP: service item for time, code of the sale's tax category, clearing account."""

    name: str
    item: str | None
    tax_code: str | None
    clearing_account: str | None


@dataclass(frozen=True)
class Question:
    """One record of the ERP's reference data to ask for; `name` is under which the answer is given back."""

    name: str
    kind: str
    key: str


Answers = Mapping[str, Mapping[str, Any] | None]


def questions(facts: SetupFacts, rules: ErpRules) -> tuple[Question, ...]:
    """What to ask the ERP; what the contract or workspace does not state yet is not asked (it is a finding already)."""
    contract = facts.contract
    entity, currency, days = (contract.get(n) for n in ("legal_entity", "currency", "payment_terms_days"))
    customer = f"{contract.get('customer')}/{entity}" if contract.get("customer") and entity else None
    asked = (
        ("subsidiary", entity),
        ("currency", currency),
        ("term", None if days is None else str(days)),
        ("item", rules.item),
        ("tax_code", rules.tax_code),
        ("period", max(facts.first_day, facts.today).isoformat()),
        ("customer", customer),
    )
    numbered = (Question(f"{document} numbers", "numbering", document) for document in DOCUMENTS)
    return (*(Question(name, name, str(key)) for name, key in asked if key), *numbered)


def judge_erp(
    facts: SetupFacts, rules: ErpRules, category: str | None, answers: Answers, elsewhere: bool
) -> tuple[Finding, ...]:
    """Every finding of the ERP's answers. `elsewhere`: it holds the customer, but not in this legal entity.

    `category` is the sale's tax category, None when it could not be determined (which is a finding already).
    """
    return (
        *_entity(facts, rules, answers),
        *_money(facts, rules, answers),
        *_item(rules, answers),
        *_tax_code(rules, category, answers),
        *_period(facts, rules, answers),
        *_customer(facts, rules, answers, elsewhere),
        *_numbers(rules, answers),
    )


def _missing(answers: Answers, name: str) -> bool:
    return name in answers and answers[name] is None


def _entity(facts: SetupFacts, rules: ErpRules, answers: Answers) -> Iterator[Finding]:
    entity, currency = facts.contract.get("legal_entity"), facts.contract.get("currency")
    held = answers.get("subsidiary")
    if _missing(answers, "subsidiary") and facts.entity is not None:
        where = f"give the subsidiary its external id in {rules.name}"
        yield Finding("subsidiary", f"{rules.name} has no subsidiary {entity}", where)
    elif held is not None and currency and held.get("currency_code") not in (None, currency):
        what = f"{entity} keeps its books in {held['currency_code']}, the contract is in {currency}"
        yield Finding("subsidiary", what, "correct the entity or the currency on the contract")


def _money(facts: SetupFacts, rules: ErpRules, answers: Answers) -> Iterator[Finding]:
    if _missing(answers, "currency"):
        what = f"{rules.name} has no currency {facts.contract.get('currency')}"
        yield Finding("erp_currency", what, f"add it in {rules.name}, or correct the contract's")
    if _missing(answers, "term"):
        what = f"{rules.name} has no terms of {facts.contract.get('payment_terms_days')} days"
        yield Finding("erp_terms", what, f"add them in {rules.name}, or correct the contract's payment terms")


def _item(rules: ErpRules, answers: Answers) -> Iterator[Finding]:
    workspace = "correct it in the workspace"
    if rules.item is None:
        yield Finding(
            "item", "the workspace names no service item for time (`billing.items.time`)", workspace
        )
    elif _missing(answers, "item"):
        what = f"{rules.name} has no item {rules.item}"
        yield Finding("item", what, f"add it in {rules.name}, or {workspace}")
    if rules.clearing_account is None:
        what = f"the workspace maps no account of {rules.name} to billing_clearing"
        yield Finding("item_account", what, workspace)
        return
    held = answers.get("item")
    if held is not None and held.get("income_account") != rules.clearing_account:
        account = held.get("income_account") or "no account"
        what = f"item {rules.item} earns on {account}, billing_clearing is {rules.clearing_account}"
        yield Finding("item_account", what, f"correct the item's income account in {rules.name}")


def _tax_code(rules: ErpRules, category: str | None, answers: Answers) -> Iterator[Finding]:
    if category is not None and rules.tax_code is None:
        what = f"the workspace names no code of {rules.name} for tax category {category}"
        yield Finding("tax_code", what, "add it under `billing.tax_codes` in the workspace")
    elif _missing(answers, "tax_code"):
        where = f"add it in {rules.name}, or correct `billing.tax_codes` in the workspace"
        yield Finding("tax_code", f"{rules.name} has no tax code {rules.tax_code}", where)


def _period(facts: SetupFacts, rules: ErpRules, answers: Answers) -> Iterator[Finding]:
    day, held = max(facts.first_day, facts.today), answers.get("period")
    if _missing(answers, "period"):
        yield Finding("period", f"{rules.name} has no posting period for {day}", f"set it up in {rules.name}")
    elif held is not None and not held.get("open"):
        what = f"the posting period {held.get('code')} of {day} is closed in {rules.name}"
        yield Finding("period", what, "reopen it, or wait for the next one")


def _numbers(rules: ErpRules, answers: Answers) -> Iterator[Finding]:
    for document in DOCUMENTS:
        if _missing(answers, f"{document} numbers"):
            what = f"{rules.name} does not take our number on a document of type {document}"
            yield Finding("numbering", what, f"allow document numbers to be overridden in {rules.name}")


def _customer(facts: SetupFacts, rules: ErpRules, answers: Answers, elsewhere: bool) -> Iterator[Finding]:
    number, currency = facts.contract.get("customer"), facts.contract.get("currency")
    held = answers.get("customer")
    if held is not None and currency and held.get("currency_code") != currency:
        what = f"{rules.name} holds {number} in {held.get('currency_code')}, the contract is in {currency}"
        yield Finding("erp_customer", what, f"add the currency to the customer in {rules.name}")
    elif elsewhere and _missing(answers, "customer"):
        what = f"{rules.name} holds {number} in another subsidiary than {facts.contract.get('legal_entity')}"
        yield Finding("erp_customer", what, f"add the subsidiary to the customer in {rules.name}")
