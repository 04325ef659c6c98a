"""The XML of documents, judged by the schemas and rules of EN 16931 themselves, in both syntaxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from tests.documents.sample import BUYER, FRENCH, LINES, SELLER, D, credit_note, invoice, untaxed
from tieout.documents.cii import cii
from tieout.documents.en16931 import Content, compose, tax_number_findings
from tieout.documents.ubl import ubl
from tieout.documents.validation import failed_rules
from tieout.domain.billing.sales_document import Adjustment, SalesDocument
from tieout.model.money import UnknownCurrency

Syntax = Callable[[Content], bytes]
both = pytest.mark.parametrize("syntax", [ubl, cii])

# lines 1200.00 + 667.50, less 100.00 at 19 %, plus 50.00 at 7 %:
# 19 %: 1767.50 -> 335.825 -> 335.83; 7 %: 50.00 -> 3.50; net 1817.50, tax 339.33, gross 2156.83, paid 100.00
ADJUSTED = invoice(
    adjustments=(
        Adjustment(D(-100), "Volume discount", "S", D("0.19")),
        Adjustment(D(50), "Flat travel charge", "S", D("0.07")),
    ),
    net_amount=D("1817.50"), tax_amount=D("339.33"), gross_amount=D("2156.83"), prepaid_amount=D(100),
)  # fmt: skip
VALID = {
    "invoice 380": invoice(),
    "credit note 381": credit_note(),
    "self-billed 389": invoice(type_code="389"),
    "prepayment 386": invoice(type_code="386"),
    "self-billed credit note 261": credit_note(type_code="261"),
    "out of scope, dollars": untaxed("O", currency="USD"),
    "reverse charge to France": untaxed("AE", buyer=FRENCH),
    "exempt, with the law's words": untaxed("E", exemption="§ 4 Nr. 21 UStG"),
    "exempt, with a code of the list VATEX": untaxed(
        "E", exemption="Education\x07 & training", exemption_code="VATEX-EU-132-1I"
    ),
    "zero rate": untaxed("Z"),
    # 1,200 at 19 % = 228; 667.50 at 16 % = 106.80
    "a rate that changed, and a deposit at the old one": invoice(
        lines=(LINES[0], replace(LINES[1], tax_rate=D("0.16")),
               replace(LINES[0], number=3, quantity=D(-1), unit_price=D(1000), net_amount=D(-1000), unit="item")),
        net_amount=D("867.50"), tax_amount=D("144.80"), gross_amount=D("1012.30"),
    ),
    "two rates, allowance, charge, prepaid": ADJUSTED,
    "yen": invoice(
        currency="JPY", lines=(replace(LINES[0], net_amount=D(1200)),), net_amount=D(1200), tax_amount=D(228),
        gross_amount=D(1428),
    ),
    "dollars with the tax in euros beside": invoice(
        currency="USD", local_currency="EUR", local_tax_amount=D("325.53")
    ),
    "no bank, no order, no period": invoice(
        bank=None, purchase_order=None, contract=None, period_start=None, period_end=None
    ),
    "an American seller without VAT number": untaxed(
        "O", currency="USD", seller=replace(SELLER, country="US", tax_id="91-1144442", registration=None)
    ),
}  # fmt: skip


def rules(document: SalesDocument, syntax: Syntax) -> list[str]:
    """Ids of the rules that the document fails."""
    return [one.rule for one in failed_rules(syntax(compose(document)))]


def value(xml: bytes, name: str) -> list[str]:
    """Texts of all elements of a name, in order."""
    return [node.text or "" for node in etree.fromstring(xml).iter(f"{{*}}{name}")]


@both
@pytest.mark.parametrize("document", VALID.values(), ids=VALID)
def test_a_document_is_valid(document: SalesDocument, syntax: Syntax) -> None:
    assert rules(document, syntax) == []


@both
@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (invoice(gross_amount=D("2222.34")), "BR-CO-15"),
        (invoice(net_amount=D("1867.51"), gross_amount=D("2222.34")), "BR-CO-13"),
        (invoice(tax_amount=D("354.82"), gross_amount=D("2222.32")), "BR-CO-14"),
        (invoice(buyer=replace(BUYER, country=None)), "BR-11"),
        (invoice(seller=replace(SELLER, tax_id=None)), "BR-S-02"),
        (untaxed("AE", buyer=replace(FRENCH, tax_id=None)), "BR-AE-02"),
        (invoice(lines=(replace(LINES[0], quantity=D("1.005"), net_amount=D("1867.505")),)), "BR-DEC-23"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_wrong_fails_its_rule(wrong: SalesDocument, rule: str, syntax: Syntax) -> None:
    """Totals are written as they are stated, never mended, so that the rules see them."""
    assert rule in rules(wrong, syntax)


def test_a_code_that_is_not_of_the_list_of_exemptions_is_found() -> None:
    wrong = untaxed("E", exemption="school", exemption_code="VATEX-SCHOOL")
    assert rules(wrong, ubl) == ["BR-CL-22"]
    assert len(rules(wrong, cii)) == 1, "Factur-X counts the same list under a number of its own"


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(UnknownCurrency, match="EUX"):
        compose(invoice(currency="EUX"))


def test_both_syntaxes_state_the_same_amounts() -> None:
    content = compose(ADJUSTED)
    in_ubl, in_cii = ubl(content), cii(content)
    assert value(in_ubl, "PayableAmount") == value(in_cii, "DuePayableAmount") == ["2056.83"]
    assert value(in_ubl, "TaxableAmount") == value(in_cii, "BasisAmount") == ["50.00", "1767.50"]
    assert value(in_ubl, "PriceAmount") == ["150", "200.25"]
    assert value(in_ubl, "InvoicedQuantity") == value(in_cii, "BilledQuantity") == ["8", "3.333333"]


@both
def test_the_difference_of_rounded_entries_is_stated_on_its_line(syntax: Syntax) -> None:
    """40 entries of 0.01 h at 33.33 are 0.33 each: 13.20, but 0.4 h × 33.33 = 13.332 -> 13.33: an allowance of 0.13."""
    line = replace(LINES[0], quantity=D("0.4"), unit_price=D("33.33"), net_amount=D("13.20"))
    # 13.20 × 0.19 = 2.508 -> 2.51
    found = invoice(lines=(line,), net_amount=D("13.20"), tax_amount=D("2.51"), gross_amount=D("15.71"))
    assert rules(found, syntax) == []
    xml = syntax(compose(found))
    assert value(xml, "Amount" if syntax is ubl else "ActualAmount") == ["0.13"]
    assert value(xml, "ChargeIndicator" if syntax is ubl else "Indicator")[0] == "false"


@both
def test_a_price_is_never_negative(syntax: Syntax) -> None:
    """A deduction of 1 × −200 is written as −1 × 200 (BR-27): 1200.00 − 200.00 = 1000.00."""
    deducted = replace(LINES[1], quantity=D(1), unit_price=D(-200), net_amount=D(-200), unit="item")
    found = invoice(lines=(LINES[0], deducted), net_amount=D(1000), tax_amount=D(190), gross_amount=D(1190))
    assert rules(found, syntax) == []
    assert value(syntax(compose(found)), "BilledQuantity" if syntax is cii else "InvoicedQuantity")[1] == "-1"


@both
def test_hostile_texts_stay_texts(syntax: Syntax) -> None:
    told = "<!-- ]]> & \x0b\x00 \ufffe ${7*7} &lt;"
    found = invoice(lines=(replace(LINES[0], description=told), LINES[1]), number="INV/1&2")
    assert rules(found, syntax) == []
    name = value(syntax(compose(found)), "Name")
    assert "<!-- ]]> & \ufffd\ufffd \ufffd ${7*7} &lt;" in name


def test_out_of_scope_names_no_vat_number() -> None:
    """BR-O-02: the number stands as legal registration where there is no other."""
    xml = ubl(compose(untaxed("O", seller=replace(SELLER, registration=None))))
    assert value(xml, "TaxExemptionReasonCode") == ["VATEX-EU-O"]
    assert b"PartyTaxScheme" not in xml
    assert b"<cbc:CompanyID>DE136695976</cbc:CompanyID>" in xml


def test_a_credit_note_names_its_invoice() -> None:
    content = compose(credit_note())
    assert b"<cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode>" in ubl(content)
    assert b"<ram:IssuerAssignedID>INV-1042</ram:IssuerAssignedID>" in cii(content)
    assert b"20260302" in cii(content)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (invoice(), []),
        (invoice(buyer=replace(BUYER, tax_id="DE129273399")), ["TAX-ID-BUYER"]),
        (invoice(buyer=replace(BUYER, tax_id=None)), []),
        (untaxed("AE", buyer=FRENCH), []),
        (untaxed("AE", buyer=replace(FRENCH, tax_id=None)), ["TAX-ID-BUYER"]),
        (untaxed("AE", buyer=FRENCH, seller=replace(SELLER, tax_id=None)), ["TAX-ID-SELLER"]),
    ],
)
def test_tax_numbers_of_both_parties(document: SalesDocument, found: list[str]) -> None:
    assert [rule for rule, _ in tax_number_findings(document)] == found


def test_the_same_record_gives_the_same_bytes() -> None:
    made: dict[str, Any] = {"issue_date": date(2026, 3, 2), "prepaid_amount": Decimal("0.00")}
    assert ubl(compose(invoice(**made))) == ubl(compose(invoice()))
    assert cii(compose(invoice(**made))) == cii(compose(invoice()))
