"""What the doors say: money in the unit of its currency, other numbers without idle zeros, nothing rounded."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from typing import Any
from uuid import UUID

import pytest

from tieout.model.plain import plain


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"amount": D("47745.1300"), "currency": "USD"}, {"amount": "47745.13", "currency": "USD"}),
        ({"amount": D("500.0000"), "currency": "JPY"}, {"amount": "500", "currency": "JPY"}),
        ({"unit_price": D("79.515000"), "currency": "USD"}, {"unit_price": "79.515", "currency": "USD"}),
        ({"amount": D(0), "unexplained": D("1250.0000")}, {"amount": "0.00", "unexplained": "1250.00"}),
        ({"worked_hours": D("7.500000"), "tax_rate": D("0.190000")}, {"worked_hours": "7.5", "tax_rate": "0.19"}),
        ({"quantity": D("100.000000"), "hours": D(0)}, {"quantity": "100", "hours": "0"}),
        ({"billed": {"KWD": D("1.5"), "USD": D(2)}}, {"billed": {"KWD": "1.500", "USD": "2.00"}}),
        ({"amount": D("0.0001"), "currency": "USD"}, {"amount": "0.0001", "currency": "USD"}),
        ({"amount": D("1.10"), "currency": "XX9"}, {"amount": "1.10", "currency": "XX9"}),
        ([UUID(int=1), date(2026, 3, 2), None, True, b"\x01"], [str(UUID(int=1)), "2026-03-02", None, True, "01"]),
    ],
)  # fmt: skip
def test_a_value_is_said_in_its_own_form(value: Any, said: Any) -> None:
    assert plain(value) == said


def test_lines_stand_in_the_currency_of_their_document() -> None:
    document = {
        "currency": "JPY",
        "lines": [{"amount": D("1200.0000"), "events": [{"amount": D("1200.0000")}]}],
    }
    assert plain(document)["lines"] == [{"amount": "1200", "events": [{"amount": "1200"}]}]
