"""Client rules: conditions in CEL that a customer's contract states and every draft must meet.

A rule sees four names. `invoice`: contract, customer, entity, currency, purchase_order, terms_days, through, net, tax,
gross. `customer`: what is known of the payer. `lines`: contract, line, project, role, description, quantity, net, tax_category.
`entries`: what the lines are made of, with line, date, quantity, amount, notes. Money is a whole number of minor units,
dates are ISO text, what is not stated is null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from tieout.hub.converters import Unfit
from tieout.model.money import minor_unit

NAMES = frozenset({"invoice", "customer", "lines", "entries"})
LONGEST, MOST = 500, 50
"""Characters of a rule, and rules of a contract."""
_LOOP = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_INVOICE = ("contract", "customer", "currency", "purchase_order", "terms_days")


def rules(value: Any) -> list[str]:
    """The rules as a contract states them; raises `Unfit` for one that cannot be run."""
    if not isinstance(value, list) or len(value) > MOST:
        raise Unfit(f"a list of at most {MOST} rules expected")
    return [_sound(str(one)) for one in value]


def broken(stated: Sequence[str], document: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]],
           payer: Mapping[str, Any]) -> list[str]:  # fmt: skip
    """The rules that a draft ({row, lines, links}) does not meet, each with the reason where it could not be judged.

    `rows` are the billable rows by event.
    """
    if not stated:
        return []
    seen = _seen(document, rows, payer)
    return [said for rule in stated if (said := _judge(rule, seen)) is not None]


def _sound(rule: str) -> str:
    # the length first: the parser meets nothing longer
    if not rule.strip() or len(rule) > LONGEST:
        raise Unfit(f"a rule has 1 to {LONGEST} characters")
    if _nests(_QUOTED.sub("''", rule)):
        raise Unfit(f"a rule goes over a list, not over lists within lists: {rule}")
    try:
        program = _program(rule)
    except ValueError as error:
        raise Unfit(f"{rule}: {str(error).splitlines()[0]}") from None
    strange = set(program.variables()) - NAMES - _own(rule)
    if strange:
        raise Unfit(f"{rule}: {', '.join(sorted(strange))} is none of {', '.join(sorted(NAMES))}")
    return rule


@cache
def _program(rule: str) -> Any:
    import cel  # a third of a second, which only who states rules has to wait

    return cel.compile(rule)


def _own(rule: str) -> set[str]:
    """Names that the rule gives to the items of a list."""
    return set(re.findall(_LOOP.pattern + r"\s*([A-Za-z_]\w*)\s*,", rule))


def _nests(rule: str) -> bool:
    """Whether a loop stands inside another one: work would grow with the square of the list."""
    for loop in _LOOP.finditer(rule):
        depth, place = 1, loop.end()
        while depth and place < len(rule):
            depth += {"(": 1, ")": -1}.get(rule[place], 0)
            place += 1
        if _LOOP.search(rule, loop.end(), place):
            return True
    return False


def _judge(rule: str, seen: Mapping[str, Any]) -> str | None:
    try:
        met = _program(rule).execute(dict(seen))
    except Exception as error:  # whatever a rule makes the library raise is about this rule alone
        return f"{rule} (cannot be judged: {str(error).splitlines()[0]})"
    return None if met is True else rule


def _seen(
    document: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], payer: Mapping[str, Any]
) -> dict[str, Any]:
    head, currency = document["row"], document["row"]["currency"]
    invoice = {name: head[name] for name in _INVOICE} | {
        "entity": head["legal_entity"], "through": head["through"].isoformat(),
        **{name: _minor(head[f"{name}_amount"], currency) for name in ("net", "tax", "gross")},
    }  # fmt: skip
    lines = [
        {"line": one["contract_line"], **{name: one[name] for name in ("contract", "project", "role", "description", "tax_category")},
         "quantity": float(one["quantity"]), "net": _minor(one["net_amount"], currency)}
        for one in document["lines"]
    ]  # fmt: skip
    entries = [
        {"line": rows[link["event"]]["line"], "date": rows[link["event"]]["work_date"].isoformat(),
         "quantity": float(link["quantity"]), "amount": _minor(link["amount"], currency), "notes": link["notes"]}
        for link in document["links"]
    ]  # fmt: skip
    known = {
        name: value for name, value in payer.items() if isinstance(value, str | bool | int) or value is None
    }
    return {"invoice": invoice, "customer": known, "lines": lines, "entries": entries}


def _minor(amount: Decimal, currency: str) -> int:
    return int(amount.scaleb(minor_unit(currency)))
