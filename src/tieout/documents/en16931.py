"""The semantic content of EN 16931 of one document: what its XML says, in the one place where both syntaxes take it from.

Business terms (BT, BG) are those of EN 16931-1:2017. Totals are the document's own; where they do not fit its lines the
XML says so too, and validation finds it (BR-CO-10 to BR-CO-17).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from tieout.domain.billing.sales_document import (
    Party,
    SalesDocument,
    line_difference,
    tax_shares,
)
from tieout.domain.tax import CATEGORIES, EXEMPT, OUT_OF_SCOPE, REVERSED, UNION, read_tax_number
from tieout.model.money import minor_unit, round_to_minor

GUIDELINE = "urn:cen.eu:en16931:2017"
"""BT-24: the document follows the norm without extension."""
UNITS = {"hour": "HUR", "day": "DAY", "item": "C62"}
"""Unit of a line -> code of UN/ECE Recommendation 20 (BT-130)."""
TRANSFER, SEPA_TRANSFER = "30", "58"
"""Means of payment (BT-81, UNTDID 4461)."""
ROUNDING = "Entries are rounded one by one"
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Ids:
    """How a party is identified: `vat` BT-31/48, `tax` BT-32 (seller only), `legal` BT-30/47."""

    vat: str | None
    tax: str | None
    legal: str | None


@dataclass(frozen=True)
class Line:
    """BG-25. `difference` is a charge (positive) or allowance (negative) on the line; `percent` None under O."""

    number: int
    name: str
    quantity: str
    unit: str
    price: str
    net: str
    difference: Decimal
    category: str
    percent: str | None
    start: str | None
    end: str | None


@dataclass(frozen=True)
class Extra:
    """BG-20 (an allowance) or BG-21 (a charge) of the document; `amount` without sign."""

    is_charge: bool
    amount: str
    reason: str
    category: str
    percent: str | None


@dataclass(frozen=True)
class Subtotal:
    """BG-23: one category and rate."""

    category: str
    percent: str | None
    taxable: str
    tax: str
    reason: str | None
    reason_code: str | None


@dataclass(frozen=True)
class Totals:
    """BG-22 as texts; None where the term is left out."""

    lines: str
    allowances: str | None
    charges: str | None
    net: str
    tax: str
    gross: str
    prepaid: str | None
    payable: str


@dataclass(frozen=True)
class Content:
    """What the XML of a document states; texts are ready to be written, dates are ISO."""

    document: SalesDocument
    seller: Ids
    buyer: Ids
    lines: tuple[Line, ...]
    extras: tuple[Extra, ...]
    taxes: tuple[Subtotal, ...]
    totals: Totals
    local_tax: str | None
    terms: str | None
    payment_means: str | None
    iban: bool


def compose(document: SalesDocument) -> Content:
    """The semantic content of a document. Purely from the record: the same record gives the same content."""
    categories = {line.tax_category for line in document.lines}
    silent = categories == {OUT_OF_SCOPE}  # BR-O-02: no VAT number on a document that is out of scope
    local = document.local_tax_amount
    bank = document.bank
    iban = bool(bank and _IBAN.fullmatch(compact(bank.account)))
    return Content(
        document=document,
        seller=_ids(document.seller, silent, seller=True),
        buyer=_ids(document.buyer, silent, seller=False),
        lines=tuple(_lines(document)),
        extras=tuple(_extras(document)),
        taxes=tuple(_taxes(document)),
        totals=_totals(document),
        local_tax=money(local, document.local_currency or document.currency) if local is not None else None,
        terms=payment_terms(document),
        payment_means=(SEPA_TRANSFER if iban and document.currency == "EUR" else TRANSFER) if bank else None,
        iban=iban,
    )


def tax_number_findings(document: SalesDocument) -> list[tuple[str, str]]:
    """What is wrong with the parties' tax numbers: (rule, text). Reverse charge needs a VAT number of each."""
    found = []
    reverse = any(line.tax_category == REVERSED for line in document.lines)
    for role, party in (("seller", document.seller), ("buyer", document.buyer)):
        number = read_tax_number(party.tax_id, party.country) if party.tax_id else None
        rule = f"TAX-ID-{role.upper()}"
        if number is not None:
            found += [(rule, f"{role}: {text}") for text in number.findings]
        needed = reverse and (role == "seller" or party.country in UNION)
        if needed and (number is None or number.kind != "vat"):
            found.append((rule, f"{role}: {party.name} has no VAT number, which reverse charge needs"))
    return found


