"""EN 16931 in UN/CEFACT Cross Industry Invoice (EN 16931-3-3): the XML that Factur-X embeds, profile EN16931."""

from __future__ import annotations

from datetime import date
from typing import Any

from tieout.documents.en16931 import GUIDELINE, ROUNDING, Content, Extra, Ids, Line, clean, compact, money
from tieout.documents.xml import Writer
from tieout.domain.billing.sales_document import Party

_UNECE = "urn:un:unece:uncefact:data:standard"
_SPACES = {
    "rsm": f"{_UNECE}:CrossIndustryInvoice:100",
    "ram": f"{_UNECE}:ReusableAggregateBusinessInformationEntity:100",
    "udt": f"{_UNECE}:UnqualifiedDataType:100",
    "qdt": f"{_UNECE}:QualifiedDataType:100",
}


def cii(content: Content) -> bytes:
    """The document as CII in UTF-8."""
    out = Writer("rsm:CrossIndustryInvoice", _SPACES)
    said = content.document
    context = out.group(out.root, "rsm:ExchangedDocumentContext")
    out.text(context, "ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", GUIDELINE)
    head = out.group(out.root, "rsm:ExchangedDocument")
    out.text(head, "ram:ID", clean(said.number))
    out.text(head, "ram:TypeCode", said.type_code)
    _date(out, head, "ram:IssueDateTime", said.issue_date)
    if said.reason:
        out.text(head, "ram:IncludedNote/ram:Content", clean(said.reason))
    deal = out.group(out.root, "rsm:SupplyChainTradeTransaction")
    for line in content.lines:
        _line(out, deal, content, line)
    _agreement(out, deal, content)
    out.group(deal, "ram:ApplicableHeaderTradeDelivery")
    _settlement(out, deal, content)
    return out.bytes()


def _date(
    out: Writer, parent: Any, name: str, day: date | str | None, text: str = "udt:DateTimeString"
) -> None:
    if day:
        out.text(parent, f"{name}/{text}", str(day).replace("-", ""), format="102")


def _period(out: Writer, parent: Any, start: date | str | None, end: date | str | None) -> None:
    if start or end:
        node = out.group(parent, "ram:BillingSpecifiedPeriod")
        _date(out, node, "ram:StartDateTime", start)
        _date(out, node, "ram:EndDateTime", end)


def _tax(out: Writer, parent: Any, name: str, category: str, percent: str | None) -> None:
    node = out.group(parent, name)
    out.text(node, "ram:TypeCode", "VAT")
    out.text(node, "ram:CategoryCode", category)
    out.text(node, "ram:RateApplicablePercent", percent)


def _line(out: Writer, deal: Any, content: Content, line: Line) -> None:
    node = out.group(deal, "ram:IncludedSupplyChainTradeLineItem")
    out.text(node, "ram:AssociatedDocumentLineDocument/ram:LineID", str(line.number))
    out.text(node, "ram:SpecifiedTradeProduct/ram:Name", line.name)
    out.text(
        node, "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount", line.price
    )
    out.text(node, "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", line.quantity, unitCode=line.unit)
    settled = out.group(node, "ram:SpecifiedLineTradeSettlement")
    _tax(out, settled, "ram:ApplicableTradeTax", line.category, line.percent)
    _period(out, settled, line.start, line.end)
    if line.difference:
        extra = out.group(settled, "ram:SpecifiedTradeAllowanceCharge")
        out.text(extra, "ram:ChargeIndicator/udt:Indicator", "true" if line.difference > 0 else "false")
        out.text(extra, "ram:ActualAmount", money(abs(line.difference), content.document.currency))
        out.text(extra, "ram:Reason", ROUNDING)
    out.text(settled, "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", line.net)


def _agreement(out: Writer, deal: Any, content: Content) -> None:
    said, node = content.document, out.group(deal, "ram:ApplicableHeaderTradeAgreement")
    _party(out, node, "ram:SellerTradeParty", said.seller, content.seller)
    _party(out, node, "ram:BuyerTradeParty", said.buyer, content.buyer)
    if said.purchase_order:
        out.text(node, "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID", clean(said.purchase_order))
    if said.contract:
        out.text(node, "ram:ContractReferencedDocument/ram:IssuerAssignedID", clean(said.contract))


