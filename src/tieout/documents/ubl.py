"""EN 16931 in UBL 2.1 (EN 16931-3-2): an Invoice, or a CreditNote for the types that credit."""

from __future__ import annotations

from typing import Any

from tieout.documents.en16931 import GUIDELINE, ROUNDING, Content, Extra, Ids, Line, clean, compact, money
from tieout.documents.xml import Writer
from tieout.domain.billing.sales_document import Party

_OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
_SPACES = {
    "cac": f"{_OASIS}:CommonAggregateComponents-2",
    "cbc": f"{_OASIS}:CommonBasicComponents-2",
}


def ubl(content: Content) -> bytes:
    """The document as UBL 2.1 in UTF-8."""
    root = "CreditNote" if content.document.is_credit else "Invoice"
    out = Writer(f"ubl:{root}", {"ubl": f"{_OASIS}:{root}-2", **_SPACES}, default="ubl")
    _header(out, content, root)
    _references(out, content)
    _party(out, "cac:AccountingSupplierParty", content.document.seller, content.seller)
    _party(out, "cac:AccountingCustomerParty", content.document.buyer, content.buyer)
    _payment(out, content)
    for extra in content.extras:
        _extra(out, content, extra)
    _taxes(out, content)
    _totals(out, content)
    for line in content.lines:
        _line(out, content, line)
    return out.bytes()


def _header(out: Writer, content: Content, root: str) -> None:
    said = content.document
    out.text(out.root, "cbc:CustomizationID", GUIDELINE)
    out.text(out.root, "cbc:ID", clean(said.number))
    out.text(out.root, "cbc:IssueDate", said.issue_date.isoformat())
    if not said.is_credit and said.due_date:
        out.text(out.root, "cbc:DueDate", said.due_date.isoformat())
    out.text(out.root, f"cbc:{root}TypeCode", said.type_code)
    if said.reason:
        out.text(out.root, "cbc:Note", clean(said.reason))
    out.text(out.root, "cbc:DocumentCurrencyCode", said.currency)
    if content.local_tax is not None:
        out.text(out.root, "cbc:TaxCurrencyCode", said.local_currency)
    _period(out, out.root, str(said.period_start or ""), str(said.period_end or ""))


def _period(out: Writer, parent: Any, start: str | None, end: str | None) -> None:
    if start or end:
        node = out.group(parent, "cac:InvoicePeriod")
        out.text(node, "cbc:StartDate", start)
        out.text(node, "cbc:EndDate", end)


def _references(out: Writer, content: Content) -> None:
    said = content.document
    if said.purchase_order:
        out.text(out.root, "cac:OrderReference/cbc:ID", clean(said.purchase_order))
    if said.credits:
        node = out.group(out.root, "cac:BillingReference/cac:InvoiceDocumentReference")
        out.text(node, "cbc:ID", clean(said.credits))
        out.text(node, "cbc:IssueDate", str(said.credits_issued or ""))
    if said.contract:
        out.text(out.root, "cac:ContractDocumentReference/cbc:ID", clean(said.contract))


def _party(out: Writer, role: str, party: Party, ids: Ids) -> None:
    node = out.group(out.root, f"{role}/cac:Party")
    address = out.group(node, "cac:PostalAddress")
    out.text(address, "cbc:StreetName", _or_none(party.street))
    out.text(address, "cbc:CityName", _or_none(party.city))
    out.text(address, "cbc:PostalZone", _or_none(party.postal_code))
    out.text(address, "cbc:CountrySubentity", _or_none(party.state_code))
    out.text(address, "cac:Country/cbc:IdentificationCode", party.country)
    for number, scheme in ((ids.vat, "VAT"), (ids.tax, "TAX")):
        if number:
            tax = out.group(node, "cac:PartyTaxScheme")
            out.text(tax, "cbc:CompanyID", number)
            out.text(tax, "cac:TaxScheme/cbc:ID", scheme)
    legal = out.group(node, "cac:PartyLegalEntity")
    out.text(legal, "cbc:RegistrationName", clean(party.name))
    out.text(legal, "cbc:CompanyID", _or_none(ids.legal))
    if party.contact or party.phone or party.email:
        contact = out.group(node, "cac:Contact")
        out.text(contact, "cbc:Name", _or_none(party.contact))
        out.text(contact, "cbc:Telephone", _or_none(party.phone))
        out.text(contact, "cbc:ElectronicMail", _or_none(party.email))


