"""Lines and caps of a contract as its source states them: exact, checked one by one, kept as they were meant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tieout.hub import contract_lines
from tieout.hub.converters import Unfit

LINE = {"line": "1", "billing_method": "time_and_materials"}


def test_numbers_are_kept_exactly() -> None:
    kept = contract_lines.lines([{**LINE, "discount": "0.0500", "minimum_hours_per_day": 4, "name": None}])
    assert kept == [{**LINE, "discount": "0.0500", "minimum_hours_per_day": "4"}]
    [read] = contract_lines.read_lines({"lines": kept})
    assert (read["discount"], read["minimum_hours_per_day"]) == (Decimal("0.05"), Decimal(4))


def test_terms_without_lines_are_those_of_one_line() -> None:
    terms = {
        "lines": None, "caps": None, "billing_method": "time_and_materials", "rate_card": "STD", "discount": None,
        "increment_minutes": 15, "increment_mode": "up", "cap_amount": Decimal(900), "cap_over": None,
    }  # fmt: skip
    [line] = contract_lines.read_lines(terms)
    assert (line["line"], line["rate_card"], line["increment_minutes"]) == ("1", "STD", 15)
    assert contract_lines.read_caps(terms) == [{"amount": Decimal(900), "over": "hold"}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1", "a list of at most 500 expected"),
        ([], "at least one line"),
        ([7], "number 1: names and values expected"),
        ([{"line": "1"}], "number 1: billing_method is missing"),
        ([LINE, LINE], "two lines have one name"),
        ([LINE, {**LINE, "line": "2", "colour": "red"}], "number 2: there is no term colour"),
        ([{**LINE, "discount": "much"}], "number 1: "),
        (
            [{**LINE, "billing_method": "barter"}],
            "number 1: billing_method: the value 'barter' is not in the table",
        ),
        ([{**LINE, "increment_minutes": 7.5}], "number 1: "),
        (
            [{**LINE, "increment_minutes": 0}],
            "number 1: increment_minutes: minutes from 1 to 1440 expected, got 0",
        ),
        ([{**LINE, "discount": "1.5"}], "number 1: discount: a share from 0 to 1 expected, got 1.5"),
        ([{**LINE, "discount": "-1"}], "number 1: discount: a share from 0 to 1 expected, got -1"),
        (
            [{**LINE, "minimum_hours_per_day": "-4"}],
            "number 1: minimum_hours_per_day: a number not below zero",
        ),
        (
            [{**LINE, "overtime_daily_after": "25"}],
            "number 1: overtime_daily_after: hours from 0 to 24 expected",
        ),
        (
            [{**LINE, "overtime_multiplier": "100000000000"}],
            "number 1: overtime_multiplier: a multiplier below 1000",
        ),
        (
            [LINE, {**LINE, "line": "2", "start": "2026-03-01", "end": "2026-01-31"}],
            "line 2 ends on 2026-01-31, before it starts on 2026-03-01",
        ),
    ],
)
def test_a_wrong_line_says_which_and_why(value: Any, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        contract_lines.lines(value)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ([("A", "0.5"), ("B", "0.49")], "split: shares of the payers add up to 1, got 0.99"),
        ([("A", "0.5"), ("A", "0.5")], "split: a payer is named once, got A"),
        ([("A", "1"), ("B", "0")], "split: a payer has a share above 0, to 1, got 0"),
        ([("A", "1.5")], "split: number 1: share: a share from 0 to 1 expected, got 1.5"),
        ([("A", "0.3333333"), ("B", "0.6666667")], "split: number 1: share: a share of at most six decimals"),
        ([("A", None)], "split: number 1: share is missing"),
    ],
)
def test_a_wrong_split_says_which_and_why(split: list[tuple[str, str | None]], said: str) -> None:
    with pytest.raises(Unfit, match=said):
        contract_lines.invoicing({"split": [{"customer": c, "share": s} for c, s in split]})
    assert contract_lines.invoicing({"split": [{"customer": "A", "share": "1.0"}]})["split"]


def test_a_retention_leaves_something_to_pay_at_once() -> None:
    assert contract_lines.invoicing({"retention": {"share": "0.1"}}) == {"retention": {"share": "0.1"}}
    for share in ("1", "1.2", "-0.1"):
        with pytest.raises(Unfit, match="retention: share"):
            contract_lines.invoicing({"retention": {"share": share}})


def test_a_wrong_cap_says_which_and_why() -> None:
    assert contract_lines.caps([{"amount": 10, "over": "hold"}]) == [{"amount": "10", "over": "hold"}]
    with pytest.raises(Unfit, match="number 2: over is missing"):
        contract_lines.caps([{"over": "hold"}, {"amount": 10}])
    with pytest.raises(Unfit, match="number 1: lines: a list expected"):
        contract_lines.caps([{"over": "hold", "lines": "1"}])