def payment_terms(document: SalesDocument) -> str | None:
    """BT-20: when is to be paid, in words; of a credit note what it credits."""
    if document.is_credit:
        return f"Credited against invoice {document.credits}" if document.credits else "Credit note"
    days = f"Payable within {document.terms_days} days" if document.terms_days else "Payable at once"
    if not document.retained_amount:
        return days
    kept = f"{money(document.retained_amount, document.currency)} {document.currency}"
    return f"{days}, less a retention of {kept} until it is asked for"


def _ids(party: Party, silent: bool, *, seller: bool) -> Ids:
    number = read_tax_number(party.tax_id, party.country) if party.tax_id else None
    legal = party.registration
    if number is None:
        return Ids(None, None, legal)
    if silent or (number.kind != "vat" and not seller):
        return Ids(None, None, legal or number.number)
    if number.kind == "vat":
        return Ids(number.number, None, legal)
    return Ids(None, number.number, legal)


def _lines(document: SalesDocument) -> list[Line]:
    found = []
    for line in document.lines:
        turned = -1 if line.unit_price < 0 else 1  # BR-27: a price is not negative, a quantity may be
        found.append(
            Line(
                line.number, clean(line.description), plain(turned * line.quantity), UNITS[line.unit],
                plain(turned * line.unit_price), money(line.net_amount, document.currency),
                line_difference(line, document.currency), line.tax_category,
                percent(line.tax_category, line.tax_rate), _day(line.period_start), _day(line.period_end),
            )
        )  # fmt: skip
    return found


def _extras(document: SalesDocument) -> list[Extra]:
    return [
        Extra(
            one.amount > 0, money(abs(one.amount), document.currency), clean(one.reason), one.tax_category,
            percent(one.tax_category, one.tax_rate),
        )
        for one in document.adjustments
    ]  # fmt: skip


def _taxes(document: SalesDocument) -> list[Subtotal]:
    found = []
    for share in tax_shares(document):
        category = CATEGORIES[share.category]
        exempt = share.category == EXEMPT
        reason = (exempt and document.exemption and clean(document.exemption)) or category.reason
        code = (exempt and document.exemption_code) or category.reason_code
        found.append(
            Subtotal(
                share.category, percent(share.category, share.rate), money(share.taxable_amount, document.currency),
                money(share.tax_amount, document.currency), reason, code,
            )
        )  # fmt: skip
    return found


def _totals(document: SalesDocument) -> Totals:
    def shown(amount: Decimal) -> str:
        return money(amount, document.currency)

    lines = sum((line.net_amount for line in document.lines), _ZERO)
    allowances = -sum((one.amount for one in document.adjustments if one.amount < 0), _ZERO)
    charges = sum((one.amount for one in document.adjustments if one.amount > 0), _ZERO)
    return Totals(
        shown(lines), shown(allowances) if allowances else None, shown(charges) if charges else None,
        shown(document.net_amount), shown(document.tax_amount), shown(document.gross_amount),
        shown(document.prepaid_amount) if document.prepaid_amount else None, shown(document.payable_amount),
    )  # fmt: skip


def money(amount: Decimal, currency: str) -> str:
    """An amount with the decimals of its currency; one that has more is written whole, and validation finds it."""
    rounded = round_to_minor(amount, currency)
    return f"{rounded:.{minor_unit(currency)}f}" if rounded == amount else plain(amount)


def plain(value: Decimal) -> str:
    """A decimal without exponent and without the zeros of its column."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def percent(category: str, rate: Decimal) -> str | None:
    """The rate in percent; None where the category has no rate."""
    return None if category == OUT_OF_SCOPE else plain(rate * 100)


def clean(text: str) -> str:
    """The text without what XML cannot hold; never empty."""
    return _ILLEGAL.sub("�", text).strip() or "-"


def compact(text: str) -> str:
    """An account number without the spaces that people write into it."""
    return re.sub(r"\s", "", text).upper()


def _day(day: object) -> str | None:
    return None if day is None else str(day)
