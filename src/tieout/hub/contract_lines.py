"""What one version of a contract's terms states: its lines, caps, accounting and invoicing, checked when they come.

A line is {line, project, name, ...} with the terms of its billing plan (LINE_TERMS, with lists of schedule items,
milestones, tiers), a cap {cap, lines, includes, amount, hours, over}. `accounting` says how the price is allocated and
what kind of modification the version is, `invoicing` how documents are made. Numbers are exact text, dates ISO. Terms
without a list of lines describe one line themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.domain.billing import judge_split
from tieout.domain.frames import PAYER_SHARES, frame
from tieout.domain.rating.gates import BY_HOUR
from tieout.domain.rating.policies import DAY_TYPES
from tieout.hub import client_rules, converters
from tieout.hub.converters import Unfit

LINE = "1"
"""The one line of terms that list none."""
BILLING_METHODS = (
    BY_HOUR, "fixed_fee", "milestone", "retainer", "recurring", "usage", "units",
)  # fmt: skip
REVENUE_METHODS = (
    "as_invoiced", "cost_to_cost", "labor_hours", "milestone", "straight_line", "units", "point_in_time",
)  # fmt: skip
AS_INVOICED = "as_invoiced"
_MOST = 500
_DAY, _WEEK, _MINUTES, _BEYOND = 24, 168, 1440, 1000

Kind = Callable[[Any], Any]


def _one_of(*words: str) -> Kind:
    return lambda value: converters.enum(value, {word: word for word in words})


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Unfit("a list expected")
    return [converters.text(one) for one in value]


def _share(value: Any) -> Decimal:
    share = converters.decimal(value)
    if not 0 <= share <= 1:
        raise Unfit(f"a share from 0 to 1 expected, got {share}")
    return share


_not_negative = converters.unsigned


def _part_of_one(value: Any) -> Decimal:
    share = _share(value)
    if share != round(share, 6):
        raise Unfit(f"a share of at most six decimals expected, got {share}")
    return share


def _hours_up_to(most: int) -> Kind:
    def hours(value: Any) -> Decimal:
        found = converters.unsigned(value)
        if found > most:
            raise Unfit(f"hours from 0 to {most} expected, got {found}")
        return found

    return hours


def _minutes(value: Any) -> int:
    found = converters.integer(value)
    if not 0 < found <= _MINUTES:
        raise Unfit(f"minutes from 1 to {_MINUTES} expected, got {found}")
    return found


def _multiplier(value: Any) -> Decimal:
    found = converters.unsigned(value)
    if found >= _BEYOND or found != round(found, 6):
        raise Unfit(f"a multiplier below {_BEYOND} of at most six decimals expected, got {found}")
    return found


def _below_one(value: Any) -> Decimal:
    share = _part_of_one(value)
    if share == 1:
        raise Unfit("a share below 1 expected: something is payable at once")
    return share


def _day_types(value: Any) -> list[str]:
    return [_one_of(*DAY_TYPES)(one) for one in _texts(value)]


def _list(terms: Mapping[str, Kind], *needed: str) -> Kind:
    return lambda value: _checked(value, terms, needed)


def _part(terms: Mapping[str, Kind], *needed: str) -> Kind:
    return lambda value: _one(value, terms, needed)


_PERIODS = _one_of("month", "quarter", "year")
SCHEDULE_ITEM: Mapping[str, Kind] = {
    "item": converters.text, "due_on": converters.civil_date, "amount": _not_negative, "share": _share,
}  # fmt: skip
MILESTONE: Mapping[str, Kind] = {
    "milestone": converters.text, "name": converters.text, "due_on": converters.civil_date, "amount": _not_negative,
    "share": _share,
}  # fmt: skip
TIER: Mapping[str, Kind] = {
    "up_to": _not_negative, "price": _not_negative, "flat_amount": _not_negative,
}  # fmt: skip
WEIGHT: Mapping[str, Kind] = {"milestone": converters.text, "weight": _not_negative}
EXPENSE_LIMIT: Mapping[str, Kind] = {
    "category": converters.text, "per": _one_of("item", "day", "month", "line"), "amount": _not_negative,
}  # fmt: skip
LINE_TERMS: Mapping[str, Kind] = {
    "line": converters.text, "name": converters.text, "project": converters.text, "obligation": converters.text,
    "ssp": _not_negative, "start": converters.civil_date, "end": converters.civil_date,
    "ended_on": converters.civil_date, "anchor": converters.civil_date,
    "tax_code": converters.text, "billing_method": _one_of(*BILLING_METHODS), "rate_card": converters.text, "discount": _part_of_one,
    "increment_minutes": _minutes, "increment_mode": _one_of("up", "nearest", "down"),
    "increment_per": _one_of("entry", "day"), "minimum_hours_per_day": _hours_up_to(_DAY),
    "overtime_daily_after": _hours_up_to(_DAY), "overtime_weekly_after": _hours_up_to(_WEEK),
    "overtime_multiplier": _multiplier, "overtime_basis": _one_of("bill", "work"),
    "overtime_day_types": _day_types,
    "expenses": _one_of("billed", "included"), "expense_markup": _not_negative, "expense_limits": _list(EXPENSE_LIMIT, *EXPENSE_LIMIT),
    "amount": _not_negative, "price": _not_negative, "unit": converters.text, "every": _PERIODS,
    "timing": _one_of("advance", "arrears"), "proration": _one_of("daily", "none"), "uplift_rate": converters.decimal,
    "uplift_every": _PERIODS, "schedule": _list(SCHEDULE_ITEM, "item", "due_on"),
    "milestones": _list(MILESTONE, "milestone"), "bill_on": _one_of("accepted", "completed"),
    "kind": _one_of("hours", "availability", "security"), "rollover": _one_of("none", "all", "periods"),
    "rollover_periods": converters.integer, "rollover_cap": _not_negative, "overage": _one_of("bill", "hold"),
    "included": _not_negative, "mode": _one_of("graduated", "volume", "package"), "package_size": _not_negative,
    "tiers": _list(TIER, "price"), "minimum_amount": _not_negative, "minimum_every": _PERIODS,
    "sources": _texts, "revenue_method": _one_of(*REVENUE_METHODS), "estimated_cost": _not_negative,
    "estimated_hours": _not_negative, "estimated_units": _not_negative, "weights": _list(WEIGHT, "milestone", "weight"),
    "revenue_from": converters.civil_date, "revenue_to": converters.civil_date,
    "revenue_basis": _one_of("daily", "monthly"), "revenue_milestone": converters.text,
    "revenue_at": converters.civil_date, "bundle": converters.text, "bundle_price": _not_negative,
    "residual": converters.boolean, "residual_low": _not_negative, "residual_high": _not_negative,
}  # fmt: skip
LISTS: Mapping[str, Mapping[str, Kind]] = {
    "schedule": SCHEDULE_ITEM, "milestones": MILESTONE, "tiers": TIER, "weights": WEIGHT, "expense_limits": EXPENSE_LIMIT,
}  # fmt: skip
VARIABLE: Mapping[str, Kind] = {
    "variable": converters.text, "amount": converters.decimal, "method": _one_of("most_likely", "expected_value"),
    "lines": _texts, "constrained": converters.boolean,
}  # fmt: skip
OUTCOME: Mapping[str, Kind] = {"amount": converters.decimal, "probability": _share}
ACCOUNTING_TERMS: Mapping[str, Kind] = {
    "allocation": _one_of("ssp", "stated"), "price": _not_negative, "loss_scope": _one_of("asc_605_35"),
    "treatment": _one_of("auto", "separate", "prospective", "cumulative"), "distinct": converters.boolean,
    "at_ssp": converters.boolean, "past_change": converters.decimal, "combine_with": converters.text,
    "non_cancellable": converters.boolean, "variable": _list(VARIABLE, "variable"),
}  # fmt: skip
RETENTION: Mapping[str, Kind] = {
    "share": _below_one, "milestone": converters.text, "release_on": converters.civil_date,
}  # fmt: skip
PAYER: Mapping[str, Kind] = {"customer": converters.text, "share": _part_of_one}
INVOICING_TERMS: Mapping[str, Kind] = {
    "group": _one_of("contract", "project", "purchase_order", "customer"), "consolidate": converters.boolean,
    "retention": _part(RETENTION, "share"), "split": _list(PAYER, "customer", "share"), "rules": client_rules.rules, "tax_code": converters.text,
}  # fmt: skip
CAP_TERMS: Mapping[str, Kind] = {
    "cap": converters.text, "lines": _texts, "includes": _texts, "amount": converters.decimal,
    "hours": converters.decimal, "over": _one_of("hold", "write_off"),
}  # fmt: skip


def lines(value: Any) -> list[dict[str, Any]]:
    """The lines as they are kept; Unfit says which of them is wrong and why."""
    found = _checked(value, LINE_TERMS, ("line", "billing_method"))
    named = [row["line"] for row in found]
    if len(set(named)) != len(named):
        raise Unfit("two lines have one name")
    if not found:
        raise Unfit("a contract has at least one line")
    for row in found:
        start, end = row.get("start"), row.get("end")
        if start and end and end < start:
            raise Unfit(f"line {row['line']} ends on {end}, before it starts on {start}")
    return found


def caps(value: Any) -> list[dict[str, Any]]:
    """The caps as they are kept; a cap without `lines` stands on all of them."""
    return _checked(value, CAP_TERMS, ("over",))


def accounting(value: Any) -> dict[str, Any]:
    """How the price of the contract is accounted for, as it is kept."""
    return _one(value, ACCOUNTING_TERMS, ())


def invoicing(value: Any) -> dict[str, Any]:
    """How documents of the contract are made, as it is kept."""
    told = _one(value, INVOICING_TERMS, ())
    shares = [
        {"contract": "", "payer": payer["customer"], "position": place, "share": Decimal(payer["share"])}
        for place, payer in enumerate(told.get("split", ()), 1)
    ]
    for finding in judge_split(frame(shares, PAYER_SHARES)).iter_rows(named=True):
        raise Unfit(f"split: {finding['rule']}, got {finding['seen']}")
    return told


def outcomes(value: Any) -> list[dict[str, Any]]:
    """What a variable amount may come to, as it is kept: amounts with their probabilities, or one amount alone."""
    return _checked(value, OUTCOME, ("amount",))


def read_outcomes(kept: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The outcomes, numbers exact again."""
    return [_read(row, OUTCOME) for row in kept]


