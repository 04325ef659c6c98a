"""The tax point: the first day of what counts for the seller's country."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tieout.domain.frames import BILLABLE, TAX_DATES, TAX_PARTIES, TAX_POINT_RULES, TREATMENTS, empty, frame
from tieout.domain.tax import tax_sales, with_tax_point

WORK, INVOICED, PAID = date(2026, 7, 3), date(2026, 7, 31), date(2026, 6, 20)
RULES: list[dict[str, Any]] = [
    {"country": "FR", "first_of": ["invoice"], "effective_from": date(2026, 7, 4)},
    {"country": "FR", "first_of": ["supply", "invoice"], "effective_from": date(2020, 1, 1), "effective_to": date(2026, 7, 3)},
    {"country": None, "first_of": ["invoice", "payment"], "effective_from": date(2026, 1, 1)},
]  # fmt: skip


def point(
    seller: str | None, rules: list[dict[str, Any]], supplied: date = WORK, paid: date | None = None
) -> date:
    sale = {"seller": seller, "supplied_on": supplied, "issued_on": INVOICED, "paid_on": paid}
    found: date = with_tax_point(frame([sale], TAX_DATES), frame(rules, TAX_POINT_RULES))["tax_point"][0]
    return found


@pytest.mark.parametrize(
    ("seller", "paid", "expected"),
    [("AT", None, WORK), ("AT", PAID, PAID), ("DE", PAID, WORK), ("GB", None, INVOICED), ("GB", PAID, PAID), (None, PAID, PAID)],
)  # fmt: skip
def test_without_a_rule_the_default_of_the_country_counts(
    seller: str | None, paid: date | None, expected: date
) -> None:
    assert point(seller, [], paid=paid) == expected


def test_the_rule_of_the_country_and_the_day_of_supply_counts() -> None:
    assert point("FR", RULES) == WORK
    assert point("FR", RULES, date(2026, 7, 5), paid=PAID) == INVOICED
    assert point("AT", RULES) == INVOICED
    assert point("AT", RULES, date(2025, 12, 31)) == date(2025, 12, 31)
    assert point("DE", RULES) == INVOICED, "what is stated beats a default"


def test_what_is_paid_in_the_customers_name_is_outside_tax_without_a_rule() -> None:
    row = {"event": "fee", "contract": "C", "line": "1", "payer": "P", "work_date": WORK, "untaxed": True}
    parties = [{"contract": "C", "line": "1", "payer": "P", "entity": "E", "issued_on": INVOICED}]
    events = frame([row, row | {"event": "work", "untaxed": False}], BILLABLE)
    got = tax_sales(events, frame(parties, TAX_PARTIES), empty(TAX_POINT_RULES), empty(TREATMENTS))
    assert got.select("event", "tax_category", "tax_rate").rows() == [
        ("fee", "O", Decimal(0)),
        ("work", None, None),
    ]


def test_a_period_is_supplied_on_its_last_day_and_what_is_taxed_stays() -> None:
    row = {
        "event": "fee",
        "contract": "C",
        "line": "1",
        "payer": "P",
        "work_date": date(2026, 6, 15),
        "period_end": WORK,
    }
    rules = [{"category": "S", "rate": Decimal(rate), "effective_from": since, "effective_to": until} for rate, since, until
             in (("0.19", date(2020, 1, 1), date(2026, 6, 30)), ("0.16", date(2026, 7, 1), None))]  # fmt: skip
    parties = frame(
        [{"contract": "C", "line": "1", "payer": "P", "entity": "E", "issued_on": INVOICED}], TAX_PARTIES
    )
    told = row | {"event": "told", "tax_category": "S", "tax_rate": Decimal("0.07")}
    events = frame([row, row | {"event": "day", "period_end": None}, told], BILLABLE)
    got = tax_sales(events, parties, empty(TAX_POINT_RULES), frame(rules, TREATMENTS))
    assert got["tax_rate"].to_list() == [Decimal("0.16"), Decimal("0.19"), Decimal("0.07")]
