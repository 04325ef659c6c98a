"""The record of a document: tax per category and rate, the difference of a line, the sums of its backup sheet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tieout.domain.billing.sales_document import (
    Adjustment,
    BackupRow,
    DocumentLine,
    Party,
    SalesDocument,
    line_difference,
    refuse_unequal,
    tax_shares,
)

D = Decimal
NOBODY = Party("-", "DE")


def line(
    number: int = 1, net: str = "100", rate: str = "0.19", quantity: str = "1", price: str = "100"
) -> DocumentLine:
    return DocumentLine(number, "work", D(quantity), D(price), D(net), "S", D(rate))


def document(*lines: DocumentLine, tax: str = "0", code: str = "380", **change: object) -> SalesDocument:
    net = sum((one.net_amount for one in lines), D(0))
    made = SalesDocument(
        code, "X-1", date(2026, 3, 2), None, "EUR", NOBODY, NOBODY, lines, net, D(tax), net + D(tax)
    )
    return replace(made, **change)  # type: ignore[arg-type]


def shares(made: SalesDocument) -> list[tuple[Decimal, Decimal, Decimal]]:
    return [(one.rate, one.taxable_amount, one.tax_amount) for one in tax_shares(made)]


def test_tax_is_rounded_once_per_category_and_rate() -> None:
    """Two lines of 0.13 at 19 %: 0.26 × 0.19 = 0.0494 -> 0.05, where each alone (0.0247) gives 0.02."""
    made = document(line(1, "0.13"), line(2, "0.13"), line(3, "10", "0.07"))
    assert shares(made) == [(D("0.07"), D(10), D("0.70")), (D("0.19"), D("0.26"), D("0.05"))]


def test_allowances_and_charges_are_in_the_tax_base() -> None:
    """100 − 10 + 5 = 95; × 0.19 = 18.05."""
    adjusted = (Adjustment(D(-10), "discount", "S", D("0.19")), Adjustment(D(5), "travel", "S", D("0.19")))
    assert shares(document(line(), adjustments=adjusted)) == [(D("0.19"), D(95), D("18.05"))]


def test_a_credit_note_keeps_the_cent_that_its_invoice_left_it() -> None:
    """66.66 × 0.19 = 12.6654 -> 12.67; the credits of the invoice together leave 12.66."""
    part = line(net="66.66")
    assert shares(document(part, tax="12.66", code="381")) == [(D("0.19"), D("66.66"), D("12.66"))]
    assert shares(document(part, tax="12.66", code="380")) == [(D("0.19"), D("66.66"), D("12.67"))]
    assert shares(document(part, tax="12.60", code="381")) == [(D("0.19"), D("66.66"), D("12.67"))]


@pytest.mark.parametrize(
    ("net", "quantity", "price", "difference"),
    [
        ("99.99", "0.999999", "100", "0"),  # 100.00 − 99.99 = 0.01: within 0.02
        ("100.02", "1", "100", "0"),
        ("100.03", "1", "100", "0.03"),
        ("13.20", "0.4", "33.33", "-0.13"),  # 13.332 -> 13.33
        ("-5", "0", "100", "-5"),
    ],
)
def test_a_line_states_what_quantity_times_price_lacks(
    net: str, quantity: str, price: str, difference: str
) -> None:
    assert line_difference(line(net=net, quantity=quantity, price=price), "EUR") == D(difference)


def test_the_backup_sheet_must_sum_to_every_line() -> None:
    made = document(line(), line(2, "50", quantity="0.5"))
    rows = [
        BackupRow(1, None, None, None, None, D("0.4"), D(100), D(40)),
        BackupRow(1, None, None, None, None, D("0.6"), D(100), D(60)),
        BackupRow(2, None, None, None, None, D("0.5"), D(100), D(50)),
    ]
    refuse_unequal(made, rows)
    refuse_unequal(made, rows[::-1])
    for wrong in (rows[:2], rows[1:], [*rows, rows[0]], [replace(rows[0], quantity=D("0.5")), *rows[1:]]):
        with pytest.raises(ValueError, match="the rows behind it sum to"):
            refuse_unequal(made, wrong)
