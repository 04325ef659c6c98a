"""Balances, losses, contract costs, credit notes, financing, estimates of variable consideration."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.domain.revenue.cases import day
from tieout.domain.frames import (
    BALANCE_INPUT,
    CONTRACT_COSTS,
    CREDITED_LINES,
    EXPEDIENT_LINES,
    LOSS_INPUT,
    PAYMENT_PLAN,
    VARIABLE_OUTCOMES,
    frame,
)
from tieout.domain.revenue import (
    contract_balances,
    contract_costs_to_date,
    credit_effects,
    estimate_variable,
    expected_losses,
    flag_financing,
    net_by_contract,
    question_expedient,
)

D = Decimal
JAN, JUN, DEC = day(1, 1), day(6, 30), day(12, 31)
COLUMNS = (
    "unbilled_receivable",
    "contract_asset",
    "contract_liability",
    "refund_liability",
    "retention_receivable",
)


def gross(earned: int, billed: int, **more: Any) -> tuple[Decimal, ...]:
    row = {
        "unit": "C",
        "obligation": "1",
        "currency": "USD",
        "recognised_amount": D(earned),
        "billed_amount": D(billed),
    }
    found: tuple[Decimal, ...] = contract_balances(frame([row | more], BALANCE_INPUT)).select(COLUMNS).row(0)
    return found


@pytest.mark.parametrize(
    ("earned", "billed", "more", "expected"),
    [
        (100, 60, {"entitled_amount": D(100)}, (40, 0, 0, 0, 0)),  # approved time: only an invoice is missing
        (100, 60, {}, (0, 40, 0, 0, 0)),  # progress of a fixed fee: conditional
        (100, 60, {"entitled_amount": D(90)}, (30, 10, 0, 0, 0)),  # a conditional retention will withhold 10
        (60, 100, {}, (0, 0, 40, 0, 0)),
        (100, 100, {"retained_amount": D(10), "retention_conditional": True}, (0, 10, 0, 0, 0)),
        (100, 100, {"retained_amount": D(10), "retention_conditional": False}, (0, 0, 0, 0, 10)),
        (97, 100, {"refund_amount": D(3)}, (0, 0, 0, 3, 0)),
    ],
)
def test_what_stands_between_revenue_and_billing(
    earned: int, billed: int, more: dict[str, Any], expected: tuple[int, ...]
) -> None:
    """IFRS 15.55, 105–108."""
    assert gross(earned, billed, **more) == tuple(map(D, expected))


def test_assets_and_liabilities_of_one_contract_are_netted_receivables_are_not() -> None:
    head = {"unit": "C", "currency": "USD"}
    rows = [
        head | {"obligation": "1", "recognised_amount": D(100), "billed_amount": D(0)},
        head | {"obligation": "2", "recognised_amount": D(0), "billed_amount": D(130)},
        head
        | {"obligation": "3", "recognised_amount": D(20), "billed_amount": D(0), "entitled_amount": D(20)},
    ]
    net = net_by_contract(contract_balances(frame(rows, BALANCE_INPUT)))
    assert net.select(COLUMNS).row(0) == (D(20), D(0), D(30), D(0), D(0))


@pytest.mark.parametrize(
    ("framework", "scope", "asset", "expected"),
    [
        ("ifrs", None, 0, (60, 0, 60)),
        ("us_gaap", None, 0, (60, 0, 0)),
        ("us_gaap", "asc_605_35", 0, (60, 0, 60)),
        ("ifrs", None, 25, (60, 25, 60)),
    ],
)
def test_a_loss_still_to_come(
    framework: str, scope: str | None, asset: int, expected: tuple[int, ...]
) -> None:
    """Cost to come 500 − 200 = 300, price to come 400 − 160 = 240: 60 is provided where the framework provides."""
    row = {"unit": "C", "framework": framework, "loss_scope": scope, "estimated_cost": D(500), "price": D(400),
           "cost_to_date": D(200), "revenue": D(160), "cost_asset": D(asset)}  # fmt: skip
    got = expected_losses(frame([row], LOSS_INPUT)).row(0)[2:]
    assert got == tuple(map(D, expected))


def test_an_asset_is_impaired_as_far_as_the_margin_to_come_does_not_recover_it() -> None:
    """IFRS 15.101: margin to come 240 − 220 = 20, asset 50: impaired by 30, no provision."""
    row = {"unit": "C", "framework": "ifrs", "estimated_cost": D(420), "price": D(400), "cost_to_date": D(200),
           "revenue": D(160), "cost_asset": D(50)}  # fmt: skip
    assert expected_losses(frame([row], LOSS_INPUT)).row(0)[2:] == (D(0), D(30), D(0))


@pytest.mark.parametrize(
    ("kind", "end", "creates", "expected"),
    [
        ("commission", day(12, 31, 2027), None, (0, 365, 365)),  # 730 over 730 days, half by year end
        ("commission", DEC, None, (730, 0, 0)),  # one year: expensed (94)
        ("set_up", DEC, False, (0, 730, 0)),
        ("set_up", day(12, 31, 2027), True, (730, 0, 0)),  # a service of its own: its cost, not an asset
        ("travel", day(12, 31, 2027), None, (730, 0, 0)),
    ],
)
def test_contract_costs_are_assets_only_where_the_standard_says(
    kind: str, end: Any, creates: bool | None, expected: tuple[int, ...]
) -> None:
    row = {"cost": "K", "unit": "C", "currency": "USD", "kind": kind, "incurred_on": JAN, "amount": D(730),
           "service_start": JAN, "service_end": end, "creates_service": creates}  # fmt: skip
    got = contract_costs_to_date(frame([row], CONTRACT_COSTS), days=[DEC])
    assert got.row(0)[4:] == tuple(map(D, expected))


@pytest.mark.parametrize(
    ("kind", "amount", "expected"),
    [
        ("concession", 100, ("33.33", "66.67", "0")),  # 100 × 300 ÷ 900
        ("correction", 100, ("0", "0", "100")),
        ("cancellation", 500, ("0", "500", "0")),
        ("cancellation", 700, ("100", "600", "0")),  # 600 was not yet recognised
    ],
)
def test_a_credit_note_splits_into_recognised_and_not(
    kind: str, amount: int, expected: tuple[str, ...]
) -> None:
    row = {"credit": "CN-1", "kind": kind, "unit": "C", "obligation": "1", "currency": "USD", "amount": D(amount),
           "price": D(900), "revenue": D(300)}  # fmt: skip
    assert credit_effects(frame([row], CREDITED_LINES)).row(0)[3:] == tuple(map(D, expected))


def test_payments_more_than_a_year_from_performance_are_flagged() -> None:
    """IFRS 15.63: exactly one year is not."""
    rows = [
        {"unit": "C", "pays_on": JAN, "performed_on": day(1, 1, 2027), "amount": D(1)},
        {"unit": "D", "pays_on": JAN, "performed_on": day(1, 2, 2027), "amount": D(1)},
        {"unit": "E", "pays_on": day(1, 2, 2027), "performed_on": JAN, "amount": D(1)},
    ]
    found = flag_financing(frame(rows, PAYMENT_PLAN))
    assert (found["unit"].to_list(), found["kind"].unique().to_list()) == (
        ["D", "E"],
        ["financing-significant"],
    )


def estimates(
    method: str, *outcomes: tuple[int, str], constrained: bool = False
) -> tuple[list[Decimal], list[str]]:
    head = {"unit": "C", "variable": "v", "change": 0, "currency": "USD", "day": JAN, "method": method,
            "constrained": constrained}  # fmt: skip
    rows = [head | {"amount": D(amount), "probability": D(p)} for amount, p in outcomes]
    found, findings = estimate_variable(frame(rows, VARIABLE_OUTCOMES))
    return found["amount"].to_list(), findings["kind"].to_list()


def test_variable_consideration_is_estimated_and_constrained() -> None:
    """IFRS 15.53: 100 × 0.3 + 40 × 0.45 + 0 × 0.25 = 48; most likely 40; 56: constrained counts as nothing."""
    outcomes = ((100, "0.3"), (40, "0.45"), (0, "0.25"))
    assert estimates("expected_value", *outcomes) == ([D(48)], [])
    assert estimates("most_likely", *outcomes) == ([D(40)], [])
    assert estimates("expected_value", *outcomes, constrained=True) == ([D(0)], [])
    assert estimates("most_likely", (10, "0.5"), (20, "0.5")) == ([D(10)], [])
    assert estimates("expected_value", (100, "0.3"), (40, "0.4")) == ([], ["variable-invalid"])


def test_a_line_that_follows_the_invoice_beside_a_cap_or_minimum_is_questioned() -> None:
    """IFRS 15.B16: one finding a line, naming each term that breaks the correspondence; a plain line has none."""
    head = {"unit": "C", "contract": "C", "day": JAN}
    rows = [
        head | {"line": "1", "binding_cap": True, "minimum": True},
        head | {"line": "2", "binding_cap": False},
    ]
    found = question_expedient(frame(rows, EXPEDIENT_LINES))
    assert found.select("kind", "line", "detail").rows() == [
        (
            "expedient-questioned",
            "1",
            "revenue follows the invoice beside a binding cap, a minimum (IFRS 15.B16)",
        )
    ]
