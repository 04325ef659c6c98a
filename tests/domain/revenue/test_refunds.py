"""What of the billing is expected to be given back (IFRS 15.55, B20–B27)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.domain.revenue.cases import day
from tieout.domain.frames import REFUND_INPUT, frame
from tieout.domain.revenue import expected_refunds

D = Decimal


@pytest.mark.parametrize(
    ("expected", "billed", "price", "refund"),
    [
        (300, 10000, 10000, "300"),  # IE110–IE115: 3 of 100 products come back, all are billed
        (25_000_000, 150, 150_000_000, "25"),  # IE205–IE208: 25 of each unit's 150
        (10000, 57500, 100000, "5750"),  # half of a rebate's units are billed
        (100, 10, 300, "3.33"),  # rounded once
        (100, 500, 300, "100"),  # never more than what is expected
        (100, -10, 300, "0"),
        (100, 10, 0, "0"),
        (-50, 10, 100, "0"),  # a bonus is nobody's refund
    ],
)
def test_the_billed_share_of_what_is_expected_back_is_owed(
    expected: int, billed: int, price: int, refund: str
) -> None:
    row = {"unit": "C", "obligation": "1", "currency": "USD", "day": day(1, 31), "expected_amount": D(expected),
           "billed_amount": D(billed), "price": D(price)}  # fmt: skip
    assert expected_refunds(frame([row], REFUND_INPUT))["refund_amount"].to_list() == [D(refund)]


def test_several_expected_amounts_add_up() -> None:
    row = {"unit": "C", "obligation": "1", "currency": "USD", "day": day(1, 31), "billed_amount": D(50),
           "price": D(100)}  # fmt: skip
    rows = [row | {"expected_amount": D(10)}, row | {"expected_amount": D(4)}]
    assert expected_refunds(frame(rows, REFUND_INPUT))["refund_amount"].to_list() == [D(7)]
