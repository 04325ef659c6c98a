"""The invoice as PDF/A-3: one page or more for a person, the backup sheet behind it, and the XML inside (Factur-X).

Typst sets it from a JSON value: texts of records are data there, never markup. Fonts come with the package, nothing is
fetched. The XML is attached byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import typst
from babel import Locale

from tieout.documents.cii import cii
from tieout.documents.en16931 import Content, Line, clean, compact, compose, plain
from tieout.domain.billing.sales_document import (
    CREDITS,
    BackupRow,
    Party,
    SalesDocument,
    refuse_unequal,
)
from tieout.domain.tax import CATEGORIES, OUT_OF_SCOPE, UNION
from tieout.model.money import minor_unit, round_to_minor

TITLES = {
    "380": "Invoice",
    "381": "Credit note",
    "386": "Prepayment invoice",
    "389": "Self-billed invoice",
    "261": "Self-billed credit note",
}
_TEMPLATE = Path(__file__).with_name("invoice.typ")
_LETTER = frozenset({"US", "CA", "MX"})
_UNITS = {"HUR": "h", "DAY": "d", "C62": ""}


def invoice_pdf(document: SalesDocument, backup: Sequence[BackupRow]) -> bytes:
    """The PDF/A-3b of a document with its backup sheet, and its CII XML as `factur-x.xml` inside.

    Raises ValueError when the rows of the backup sheet do not sum to the lines.
    """
    refuse_unequal(document, backup)
    content = compose(document)
    return with_xml(printed(content, backup), cii(content), content)


def printed(content: Content, backup: Sequence[BackupRow]) -> bytes:
    """The pages alone, without the XML."""
    said = json.dumps(_page_data(content, backup), ensure_ascii=False)
    made = typst.compile(
        _TEMPLATE,
        format="pdf",
        sys_inputs={"data": said},
        pdf_standards=["a-3b"],
        ignore_system_fonts=True,
    )
    if not isinstance(made, bytes):
        raise AssertionError("a PDF is one file")
    return made


def with_xml(pdf: bytes, xml: bytes, content: Content) -> bytes:
    """The PDF with the XML attached as Factur-X, profile EN16931."""
    from facturx import generate_from_binary

    said = content.document
    named = f"{TITLES[said.type_code]} {clean(said.number)}"
    made: bytes = generate_from_binary(
        pdf,
        xml,
        flavor="factur-x",
        level="en16931",
        check_xsd=False,  # validation.py does both, in its own process
        check_schematron=False,
        lang="en-GB",
        afrelationship="alternative",
        pdf_metadata={
            "author": clean(said.seller.name),
            "title": named,
            "subject": f"{named} of {said.issue_date.isoformat()}",
            "keywords": "Factur-X",
        },
    )
    return made


def _page_data(content: Content, backup: Sequence[BackupRow]) -> dict[str, Any]:
    said = content.document
    return {
        "paper": "us-letter" if said.seller.country in _LETTER else "a4",
        "title": TITLES[said.type_code],
        "number": clean(said.number),
        "draft": said.draft,
        "date": [said.issue_date.year, said.issue_date.month, said.issue_date.day],
        "currency": said.currency,
        "seller": _party(said.seller),
        "buyer": _party(said.buyer),
        "facts": [[name, value] for name, value in _facts(content) if value],
        "lines": [_line(content, line) for line in content.lines],
        "sums": [list(pair) for pair in _sums(content)],
        "payable": [_payable_name(said), shown(said.payable_amount - said.retained_amount, said.currency)],
        "notes": [note for note in _notes(content) if note],
        "payment": [[name, value] for name, value in _payment(content) if value],
        "imprint": [row for row in _imprint(content) if row],
        "backup": _backup(content, backup),
    }


def _party(party: Party) -> dict[str, Any]:
    town = " ".join(part for part in (party.postal_code, party.city) if part)
    if party.country in _LETTER:
        region = " ".join(part for part in (party.state_code, party.postal_code) if part)
        town = ", ".join(part for part in (party.city, region) if part)
    lines = [party.street, town, _country(party.country)]
    return {"name": clean(party.name), "address": [clean(line) for line in lines if line]}


def _country(code: str | None) -> str | None:
    return Locale("en").territories.get(code, code) if code else None


def _facts(content: Content) -> Iterator[tuple[str, str | None]]:
    said = content.document
    yield f"{'Draft' if said.draft else TITLES[said.type_code]} no.", clean(said.number)
    yield "Date of issue", day(said.issue_date)
    yield "Due", day(said.due_date) if said.due_date else None
    if said.period_start and said.period_end:
        yield "Period of service", span(said.period_start, said.period_end)
    yield "Your purchase order", said.purchase_order and clean(said.purchase_order)
    yield "Contract", said.contract and clean(said.contract)
    if said.credits:
        issued = f" of {day(said.credits_issued)}" if said.credits_issued else ""
        yield "Credits invoice", f"{clean(said.credits)}{issued}"
    yield "Your VAT no." if content.buyer.vat else "Your tax no.", content.buyer.vat or content.buyer.legal


def _line(content: Content, line: Line) -> list[str]:
    currency = content.document.currency
    tax = "–" if line.percent is None else f"{line.percent} %"
    name = line.name
    if line.difference:
        name += f" (single entries rounded: {shown(line.difference, currency, signed=True)})"
    quantity = f"{grouped(Decimal(line.quantity))} {_UNITS[line.unit]}".strip()
    stated = content.document.lines[[one.number for one in content.lines].index(line.number)]
    return [
        str(line.number), name, quantity, price(Decimal(line.price), currency), tax,
        shown(stated.net_amount, currency),
    ]  # fmt: skip


def _sums(content: Content) -> Iterator[tuple[str, str]]:
    said = content.document
    if said.adjustments:
        yield "Sum of lines", shown(Decimal(content.totals.lines), said.currency)
    for one in said.adjustments:
        yield clean(one.reason), shown(one.amount, said.currency)
    yield "Net", shown(said.net_amount, said.currency)
    tax = "VAT" if content.seller.vat else "Tax"
    for part in content.taxes:
        name = f"{tax} {part.percent} %"
        if part.percent in (None, "0"):
            name = "No tax" if part.category == OUT_OF_SCOPE else CATEGORIES[part.category].name
        taxable = shown(Decimal(part.taxable), said.currency)
        yield f"{name} on {taxable}", shown(Decimal(part.tax), said.currency)
    yield "Total", shown(said.gross_amount, said.currency)
    if content.local_tax is not None and said.local_currency:
        yield f"Tax in {said.local_currency}", shown(Decimal(content.local_tax), said.local_currency)
    if said.prepaid_amount:
        yield "Paid before", shown(-said.prepaid_amount, said.currency)
    if said.retained_amount:
        yield "Retention, until it is asked for", shown(-said.retained_amount, said.currency)


def _payable_name(document: SalesDocument) -> str:
    return "Amount credited" if document.type_code in CREDITS else "Amount due"


def _notes(content: Content) -> Iterator[str | None]:
    said = content.document
    yield said.reason and f"Reason: {clean(said.reason)}"
    for part in content.taxes:
        if part.category != OUT_OF_SCOPE or said.seller.country in UNION:
            yield part.reason


def _payment(content: Content) -> Iterator[tuple[str, str | None]]:
    said, bank = content.document, content.document.bank
    if said.type_code in CREDITS:
        return
    yield "Terms", content.terms
    if bank:
        yield ("IBAN", in_fours(bank.account)) if content.iban else ("Account", clean(bank.account))
        yield "BIC", bank.bic
        yield "Bank", bank.bank and clean(bank.bank)
        yield "Reference", clean(said.number)


def _imprint(content: Content) -> Iterator[list[str]]:
    """The rows at the foot of a page: who the seller is, and how to reach it."""
    seller, ids = content.document.seller, content.seller
    who = [seller.name, ids.legal and f"Registration {ids.legal}", ids.tax and f"Tax no. {ids.tax}",
           ids.vat and f"VAT no. {ids.vat}"]  # fmt: skip
    yield [clean(part) for part in who if part]
    yield [clean(part) for part in (seller.contact, seller.phone, seller.email) if part]


def _backup(content: Content, rows: Sequence[BackupRow]) -> list[dict[str, Any]]:
    """Per line its rows and their sum, which `refuse_unequal` has compared with the line."""
    currency = content.document.currency
    parts = []
    for line, stated in zip(content.lines, content.document.lines, strict=True):
        mine = [row for row in rows if row.line == line.number]
        if mine:
            unit = _UNITS[line.unit]
            parts.append(
                {
                    "title": f"Line {line.number}: {line.name}",
                    "rows": [
                        [
                            row.day.isoformat() if row.day else "", clean(row.worker or "–"), clean(row.text or row.role or "–"),
                            f"{grouped(row.quantity)} {unit}".strip(), price(row.price, currency),
                            shown(row.amount, currency),
                        ]
                        for row in mine
                    ],
                    "sum": [
                        f"{grouped(sum((row.quantity for row in mine), Decimal(0)))} {unit}".strip(),
                        shown(stated.net_amount, currency),
                    ],
                }
            )  # fmt: skip
    return parts


def in_fours(account: str) -> str:
    """An IBAN in groups of four, as it is read aloud."""
    bare = compact(account)
    return " ".join(bare[place : place + 4] for place in range(0, len(bare), 4))


def day(value: date) -> str:
    """2 March 2026: the same for readers on both sides of the Atlantic."""
    return f"{value.day} {Locale('en').months['format']['wide'][value.month]} {value.year}"


def span(first: date, last: date) -> str:
    """2 – 27 February 2026, with what both days share said once."""
    if first == last:
        return day(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {day(last)}"
    if first.year == last.year:
        return f"{day(first).removesuffix(f' {first.year}')} – {day(last)}"
    return f"{day(first)} – {day(last)}"


def shown(amount: Decimal, currency: str, *, signed: bool = False) -> str:
    """An amount with groups of thousands and a true minus sign; more decimals than the currency has stay visible."""
    rounded = round_to_minor(amount, currency)
    text = f"{rounded:,.{minor_unit(currency)}f}" if rounded == amount else grouped(amount)
    return _signed(text, signed)


def grouped(value: Decimal) -> str:
    """A quantity with groups of thousands, without the zeros of its column."""
    whole, _, rest = plain(value).partition(".")
    return _signed(
        f"{int(whole):,}" + (f".{rest}" if rest else "") if whole not in ("-0",) else f"-0.{rest}", False
    )


def price(value: Decimal, currency: str) -> str:
    """A price with at least the decimals of its currency."""
    exact = round_to_minor(value, currency)
    return shown(exact, currency) if exact == value else grouped(value)


def _signed(text: str, signed: bool) -> str:
    if text.startswith("-"):
        return f"−{text[1:]}"
    return f"+{text}" if signed else text
