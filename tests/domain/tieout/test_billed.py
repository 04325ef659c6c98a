"""The check `billed`: every key one outcome, differences explained by the rule that finds the cause."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tieout.domain.frames import BILLED_OURS, BILLED_THEIRS, frame
from tieout.domain.tieout import tie_out_billed

D = Decimal


def ours(**change: Any) -> dict[str, Any]:
    row = {"key": "K-1", "contract": "C-1", "number": "INV-1", "currency": "USD", "amount": D(1200),
           "tax_amount": D(200), "period": "2026-01", "document_date": date(2026, 1, 31), "intent_state": "done"}  # fmt: skip
    return row | change


def theirs(**change: Any) -> dict[str, Any]:
    row = {"document": "77", "external_key": "K-1", "number": "INV-1", "currency": "USD", "amount": D(1200),
           "tax_amount": D(200), "period": "2026-01", "document_date": date(2026, 1, 31)}  # fmt: skip
    return row | change


def check(
    mine: list[dict[str, Any]], there: list[dict[str, Any]], tolerance: str = "0"
) -> list[tuple[Any, ...]]:
    got = tie_out_billed(frame(mine, BILLED_OURS), frame(there, BILLED_THEIRS), D(tolerance))
    return got.select("outcome", "difference", "cause", "explained_by").rows()


@pytest.mark.parametrize(
    ("mine", "there", "expected"),
    [
        ([ours()], [theirs()], ("matched", 0, None, None)),
        ([ours(intent_state="pending")], [], ("ours_only", 1200, "unposted", "intent pending")),
        ([ours(intent_state=None)], [], ("ours_only", 1200, "unposted", "intent missing")),
        ([ours()], [], ("ours_only", 1200, None, None)),
        ([], [theirs(external_key=None)], ("theirs_only", -1200, "manual entry there", "77")),
        ([], [theirs()], ("theirs_only", -1200, "unknown key there", "77")),
        ([ours()], [theirs(), theirs(document="78")], ("different", -1200, "duplicated", "77, 78")),
        ([ours()], [theirs(amount=D(1210), tax_amount=D(210))], ("different", -10, "tax", "77")),
        ([ours()], [theirs(amount=D("1200.01"))], ("different", D("-0.01"), "currency rounding", "77")),
        ([ours()], [theirs(amount=D(900))], ("different", 300, None, None)),
        ([ours()], [theirs(period="2026-02")], ("different", 0, "wrong period", "77")),
        ([ours()], [theirs(period="2026-02", document_date=date(2026, 2, 1))], ("different", 0, "timing", "77")),
    ],
)  # fmt: skip
def test_a_difference_is_explained_where_a_rule_finds_the_cause(
    mine: list[dict[str, Any]], there: list[dict[str, Any]], expected: tuple[Any, ...]
) -> None:
    assert check(mine, there) == [expected]


def test_a_difference_within_tolerance_matches() -> None:
    assert check([ours()], [theirs(amount=D("1200.01"))], "0.01")[0][0] == "matched"


def test_a_document_in_another_currency_never_matches() -> None:
    got = check([ours()], [theirs(currency="EUR")])
    assert [(row[0], row[2]) for row in got] == [
        ("theirs_only", "wrong currency"),
        ("ours_only", "wrong currency"),
    ]


def test_totals_in_equal_totals_out() -> None:
    mine = [ours(key=f"K-{i}", amount=D(i)) for i in range(50)]
    there = [
        theirs(external_key=f"K-{i}" if i % 3 else None, document=str(i), amount=D(i + i % 2))
        for i in range(60)
    ]
    got = tie_out_billed(frame(mine, BILLED_OURS), frame(there, BILLED_THEIRS), D(0))
    assert got["difference"].sum() == sum(row["amount"] for row in mine) - sum(row["amount"] for row in there)
    assert got["key"].n_unique() == got.height
