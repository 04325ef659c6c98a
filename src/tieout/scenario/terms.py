"""The terms of a contract as the connection `scenario` states them, and what an amendment makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout.scenario.model import (
    Billing,
    Cap,
    Contract,
    Invoicing,
    Line,
    Release,
    Retention,
    Revenue,
    default_project,
)
from tieout.scenario.verbs import Amend, Change


def contract_document(contract: Contract, signed: bool) -> dict[str, Any]:
    """The contract as its source states it first."""
    told = {
        "number": contract.number, "customer": contract.customer, "entity": contract.entity,
        "currency": contract.currency, "start": contract.start, "end": contract.end, "effective_from": contract.start,
        "terms": contract.invoicing.terms, "state": "signed" if signed else "draft",
        "signed_on": contract.start if signed else None, "purchase_order": contract.purchase_order,
        "collectible": contract.collectible, "collectible_from": None, "terminated_on": None,
        "invoicing": _invoicing(contract.invoicing, contract.rules),
    }  # fmt: skip
    return told | terms_of(contract)


def terms_of(contract: Contract) -> dict[str, Any]:
    """The lines and caps of a contract; the cap of its only line is the contract's."""
    caps = [
        _cap(line.billing.cap, name=None, lines=None)
        if len(contract.lines) == 1
        else _cap(line.billing.cap, name=line.id, lines=[line.id])
        for line in contract.lines
        if line.billing.cap is not None
    ]
    caps += [
        _cap(cap, name=cap.id or f"cap {place}", lines=None if cap.lines == "all" else list(cap.lines))
        for place, cap in enumerate(contract.caps, 1)
    ]
    caps += [
        _cap(
            Cap(amount=line.billing.expenses.cap, includes=["expenses"]),
            name=f"expenses {line.id}",
            lines=[line.id],
        )
        for line in contract.lines
        if line.billing.expenses is not None and line.billing.expenses.cap is not None
    ]
    accounting = {
        "allocation": contract.allocation, "loss_scope": contract.loss_scope, "combine_with": contract.combine_with,
        "non_cancellable": contract.non_cancellable,
        "variable": [
            {"variable": one.id, "amount": one.amount, "method": one.method, "constrained": one.constrained,
             "lines": None if one.lines == "all" else one.lines}
            for one in contract.variable
        ],
    }  # fmt: skip
    return {
        "lines": [_line(line) for line in contract.lines],
        "caps": caps,
        "accounting": _without_nulls(accounting),
    }


def _line(line: Line) -> dict[str, Any]:
    plan = line.billing
    told: dict[str, Any] = {
        "line": line.id, "name": line.name, "project": line.project, "obligation": line.obligation, "ssp": line.ssp,
        "start": line.start, "end": line.end, "ended_on": line.ended_on, "tax_code": line.tax, "billing_method": plan.method, "rate_card": plan.rate_card,
        "discount": plan.discount, "minimum_hours_per_day": plan.minimum_hours_per_day, "amount": plan.amount,
        "every": plan.every, "bill_on": plan.bill_on, "kind": plan.kind, "timing": plan.in_,
        "proration": plan.proration, "overage": plan.overage, "unit": plan.unit, "anchor": plan.anchor, "included": plan.included,
        "mode": plan.mode, "package_size": plan.package_size, "price": plan.price,
    }  # fmt: skip
    for part in ("increment", "overtime", "uplift", "minimum"):
        if (stated := getattr(plan, part)) is not None:
            told |= {f"{part}_{name}": value for name, value in stated.model_dump().items()}
    if plan.drawdown is not None:
        told["rate_card"] = plan.drawdown.rate_card
    if line.bundle is not None:
        told |= {"bundle": line.bundle.id, "bundle_price": line.bundle.price}
    if line.residual is not None:
        told |= {"residual": True, "residual_low": line.residual.low, "residual_high": line.residual.high}
    return _without_nulls(
        told | _lists(plan) | _rollover(plan.rollover) | _expenses(plan) | _revenue(line.revenue)
    )


def _lists(plan: Billing) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if plan.schedule is not None:
        told["schedule"] = [
            {"item": one.id or f"{place}", "due_on": one.at, "amount": one.amount, "share": one.share}
            for place, one in enumerate(plan.schedule, 1)
        ]
    if plan.milestones is not None:
        told["milestones"] = [
            {
                "milestone": one.id,
                "name": one.name,
                "due_on": one.at,
                "amount": one.amount,
                "share": one.share,
            }
            for one in plan.milestones
        ]
    if plan.tiers is not None:
        told["tiers"] = [
            {"up_to": one.up_to, "price": one.price, "flat_amount": one.flat} for one in plan.tiers
        ]
    return told


def _rollover(stated: str | None) -> dict[str, Any]:
    if stated is None or stated in ("none", "all"):
        return {"rollover": stated}
    return {"rollover": "periods", "rollover_periods": int(stated.split()[0])}


