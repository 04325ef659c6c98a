"""Roll-forwards: what stood, what was billed, what was recognised, what was adjusted, what stands."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tieout.domain.frames import ACCOUNT_MOVES, frame
from tieout.domain.subledger import roll_forward

D = Decimal


def moved(account: str, cause_type: str | None, amount: str) -> dict[str, object]:
    return {
        "entity": "US01", "account": account, "currency": "USD", "cause_type": cause_type, "amount": D(amount),
    }  # fmt: skip


MOVES = [
    moved("unbilled_receivable", None, "500"), moved("revenue", None, "-500"),
    moved("unbilled_receivable", "revenue", "300"), moved("revenue", "revenue", "-300"),
    moved("unbilled_receivable", "release", "-800"), moved("receivable", "release", "800"),
    moved("unbilled_receivable", "accrual", "40"), moved("revenue", "accrual", "-40"),
    moved("receivable", "payment", "-200"), moved("cash_clearing", "payment", "200"),
]  # fmt: skip
EXPECTED = {  # opening + billed + recognised + adjustments = closing
    "cash_clearing": ("0", "0", "0", "200", "200"),
    "receivable": ("0", "800", "0", "-200", "600"),
    "revenue": ("-500", "0", "-340", "0", "-840"),
    "unbilled_receivable": ("500", "-800", "340", "0", "40"),
}


@pytest.mark.parametrize("turn", range(3))
def test_every_movement_stands_in_one_column_whatever_their_order(turn: int) -> None:
    rows = roll_forward(frame(MOVES[turn * 3 :] + MOVES[: turn * 3], ACCOUNT_MOVES))
    columns = ("opening", "billed", "recognised", "adjustments", "closing")
    assert {row["account"]: tuple(row[name] for name in columns) for row in rows.to_dicts()} == {
        account: tuple(map(D, amounts)) for account, amounts in EXPECTED.items()
    }
    assert all(rows[name].sum() == 0 for name in columns)
