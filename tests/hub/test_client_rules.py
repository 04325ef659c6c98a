"""Client rules: what a contract may state, and what a draft is told when it breaks one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tieout.hub.client_rules import LONGEST, broken, rules
from tieout.hub.converters import Unfit

D = Decimal


def document(**head: Any) -> dict[str, Any]:
    row = {
        "contract": "C-1", "customer": "ACME", "currency": "USD", "purchase_order": None, "terms_days": 30,
        "legal_entity": "US01", "through": date(2026, 1, 31), "net_amount": D("1000.50"), "tax_amount": D(0),
        "gross_amount": D("1000.50"),
    }  # fmt: skip
    line = {"contract": "K-1", "contract_line": "1", "project": "P-1", "role": "consultant", "description": "Advice", "tax_category": "O",
            "quantity": D(10), "net_amount": D("1000.50")}  # fmt: skip
    link = {"event": "e1", "quantity": D(10), "amount": D("1000.50"), "notes": "workshop"}
    return {"row": row | head, "lines": [line], "links": [link]}


ROWS = {"e1": {"line": "1", "work_date": date(2026, 1, 5)}}


@pytest.mark.parametrize(
    "rule",
    [
        "invoice.net == 100050",
        "invoice.purchase_order == null",
        "lines.all(l, l.project == 'P-1' && l.net <= 100050)",
        "entries.exists(e, e.notes != null && e.date >= '2026-01-01')",
        "customer.country == 'US'",
        "entries.all(e, e.notes != '.all( is only text')",
    ],
)
def test_a_draft_that_meets_its_rules_is_told_nothing(rule: str) -> None:
    assert broken(rules([rule]), document(), ROWS, {"country": "US"}) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("invoice.purchase_order != null", "invoice.purchase_order != null"),
        ("invoice.net", "invoice.net"),
        ("invoice.nothing == 1", "cannot be judged"),
        ("invoice.net > 'a'", "cannot be judged"),
        ("1 / (invoice.net - 100050) > 0", "cannot be judged"),
        ("lines[9].net > 0", "cannot be judged: index out of bounds"),
        ("invoice.net + 9223372036854775807 > 0", "cannot be judged: Arithmetic overflow"),
        ("entries.all(e, e.notes.matches('('))", "cannot be judged"),
    ],
)
def test_a_rule_that_is_broken_or_cannot_be_judged_is_named(rule: str, said: str) -> None:
    (found,) = broken(rules([rule]), document(), ROWS, {})
    assert said in found


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("invoice.net > 0", "a list"),
        (["invoice.net >"], "invoice.net >"),
        (["nobody.knows == 1"], "nobody is none of customer, entries, invoice, lines"),
        (["true && " * LONGEST], "characters"),
        ([""], "characters"),
        (["lines.all(l, lines.all(m, m.net == l.net))"], "lists within lists"),
        (["lines . all ( l , entries\n.exists(e, e.line == l.line))"], "lists within lists"),
        (["lines.all(l, l.__class__ == 1) && secret"], "secret"),
        (["true"] * 51, "at most 50"),
    ],
)
def test_a_rule_that_cannot_be_run_is_refused_with_the_contract(stated: Any, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        rules(stated)
