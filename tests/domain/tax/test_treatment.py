"""The treatment table: most specific rule in force, never 0 % by default."""

from datetime import date
from decimal import Decimal
from typing import Any

from tieout.domain.frames import TAX_QUESTIONS, TREATMENTS, frame
from tieout.domain.tax import TaxResult, determine_tax

D = Decimal


def rule(category: str, rate: str = "0", **change: Any) -> dict[str, Any]:
    return {"category": category, "rate": D(rate), "effective_from": date(2020, 1, 1)} | change


def ask(rules: list[dict[str, Any]], on: date = date(2026, 1, 31), country: str | None = "GB",
        business: bool = True) -> TaxResult:  # fmt: skip
    question = {"key": "C-1/1", "entity": "UK01", "country": country, "business": business, "tax_point": on}
    return determine_tax(frame([question], TAX_QUESTIONS), frame(rules, TREATMENTS))


def answer(*args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
    return ask(*args, **kwargs).answers.select("tax_category", "tax_rate").rows()


def test_no_rule_is_undetermined_and_never_zero() -> None:
    result = ask([rule("S", "0.19", country="DE")])
    assert result.answers.is_empty()
    assert result.undetermined["detail"].to_list() == ["0 tax rules fit a sale of UK01 to GB on 2026-01-31"]


def test_the_rule_that_names_more_wins() -> None:
    rules = [rule("O"), rule("S", "0.2", country="GB"), rule("E", entity="UK01")]
    assert answer(rules) == [("E", D(0))]
    assert answer(rules[:2]) == [("S", D("0.2"))]
    assert answer(rules[:2], country="US") == [("O", D(0))]
    assert answer(rules[:2], country=None) == [("O", D(0))]


def test_a_rule_may_ask_for_a_buyer_with_a_tax_number_or_without() -> None:
    """Services to a business in another state are reverse charged, to anyone else taxed as at home."""
    rules = [rule("AE", country="FR", business=True), rule("S", "0.2", country="FR")]
    assert answer(rules, country="FR", business=True) == [("AE", D(0))]
    assert answer(rules, country="FR", business=False) == [("S", D("0.2"))]
    assert answer(rules[:1], country="FR", business=False) == []
    assert answer([rule("S", "0.2", business=False), rule("O")], business=False) == [("S", D("0.2"))]


def test_a_rate_change_follows_the_tax_point() -> None:
    rules = [
        rule("S", "0.20", effective_to=date(2025, 12, 31)),
        rule("S", "0.21", effective_from=date(2026, 1, 1)),
    ]
    assert answer(rules, on=date(2025, 12, 31)) == [("S", D("0.20"))]
    assert answer(rules, on=date(2026, 1, 1)) == [("S", D("0.21"))]


def test_two_rules_that_tie_are_undetermined() -> None:
    assert ask([rule("S", "0.2"), rule("O")]).undetermined.height == 1
