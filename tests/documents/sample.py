"""Documents of a German firm for tests: one line of 8 h at 150 and one of 3.333333 h at 200.25, 19 % tax."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.domain.billing.sales_document import BankAccount, DocumentLine, Party, SalesDocument

D = Decimal
SELLER = Party(
    "Meridian Consulting GmbH", "DE", "Friedrichstraße 12", "Berlin", "10117", tax_id="DE136695976",
    registration="HRB 12345 B", contact="Accounts receivable", phone="+49 30 5550199", email="ar@meridian.example",
)  # fmt: skip
BUYER = Party("Acme & Söhne AG", "DE", "Am Wehr 1", "München", "80331", tax_id="DE 129 273 398")
FRENCH = Party("Société <Générale> d'Essai", "FR", "1 rue de l'Été", "Paris", "75001", tax_id="FR83404833048")
LINES = (
    DocumentLine(
        1, "Consultant, Ledger migration", D(8), D(150), D(1200), "S", D("0.19"),
        period_start=date(2026, 2, 2), period_end=date(2026, 2, 27),
    ),
    DocumentLine(2, "Manager, Ledger migration", D("3.333333"), D("200.25"), D("667.50"), "S", D("0.19")),
)  # fmt: skip
# 1200.00 + 667.50 = 1867.50; × 0.19 = 354.825 -> 354.83; 1867.50 + 354.83 = 2222.33
NET, TAX, GROSS = D("1867.50"), D("354.83"), D("2222.33")


def invoice(**change: Any) -> SalesDocument:
    """An invoice (380) of both lines."""
    made = SalesDocument(
        "380", "INV-1042", date(2026, 3, 2), date(2026, 4, 1), "EUR", SELLER, BUYER, LINES, NET, TAX, GROSS,
        bank=BankAccount("DE89 3704 0044 0532 0130 00", "COBADEFFXXX", "Commerzbank"), contract="K-1",
        purchase_order="PO-7", terms_days=30, period_start=date(2026, 2, 2), period_end=date(2026, 2, 27),
    )  # fmt: skip
    return replace(made, **change)


def credit_note(**change: Any) -> SalesDocument:
    """A credit note (381) of that invoice."""
    stated = {
        "type_code": "381", "number": "CN-7", "due_date": None, "terms_days": None, "credits": "INV-1042",
        "credits_issued": date(2026, 3, 2), "reason": "agreed on 3 March",
    }  # fmt: skip
    return invoice(**(stated | change))


def untaxed(category: str, **change: Any) -> SalesDocument:
    """The invoice under a category that charges no tax."""
    lines = tuple(replace(line, tax_category=category, tax_rate=D(0)) for line in LINES)
    return invoice(**({"lines": lines, "tax_amount": D(0), "gross_amount": NET} | change))
