"""Balances brought to what the rules say, by their difference."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from tieout.domain.frames import BALANCE_CAUSES, CLOSED_PERIODS, frame
from tieout.domain.subledger import Books, journal_for_balances, journal_for_contract_costs

D = Decimal
BOOKS = Books(CLOSED_PERIODS.to_frame(), {"US01": "USD"})
KEY = {"contract": "C-1", "line": "1", "entity": "US01", "currency": "USD", "event_date": date(2026, 1, 31)}


def cause(account: str, balance: int, booked: int = 0) -> dict[str, object]:
    return KEY | {"cause": f"C-1/{account}", "account": account, "balance": D(balance), "booked": D(booked)}


@pytest.mark.parametrize(
    ("account", "balance", "booked", "expected"),
    [
        ("contract_asset", 40, 0, {"contract_asset": 40, "unbilled_receivable": -40}),
        ("contract_asset", 10, 40, {"contract_asset": -30, "unbilled_receivable": 30}),
        ("refund_liability", -25, 0, {"refund_liability": -25, "contract_liability": 25}),
        ("loss_provision", -60, -20, {"loss_provision": -40, "contract_loss": 40}),
        ("contract_cost_asset", 365, 730, {"contract_cost_asset": -365, "contract_cost_amortisation": 365}),
        ("loss_provision", -60, -60, {}),
    ],
)
def test_only_the_difference_is_booked_against_the_other_side(
    account: str, balance: int, booked: int, expected: dict[str, int]
) -> None:
    lines = journal_for_balances(frame([cause(account, balance, booked)], BALANCE_CAUSES), BOOKS)
    assert dict(lines.select("account", "amount").iter_rows()) == {k: D(v) for k, v in expected.items()}


def test_what_a_contract_cost_comes_out_of_expense_clearing() -> None:
    rows = [cause("contract_cost_asset", 700), cause("contract_cost_amortisation", 30)]
    moves = frame(rows, BALANCE_CAUSES).with_columns(
        pl.col("balance").alias("amount"), pl.lit("K").alias("cause")
    )
    lines = journal_for_contract_costs(moves, BOOKS)
    assert dict(lines.select("account", "amount").iter_rows()) == {
        "contract_cost_asset": D(700), "contract_cost_amortisation": D(30), "expense_clearing": D(-730)}  # fmt: skip


def test_an_account_without_a_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="receivable"):
        journal_for_balances(frame([cause("receivable", 1)], BALANCE_CAUSES), BOOKS)
