"""The record of one invoice or credit note as it is sent: parties, lines, totals; and the arithmetic of its tax.

The totals are those that were approved, stored beside the lines; nothing here works them out a second time. What a
document says beyond them (tax per category and rate, the difference of a line) comes from the same functions that drafted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import polars as pl

from tieout.domain.billing.totals import invoice_totals
from tieout.domain.frames import TAXED_LINES, frame
from tieout.model.money import minor_unit, round_to_minor

INVOICE, CREDIT_NOTE, SELF_BILLED, SELF_BILLED_CREDIT, PREPAYMENT = "380", "381", "389", "261", "386"
"""Type codes of UNTDID 1001 that we issue."""
CREDITS = frozenset({CREDIT_NOTE, SELF_BILLED_CREDIT})
_ZERO = Decimal(0)
LINE_TOLERANCE = Decimal("0.02")
"""How far a line's net may lie from quantity × price before the difference is stated on the line."""


@dataclass(frozen=True)
class Party:
    """Seller or buyer as the document names it; `tax_id` as stated, `registration` in the register of companies."""

    name: str
    country: str | None
    street: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state_code: str | None = None
    tax_id: str | None = None
    registration: str | None = None
    contact: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class BankAccount:
    """Where the buyer pays to; `account` is an IBAN or, where there are none, the local number."""

    account: str
    bic: str | None = None
    bank: str | None = None


@dataclass(frozen=True)
class DocumentLine:
    """One line with one price; `unit` is hour, day or item; `tax_rate` a share (0.19); amounts in the currency."""

    number: int
    description: str
    quantity: Decimal
    unit_price: Decimal
    net_amount: Decimal
    tax_category: str
    tax_rate: Decimal
    unit: str = "hour"
    period_start: date | None = None
    period_end: date | None = None


@dataclass(frozen=True)
class Adjustment:
    """An allowance (negative) or charge (positive) on the whole document, net, under one category and rate."""

    amount: Decimal
    reason: str
    tax_category: str
    tax_rate: Decimal


@dataclass(frozen=True)
class TaxShare:
    """Taxable net and tax of one category and rate."""

    category: str
    rate: Decimal
    taxable_amount: Decimal
    tax_amount: Decimal


@dataclass(frozen=True)
class SalesDocument:
    """A draft or released invoice or credit note. Amounts of a credit note are positive: they reduce what is owed.

    `number` is the draft reference before release (`draft` is true then). `local_tax_amount` is the tax in
    `local_currency`, the currency in which the seller accounts for tax, where that is another than the document's.
    `retained_amount` is what of the amount due the buyer keeps until it is asked for.
    """

    type_code: str
    number: str
    issue_date: date
    due_date: date | None
    currency: str
    seller: Party
    buyer: Party
    lines: tuple[DocumentLine, ...]
    net_amount: Decimal
    tax_amount: Decimal
    gross_amount: Decimal
    adjustments: tuple[Adjustment, ...] = ()
    prepaid_amount: Decimal = Decimal(0)
    retained_amount: Decimal = Decimal(0)
    bank: BankAccount | None = None
    contract: str | None = None
    purchase_order: str | None = None
    credits: str | None = None
    credits_issued: date | None = None
    reason: str | None = None
    exemption: str | None = None
    exemption_code: str | None = None
    terms_days: int | None = None
    period_start: date | None = None
    period_end: date | None = None
    local_currency: str | None = None
    local_tax_amount: Decimal | None = None
    draft: bool = False

    @property
    def is_credit(self) -> bool:
        """Whether it reduces what is owed."""
        return self.type_code in CREDITS

    @property
    def payable_amount(self) -> Decimal:
        """What is left to pay: gross less what was paid before."""
        return self.gross_amount - self.prepaid_amount


def tax_shares(document: SalesDocument) -> tuple[TaxShare, ...]:
    """Taxable net and tax per category and rate: the breakdown of `invoice_totals` (EN 16931 BG-23).

    The tax of a credit note is what all credits of its invoice together grow by, so it may differ from that of its own
    lines by one minor unit a share; the largest share takes that.
    """
    parts = [(line.net_amount, line.tax_category, line.tax_rate) for line in document.lines]
    parts += [(one.amount, one.tax_category, one.tax_rate) for one in document.adjustments]
    rows = [
        {"invoice": "this", "net_amount": net, "tax_category": category, "tax_rate": rate}
        for net, category, rate in parts
    ]
    currencies = pl.DataFrame({"invoice": ["this"], "currency": [document.currency]})
    found = invoice_totals(frame(rows, TAXED_LINES), currencies).breakdown
    shares = [
        TaxShare(row["tax_category"], row["tax_rate"], row["taxable_amount"], row["tax_amount"])
        for row in found.iter_rows(named=True)
    ]
    rest = document.tax_amount - sum((share.tax_amount for share in shares), _ZERO)
    if (
        rest
        and document.is_credit
        and abs(rest) <= len(shares) * Decimal(1).scaleb(-minor_unit(document.currency))
    ):
        place = max(range(len(shares)), key=lambda n: shares[n].tax_amount)
        shares[place] = replace(shares[place], tax_amount=shares[place].tax_amount + rest)
    return tuple(shares)


def line_difference(line: DocumentLine, currency: str) -> Decimal:
    """What a line must state as a charge (positive) or allowance (negative) so that quantity × price gives its net.

    A net is the sum of its events, each rounded once, so it may differ from quantity × price; up to 0.02 it is left.
    Before -> after: 3 entries of 0.333333 h at 100 are 33.33 each; 0.999999 h × 100 = 100.00, net 99.99: left at that.
    """
    difference = line.net_amount - round_to_minor(line.quantity * line.unit_price, currency)
    return difference if abs(difference) > LINE_TOLERANCE else _ZERO


@dataclass(frozen=True)
class BackupRow:
    """One hour, day or item behind a line: what was done, by whom, when; `amount` is its share of the line's net."""

    line: int
    day: date | None
    worker: str | None
    role: str | None
    text: str | None
    quantity: Decimal
    price: Decimal
    amount: Decimal


def refuse_unequal(document: SalesDocument, rows: Sequence[BackupRow]) -> None:
    """Raise ValueError unless the rows sum to the quantity and net of every line of the document."""
    sums = {line.number: (_ZERO, _ZERO) for line in document.lines}
    for row in rows:
        quantity, amount = sums.get(row.line, (_ZERO, _ZERO))
        sums[row.line] = (quantity + row.quantity, amount + row.amount)
    wanted = {line.number: (line.quantity, line.net_amount) for line in document.lines}
    wrong = sorted(number for number in sums.keys() | wanted.keys() if sums.get(number) != wanted.get(number))
    if wrong:
        number = wrong[0]
        raise ValueError(
            f"line {number} of {document.number} says {wanted.get(number)}, the rows behind it sum to {sums[number]}"
        )