def _expenses(plan: Billing) -> dict[str, Any]:
    if plan.expenses is None:
        return {}
    limits = [
        {"category": category, "per": per, "amount": amount}
        for category, limit in plan.expenses.categories.items()
        for per, amount in (
            ("item", limit.limit_per_item), ("day", limit.limit_per_day), ("month", limit.limit_per_month),
            ("line", limit.limit),
        )
        if amount is not None
    ]  # fmt: skip
    return {"expenses": "billed", "expense_markup": plan.expenses.markup, "expense_limits": limits or None}


def _revenue(plan: Revenue) -> dict[str, Any]:
    told: dict[str, Any] = {
        "revenue_method": plan.method, "estimated_cost": plan.estimated_cost, "estimated_hours": plan.estimated_hours,
        "estimated_units": plan.estimated_units, "revenue_from": plan.from_, "revenue_to": plan.to,
        "revenue_basis": plan.basis,
    }  # fmt: skip
    if plan.weights is not None:
        told["weights"] = [{"milestone": name, "weight": weight} for name, weight in plan.weights.items()]
    if plan.when is not None:
        told |= {"revenue_milestone": plan.when.milestone, "revenue_at": plan.when.at}
    return told


def _invoicing(plan: Invoicing, rules: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "group": plan.group, "consolidate": plan.consolidate, "rules": rules or None, "tax_code": plan.tax,
    }  # fmt: skip
    if plan.split is not None:
        told["split"] = [{"customer": one.customer, "share": one.share} for one in plan.split]
    if isinstance(plan.retention, Retention):
        release = plan.retention.release or Release()
        told["retention"] = {
            "share": plan.retention.share, "milestone": release.milestone, "release_on": release.at,
        }  # fmt: skip
    elif plan.retention is not None:
        told["retention"] = {"share": plan.retention}
    return _without_nulls(told)


def modification(body: Amend) -> dict[str, Any]:
    """What kind of modification the version is (IFRS 15.18-21)."""
    told = {
        "treatment": body.treatment, "distinct": body.distinct, "at_ssp": body.at_ssp,
        "price": body.change.price, "past_change": body.change.past_change,
    }  # fmt: skip
    return _without_nulls(told)


def _cap(cap: Cap, *, name: str | None, lines: list[str] | None) -> dict[str, Any]:
    told = {
        "cap": name, "lines": lines, "includes": cap.includes, "amount": cap.amount, "hours": cap.hours,
        "over": cap.over,
    }  # fmt: skip
    return _without_nulls(told)


def _without_nulls(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: as_json(value) for name, value in told.items() if value is not None}


def amend_lines(contract: Contract, change: Change, at: date) -> None:
    """Lines changed, added or ended at the end of a day; `billing` and `revenue` are those of the only line.

    Raises pydantic's ValidationError where what comes of it is no line.
    """
    own = {
        name: getattr(change, name) for name in ("billing", "revenue") if getattr(change, name) is not None
    }
    for told in [*change.lines, *([own] if own else [])]:
        _amend_line(contract, told, at + timedelta(days=1))
    for line in contract.lines:
        if line.id in change.remove:
            line.ended_on = at


def _amend_line(contract: Contract, told: Mapping[str, Any], first_day: date) -> None:
    """Merge a change into the line that it names (the only one when it names none), or add a line from a day on."""
    named = str(told.get("id", contract.lines[0].id if len(contract.lines) == 1 else ""))
    line = next((one for one in contract.lines if one.id == named), None)
    if line is None:
        added = Line.model_validate(told)
        added.project = added.project or default_project(contract.number, added.id, len(contract.lines) + 1)
        added.start = added.start or first_day
        contract.lines.append(added)
        return
    merged = Line.model_validate(_deep(line.model_dump(by_alias=True, exclude_none=True), told))
    contract.lines[contract.lines.index(line)] = merged


def _deep(held: Any, change: Any) -> Any:
    """A deep merge; things of a list that have ids are merged by id, other lists are replaced."""
    if isinstance(held, dict) and isinstance(change, Mapping):
        return {**held, **{name: _deep(held.get(name), value) for name, value in change.items()}}
    if isinstance(held, list) and isinstance(change, list) and all(_named(one) for one in (*held, *change)):
        merged = {one["id"]: one for one in held}
        for one in change:
            merged[one["id"]] = _deep(merged.get(one["id"]), one)
        return list(merged.values())
    return change


def _named(value: Any) -> bool:
    return isinstance(value, Mapping) and "id" in value


def as_json(value: Any) -> Any:
    """The value as JSON carries it: numbers and dates as text, nulls inside left out."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return [as_json(one) for one in value]
    if isinstance(value, Mapping):
        return {name: as_json(one) for name, one in value.items() if one is not None}
    return value.isoformat() if isinstance(value, date) else value
