"""One list of everything that stops a contract from being set up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tieout.domain.frames import TREATMENTS, frame
from tieout.domain.setup.checks import SetupFacts, judge
from tieout.domain.setup.erp import ErpRules, judge_erp, questions

TODAY = date(2026, 3, 2)
TAX = {
    "entity": "US01",
    "country": "US",
    "category": "O",
    "rate": Decimal(0),
    "effective_from": date(2020, 1, 1),
}
CONTRACT = {
    "key": "K-1", "customer": "C-100", "legal_entity": "US01", "currency": "USD", "start_date": date(2026, 1, 1),
    "end_date": date(2026, 12, 31), "payment_terms_days": 30, "billing_method": "time_and_materials",
    "rate_card": "STANDARD", "cap_amount": Decimal(50_000), "cap_over": "hold", "discount": Decimal("0.05"),
    "increment_minutes": 15, "increment_mode": "up", "purchase_order": "PO-7", "purchase_order_amount": Decimal(50_000),
    "document_url": "https://docs.example/k-1.pdf", "document_hash": "ab" * 32,
}  # fmt: skip
CUSTOMER = {
    "key": "C-100", "legal_name": "Acme", "country": "US", "city": "Austin", "postal_code": "73301",
    "currency": "USD", "purchase_order_required": True,
}  # fmt: skip
RULES = ErpRules("netsuite", "SVC-TIME", "NON-TAX", "4900")
ANSWERS = {
    "subsidiary": {"id": "1", "currency_code": "USD"}, "currency": {"id": "1"}, "term": {"id": "2"},
    "item": {"id": "3", "income_account": "4900"}, "tax_code": {"id": "4"},
    "period": {"id": "5", "code": "2026-03", "open": True}, "customer": None,
}  # fmt: skip


def facts(
    contract: dict[str, Any] | None = None, customer: dict[str, Any] | None = CUSTOMER, **more: Any
) -> SetupFacts:
    given: dict[str, Any] = {
        "contract": CONTRACT | (contract or {}), "customer": customer and CUSTOMER | customer, "entity": {"key": "US01"},
        "cards": ["STANDARD"], "prices": {"STANDARD": frozenset({"USD"})}, "treatments": frame([TAX], TREATMENTS),
        "today": TODAY, "owners": {"customer.profile": "salesforce"},
    }  # fmt: skip
    return SetupFacts(**given | more)


def fields(found: SetupFacts) -> list[str]:
    return [finding.field for finding in judge(found).findings]


def test_a_complete_contract_has_no_finding() -> None:
    """The mirror of every case below: what is right stays silent, and the tax category is known."""
    judged = judge(facts())
    assert (judged.findings, judged.tax_category, judged.purchase_order_missing) == ((), "O", False)


@pytest.mark.parametrize(
    ("contract", "customer", "more", "expected"),
    [
        ({}, {"legal_name": " "}, {}, ["customer.legal_name"]),
        ({}, {"city": None, "postal_code": None}, {}, ["customer.city", "customer.postal_code"]),
        ({}, {"country": None}, {}, ["customer.country"]),
        ({}, {"currency": "EUR"}, {}, ["currency"]),
        ({"currency": None}, CUSTOMER, {}, ["currency"]),
        ({"currency": "ABC"}, {"currency": "ABC"}, {"prices": {"STANDARD": frozenset({"ABC"})}}, ["currency"]),
        ({"customer": None}, None, {}, ["customer"]),
        ({}, None, {}, ["customer"]),
        ({"legal_entity": None}, CUSTOMER, {"entity": None}, ["legal_entity"]),
        ({"legal_entity": "DE01"}, CUSTOMER, {"entity": None}, ["legal_entity", "tax"]),
        ({}, {"country": "DE"}, {}, ["tax"]),
        ({"payment_terms_days": None}, CUSTOMER, {}, ["payment_terms"]),
        ({"payment_terms_days": -1}, CUSTOMER, {}, ["payment_terms"]),
        ({"start_date": None}, CUSTOMER, {}, ["start_date"]),
        ({"end_date": date(2025, 12, 31)}, CUSTOMER, {}, ["end_date"]),
        ({"billing_method": "fixed_fee"}, CUSTOMER, {}, ["billing_method"]),
        ({"billing_method": None}, CUSTOMER, {}, ["billing_method"]),
        ({}, CUSTOMER, {"prices": {}}, ["rate_card"]),
        ({}, CUSTOMER, {"prices": {"STANDARD": frozenset({"EUR"})}}, ["rate_card"]),
        ({"rate_card": None}, CUSTOMER, {"cards": []}, ["rate_card"]),
        ({"rate_card": None}, CUSTOMER, {}, []),
        ({"purchase_order": None}, CUSTOMER, {}, ["purchase_order"]),
        ({"purchase_order": None}, {"purchase_order_required": False}, {}, []),
        ({"purchase_order_amount": Decimal(0)}, CUSTOMER, {}, ["purchase_order_amount"]),
        ({"cap_amount": Decimal(0)}, CUSTOMER, {}, ["cap_amount"]),
        ({"discount": Decimal(1)}, CUSTOMER, {}, ["discount"]),
        ({"increment_minutes": 0}, CUSTOMER, {}, ["increment_minutes"]),
        ({"increment_minutes": None}, CUSTOMER, {}, ["increment_minutes"]),
        ({"document_url": None, "document_hash": ""}, CUSTOMER, {}, ["document", "document_hash"]),
    ],
)  # fmt: skip
def test_each_missing_or_wrong_fact_is_one_finding(
    contract: dict[str, Any], customer: dict[str, Any] | None, more: dict[str, Any], expected: list[str]
) -> None:
    """One fault planted, one finding and no other."""
    given = facts(contract, customer, **more)
    assert fields(given) == expected


def test_all_findings_come_at_once_and_say_where_to_fix_them() -> None:
    """Five faults in four places are five findings, each with its place."""
    found = judge(
        facts(
            {"payment_terms_days": None, "purchase_order": None, "document_hash": None},
            {"city": None, "currency": "EUR"},
        )
    )
    words = [finding.words() for finding in found.findings]
    assert len(words) == 5
    assert (
        words[0] == "customer.city: the city of the address is missing; correct customer C-100 in salesforce"
    )
    assert found.purchase_order_missing


def test_an_address_without_postal_codes_is_complete_without_one() -> None:
    """Hong Kong has none."""
    tax = frame([TAX | {"country": None}], TREATMENTS)
    assert fields(facts({}, {"country": "HK", "postal_code": None}, treatments=tax)) == []


def test_the_erp_is_asked_only_what_is_stated() -> None:
    """A contract without entity and terms asks for neither; the period is that of today once the service has begun."""
    asked = questions(facts({"legal_entity": None, "payment_terms_days": None}), RULES)
    assert [(q.name, q.key) for q in asked] == [
        ("currency", "USD"), ("item", "SVC-TIME"), ("tax_code", "NON-TAX"), ("period", "2026-03-02"),
        ("invoice numbers", "invoice"), ("creditMemo numbers", "creditMemo"),
    ]  # fmt: skip
    later = questions(facts({"start_date": date(2026, 5, 1)}), RULES)
    assert {q.name: q.key for q in later}["period"] == "2026-05-01"
    assert {q.name: q.key for q in later}["customer"] == "C-100/US01"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, []),
        ({"subsidiary": None}, ["subsidiary"]),
        ({"subsidiary": {"id": "1", "currency_code": "EUR"}}, ["subsidiary"]),
        ({"currency": None}, ["erp_currency"]),
        ({"term": None}, ["erp_terms"]),
        ({"item": None}, ["item"]),
        ({"item": {"id": "3", "income_account": "4000"}}, ["item_account"]),
        ({"item": {"id": "3", "income_account": None}}, ["item_account"]),
        ({"tax_code": None}, ["tax_code"]),
        ({"period": None}, ["period"]),
        ({"period": {"id": "5", "code": "2026-03", "open": False}}, ["period"]),
        ({"invoice numbers": None}, ["numbering"]),
        ({"invoice numbers": None, "creditMemo numbers": None}, ["numbering", "numbering"]),
        ({"customer": {"id": "9", "currency_code": "USD"}}, []),
        ({"customer": {"id": "9", "currency_code": "EUR"}}, ["erp_customer"]),
    ],
)
def test_each_answer_of_the_erp_that_would_refuse_an_invoice_is_a_finding(
    answers: dict[str, Any], expected: list[str]
) -> None:
    """One fault planted in the ERP's reference data, one finding."""
    found = judge_erp(facts(), RULES, "O", ANSWERS | answers, elsewhere=False)
    assert [finding.field for finding in found] == expected


def test_a_customer_in_another_subsidiary_is_a_finding() -> None:
    """The ERP knows the customer, but its invoices could not be of this entity."""
    assert [f.field for f in judge_erp(facts(), RULES, "O", ANSWERS, elsewhere=True)] == ["erp_customer"]


def test_names_that_the_workspace_leaves_out_are_findings() -> None:
    """Without item, account and tax code no invoice could ever be posted."""
    bare = ErpRules("netsuite", None, None, None)
    assert [f.field for f in judge_erp(facts(), bare, "O", {}, elsewhere=False)] == [
        "item",
        "item_account",
        "tax_code",
    ]
    assert [f.field for f in judge_erp(facts(), bare, None, {}, elsewhere=False)] == ["item", "item_account"]