def _or_none(text: str | None) -> str | None:
    return clean(text) if text and text.strip() else None


def _payment(out: Writer, content: Content) -> None:
    said = content.document
    if said.bank and content.payment_means:
        means = out.group(out.root, "cac:PaymentMeans")
        out.text(means, "cbc:PaymentMeansCode", content.payment_means)
        out.text(means, "cbc:PaymentID", clean(said.number))
        account = out.group(means, "cac:PayeeFinancialAccount")
        out.text(account, "cbc:ID", compact(said.bank.account))
        out.text(account, "cac:FinancialInstitutionBranch/cbc:ID", said.bank.bic)
    if content.terms:
        out.text(out.root, "cac:PaymentTerms/cbc:Note", clean(content.terms))


def _category(
    out: Writer, parent: Any, name: str, category: str, percent: str | None, *reasons: str | None
) -> None:
    node = out.group(parent, name)
    out.text(node, "cbc:ID", category)
    out.text(node, "cbc:Percent", percent)
    if reasons:
        out.text(node, "cbc:TaxExemptionReasonCode", reasons[0])
        out.text(node, "cbc:TaxExemptionReason", reasons[1])
    out.text(node, "cac:TaxScheme/cbc:ID", "VAT")


def _extra(out: Writer, content: Content, extra: Extra) -> None:
    node = out.group(out.root, "cac:AllowanceCharge")
    out.text(node, "cbc:ChargeIndicator", "true" if extra.is_charge else "false")
    out.text(node, "cbc:AllowanceChargeReason", extra.reason)
    out.text(node, "cbc:Amount", extra.amount, currencyID=content.document.currency)
    _category(out, node, "cac:TaxCategory", extra.category, extra.percent)


def _taxes(out: Writer, content: Content) -> None:
    currency = content.document.currency
    total = out.group(out.root, "cac:TaxTotal")
    out.text(total, "cbc:TaxAmount", content.totals.tax, currencyID=currency)
    for part in content.taxes:
        node = out.group(total, "cac:TaxSubtotal")
        out.text(node, "cbc:TaxableAmount", part.taxable, currencyID=currency)
        out.text(node, "cbc:TaxAmount", part.tax, currencyID=currency)
        _category(out, node, "cac:TaxCategory", part.category, part.percent, part.reason_code, part.reason)
    if content.local_tax is not None:
        local = out.group(out.root, "cac:TaxTotal")
        out.text(local, "cbc:TaxAmount", content.local_tax, currencyID=str(content.document.local_currency))


def _totals(out: Writer, content: Content) -> None:
    totals, node = content.totals, out.group(out.root, "cac:LegalMonetaryTotal")
    for name, amount in (
        ("LineExtensionAmount", totals.lines),
        ("TaxExclusiveAmount", totals.net),
        ("TaxInclusiveAmount", totals.gross),
        ("AllowanceTotalAmount", totals.allowances),
        ("ChargeTotalAmount", totals.charges),
        ("PrepaidAmount", totals.prepaid),
        ("PayableAmount", totals.payable),
    ):
        out.text(node, f"cbc:{name}", amount, currencyID=content.document.currency)


def _line(out: Writer, content: Content, line: Line) -> None:
    credit, currency = content.document.is_credit, content.document.currency
    node = out.group(out.root, "cac:CreditNoteLine" if credit else "cac:InvoiceLine")
    out.text(node, "cbc:ID", str(line.number))
    quantity = "cbc:CreditedQuantity" if credit else "cbc:InvoicedQuantity"
    out.text(node, quantity, line.quantity, unitCode=line.unit)
    out.text(node, "cbc:LineExtensionAmount", line.net, currencyID=currency)
    _period(out, node, line.start, line.end)
    if line.difference:
        extra = out.group(node, "cac:AllowanceCharge")
        out.text(extra, "cbc:ChargeIndicator", "true" if line.difference > 0 else "false")
        out.text(extra, "cbc:AllowanceChargeReason", ROUNDING)
        out.text(extra, "cbc:Amount", money(abs(line.difference), currency), currencyID=currency)
    item = out.group(node, "cac:Item")
    out.text(item, "cbc:Name", line.name)
    _category(out, item, "cac:ClassifiedTaxCategory", line.category, line.percent)
    out.text(node, "cac:Price/cbc:PriceAmount", line.price, currencyID=currency)