def _checked(value: Any, terms: Mapping[str, Kind], needed: Sequence[str]) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise Unfit(f"a list of at most {_MOST} expected")
    found = []
    for place, row in enumerate(value, 1):
        try:
            found.append(_one(row, terms, needed))
        except Unfit as error:
            raise Unfit(f"number {place}: {error}") from None
    return found


def _one(row: Any, terms: Mapping[str, Kind], needed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise Unfit("names and values expected")
    if unknown := sorted(set(row) - set(terms)):
        raise Unfit(f"there is no term {unknown[0]}")
    told = {name: value for name, value in row.items() if value is not None}
    if missing := [name for name in needed if name not in told]:
        raise Unfit(f"{missing[0]} is missing")
    return {name: _kept(_fit(name, terms[name], value)) for name, value in sorted(told.items())}


def _fit(name: str, kind: Kind, value: Any) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise Unfit(f"{name}: {error}") from None


def _kept(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def read_lines(terms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of one version of a contract's terms, numbers exact again.

    A contract that states neither lines nor a method is billed by the hour; set-up tells that the method is missing.
    """
    if terms["lines"] is not None:
        return [_read(row, LINE_TERMS) for row in terms["lines"]]
    own = {name: terms[name] for name in ("rate_card", "discount", "increment_minutes", "increment_mode")}
    return [{"line": LINE, "billing_method": terms["billing_method"] or BY_HOUR, **own}]


def read_caps(terms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The caps of one version of a contract's terms, numbers exact again."""
    if terms["caps"] is not None:
        return [_read(row, CAP_TERMS) for row in terms["caps"]]
    if terms["cap_amount"] is None:
        return []
    return [{"amount": terms["cap_amount"], "over": terms["cap_over"] or "hold"}]


def read_accounting(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The accounting of one version of a contract's terms, numbers exact again; what is not stated is absent."""
    told = _read(terms["accounting"] or {}, ACCOUNTING_TERMS)
    return told | {"variable": [_read(row, VARIABLE) for row in told.get("variable", [])]}


def _read(row: Mapping[str, Any], terms: Mapping[str, Kind]) -> dict[str, Any]:
    """Kept values exact again; the lists inside stay as they are kept (see `items`)."""
    return {name: terms[name](value) for name, value in row.items()}


def items(line: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """One list of a line's terms (schedule, milestones, tiers, weights, expense_limits), numbers exact again."""
    return [_read(row, LISTS[name]) for row in line.get(name) or []]