def _party(out: Writer, parent: Any, role: str, party: Party, ids: Ids) -> None:
    node = out.group(parent, role)
    out.text(node, "ram:Name", clean(party.name))
    out.text(node, "ram:SpecifiedLegalOrganization/ram:ID", _or_none(ids.legal))
    if party.contact or party.phone or party.email:
        contact = out.group(node, "ram:DefinedTradeContact")
        out.text(contact, "ram:PersonName", _or_none(party.contact))
        out.text(contact, "ram:TelephoneUniversalCommunication/ram:CompleteNumber", _or_none(party.phone))
        out.text(contact, "ram:EmailURIUniversalCommunication/ram:URIID", _or_none(party.email))
    address = out.group(node, "ram:PostalTradeAddress")
    out.text(address, "ram:PostcodeCode", _or_none(party.postal_code))
    out.text(address, "ram:LineOne", _or_none(party.street))
    out.text(address, "ram:CityName", _or_none(party.city))
    out.text(address, "ram:CountryID", party.country)
    out.text(address, "ram:CountrySubDivisionName", _or_none(party.state_code))
    for number, scheme in ((ids.vat, "VA"), (ids.tax, "FC")):
        out.text(node, "ram:SpecifiedTaxRegistration/ram:ID", number, schemeID=scheme)


def _or_none(text: str | None) -> str | None:
    return clean(text) if text and text.strip() else None


def _settlement(out: Writer, deal: Any, content: Content) -> None:
    said, node = content.document, out.group(deal, "ram:ApplicableHeaderTradeSettlement")
    if said.bank and content.payment_means:
        out.text(node, "ram:PaymentReference", clean(said.number))
    if content.local_tax is not None:
        out.text(node, "ram:TaxCurrencyCode", said.local_currency)
    out.text(node, "ram:InvoiceCurrencyCode", said.currency)
    if said.bank and content.payment_means:
        means = out.group(node, "ram:SpecifiedTradeSettlementPaymentMeans")
        out.text(means, "ram:TypeCode", content.payment_means)
        account = "ram:IBANID" if content.iban else "ram:ProprietaryID"
        out.text(means, f"ram:PayeePartyCreditorFinancialAccount/{account}", compact(said.bank.account))
        out.text(means, "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID", said.bank.bic)
    for part in content.taxes:
        tax = out.group(node, "ram:ApplicableTradeTax")
        out.text(tax, "ram:CalculatedAmount", part.tax)
        out.text(tax, "ram:TypeCode", "VAT")
        out.text(tax, "ram:ExemptionReason", part.reason)
        out.text(tax, "ram:BasisAmount", part.taxable)
        out.text(tax, "ram:CategoryCode", part.category)
        out.text(tax, "ram:ExemptionReasonCode", part.reason_code)
        out.text(tax, "ram:RateApplicablePercent", part.percent)
    _period(out, node, said.period_start, said.period_end)
    for extra in content.extras:
        _extra(out, node, extra)
    terms = out.group(node, "ram:SpecifiedTradePaymentTerms")
    out.text(terms, "ram:Description", content.terms)
    _date(out, terms, "ram:DueDateDateTime", said.due_date)
    _totals(out, node, content)
    if said.credits:
        credited = out.group(node, "ram:InvoiceReferencedDocument")
        out.text(credited, "ram:IssuerAssignedID", clean(said.credits))
        _date(out, credited, "ram:FormattedIssueDateTime", said.credits_issued, "qdt:DateTimeString")


def _extra(out: Writer, node: Any, extra: Extra) -> None:
    made = out.group(node, "ram:SpecifiedTradeAllowanceCharge")
    out.text(made, "ram:ChargeIndicator/udt:Indicator", "true" if extra.is_charge else "false")
    out.text(made, "ram:ActualAmount", extra.amount)
    out.text(made, "ram:Reason", extra.reason)
    _tax(out, made, "ram:CategoryTradeTax", extra.category, extra.percent)


def _totals(out: Writer, node: Any, content: Content) -> None:
    totals, said = content.totals, content.document
    made = out.group(node, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    out.text(made, "ram:LineTotalAmount", totals.lines)
    out.text(made, "ram:ChargeTotalAmount", totals.charges)
    out.text(made, "ram:AllowanceTotalAmount", totals.allowances)
    out.text(made, "ram:TaxBasisTotalAmount", totals.net)
    out.text(made, "ram:TaxTotalAmount", totals.tax, currencyID=said.currency)
    if content.local_tax is not None:
        out.text(made, "ram:TaxTotalAmount", content.local_tax, currencyID=str(said.local_currency))
    out.text(made, "ram:GrandTotalAmount", totals.gross)
    out.text(made, "ram:TotalPrepaidAmount", totals.prepaid)
    out.text(made, "ram:DuePayableAmount", totals.payable)
