"""The facts of a scenario as source records of the connection `scenario`, with their versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tieout.connectors.kit.interface import Change
from tieout.domain.tax import CATEGORIES, EXEMPT
from tieout.model.periods import Calendar, next_period, period_bounds, period_of
from tieout.scenario import people
from tieout.scenario.model import Contract, Customer, Entity, Line
from tieout.scenario.parsing import DEFAULT_WORKER, Scenario
from tieout.scenario.terms import amend_lines, as_json, contract_document, modification, terms_of
from tieout.scenario.verbs import (
    Amend,
    ContractCost,
    Correct,
    Deposit,
    Estimate,
    Expense,
    MilestoneState,
    Progress,
    Quantity,
    TimeEntry,
    Usage,
)

CONNECTION = "scenario"


@dataclass
class Facts:
    """What the sources of the scenario hold now; every method gives the record as its source states it next."""

    scenario: Scenario
    contracts: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    versions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def change(
        self, object: str, source_id: str, document: Mapping[str, Any], moment: datetime, *, version: int | None = None,
        tombstone: bool = False,
    ) -> Change:  # fmt: skip
        """One version of a record."""
        number = version or self.versions[object, source_id] + 1
        self.versions[object, source_id] = max(number, self.versions[object, source_id])
        plain = {name: as_json(value) for name, value in document.items()}
        raw = json.dumps(plain, sort_keys=True).encode()
        return Change(object, source_id, f"{number:010d}", moment, plain, raw, tombstone)

    def firm(self, moment: datetime, first_day: date) -> list[Change]:
        """What is known before the first day: entities, customers, workers, contracts, projects."""
        header = self.scenario.header
        found = [self.change("legal_entity", e.code, _entity(e), moment) for e in header.entities]
        found += [self.change("customer", c.code, _customer(c), moment) for c in header.customers]
        found += [self.fx(rate.pair, rate.type, rate.rate, rate.at, moment) for rate in header.fx]
        found += people.workers(self, moment)
        signs = {
            e.body.contract or header.contracts[0].number for e in self.scenario.timeline if e.verb == "sign"
        }
        orders = {order.number: order for order in header.purchase_orders}
        for contract in header.contracts:
            document = contract_document(contract, signed=contract.number not in signs)
            order = orders.get(contract.purchase_order or "")
            document["purchase_order_amount"] = order.amount if order else None
            self.contracts[contract.number] = document
            found.append(self.change("contract", contract.number, document, moment))
            found += self._projects(contract, moment)
        return found

    def _projects(self, contract: Contract, moment: datetime) -> list[Change]:
        stated = {p.code: p.tasks for p in self.scenario.header.projects if p.contract == contract.number}
        for line in contract.lines:
            stated.setdefault(str(line.project), [])
        found = []
        for code, tasks in stated.items():
            project = {
                "code": code,
                "contract": contract.number,
                "state": "active",
                "currency": contract.currency,
            }
            if code in self.projects:
                continue
            self.projects.add(code)
            found.append(self.change("project", code, project, moment))
            for task in tasks:
                key = f"{code}/{task}"
                document = {"key": key, "project": code, "title": task, "state": "open"}
                found.append(self.change("project_task", key, document, moment))
        return found

    def time(self, body: TimeEntry, at: date, moment: datetime) -> Change:
        """A time entry."""
        line = self.scenario.line(body.contract, body.line)
        entry_id = body.id or f"T-{len(self.entries) + 1}"
        default = self.scenario.header.workers[0].id
        document = {
            "id": entry_id, "project": line.project, "task": _task(line, body.task),
            "worker": body.worker or (default if default else DEFAULT_WORKER), "date": body.date or at,
            "hours": body.hours, "billable": body.billable, "approved": body.approved, "role": body.role,
            "country": body.country, "worksite": body.worksite, "band": body.band,
        }  # fmt: skip
        self.entries[entry_id] = document
        return self.change("time_entry", entry_id, document, moment, version=body.version)

    def expense(self, body: Expense, at: date, moment: datetime) -> Change:
        """An expense; its currency is the contract's unless stated."""
        line = self.scenario.line(body.contract, body.line)
        key = body.id or self.number("E")
        told = body.model_dump(exclude={"contract", "line", "arrives", "version", "again"})
        document = told | {
            "id": key, "project": line.project, "task": _task(line, body.task), "date": body.date or at,
            "worker": body.worker or self.scenario.header.workers[0].id,
            "currency": body.currency or self.scenario.contract(body.contract).currency,
        }  # fmt: skip
        self.entries[key] = {"object": "expense", **document}
        return self.change("expense", key, document, moment, version=body.version)

    def performance(self, object: str, body: Any, at: date, moment: datetime) -> Change:
        """What was reached, used, delivered, measured or estimated, as its source says it."""
        contract = self.scenario.contract(body.contract)
        told: dict[str, Any] = {"contract": contract.number}
        if object != "variable_estimate":
            told["line"] = body.line or contract.lines[0].id
        key, facts = _PERFORMANCE[object](self, body, told, at)
        document = {**told, **facts}
        if object in ("usage_reading", "delivery"):
            self.entries[key] = {"object": object, **document}
        return self.change(object, key, document, moment, version=body.version)

    def number(self, prefix: str) -> str:
        """An id for a fact whose file names none."""
        return f"{prefix}-{len(self.entries) + 1}"

    def correct(self, body: Correct, moment: datetime) -> Change:
        """A later version of an entry; keys that are not given keep their value."""
        held = self.entries[body.id]
        told = body.model_dump(
            exclude_none=True, exclude={"id", "arrives", "version", "again", "contract", "line"}
        )
        if body.contract is not None or body.line is not None:
            told["project"] = self.scenario.line(body.contract, body.line).project
        document = {**held, **told}
        self.entries[body.id] = document
        return self.change(_object(document), body.id, _stated(document), moment, version=body.version)

    def withdraw(self, entry_id: str, version: int | None, moment: datetime) -> Change:
        """The deletion of an entry in its source."""
        held = self.entries[entry_id]
        return self.change(_object(held), entry_id, _stated(held), moment, version=version, tombstone=True)

    def state(self, number: str, moment: datetime, version: int | None = None, **facts: Any) -> Change:
        """The contract with another state or date."""
        self.contracts[number] |= facts
        return self.change("contract", number, self.contracts[number], moment, version=version)

    def amend(self, number: str, body: Amend, at: date, moment: datetime) -> list[Change]:
        """A new version of the contract. New terms hold from the day after: that day's work is on the old ones.

        What does not depend on the day of work (the cap, the end) holds at the end of the day itself.
        """
        contract = self.scenario.contract(number)
        document = self.contracts[number]
        before = dict(document)
        change = body.change
        if "end" in change.model_fields_set:
            document["end"] = change.end
        if change.collectible is not None:
            document |= {"collectible": change.collectible, "collectible_from": at}
        amend_lines(contract, change, at)
        document |= terms_of(contract)
        document["accounting"] |= modification(body)
        priced = any(document[name] != before[name] for name in ("lines", "end"))
        document["effective_from"] = at + timedelta(days=1) if priced or change.price is not None else at
        return [
            *self._projects(contract, moment),
            self.change("contract", number, document, moment, version=body.version),
        ]

    def deposit(self, body: Deposit, at: date, moment: datetime) -> Change:
        """What a contract asks for before any work."""
        contract = self.scenario.contract(body.contract)
        key = body.id or self.number("DEP")
        document = {
            "id": key, "contract": contract.number, "day": at, "amount": body.amount,
            "currency": body.currency or contract.currency,
        }  # fmt: skip
        self.entries[key] = {"object": "deposit", **document}
        return self.change("deposit", key, document, moment, version=body.version)

    def contract_cost(self, body: ContractCost, at: date, moment: datetime) -> Change:
        """What obtaining or fulfilling a contract cost."""
        contract = self.scenario.contract(body.contract)
        key = body.id or self.number("CC")
        told = body.model_dump(exclude={"contract", "arrives", "version", "again"})
        document = told | {
            "id": key, "contract": contract.number, "day": at, "currency": body.currency or contract.currency,
        }  # fmt: skip
        self.entries[key] = {"object": "contract_cost", **document}
        return self.change("contract_cost", key, document, moment, version=body.version)

    def fx(self, pair: str, type: str, rate: Any, day: date, moment: datetime) -> Change:
        """An exchange rate: what one unit of the pair's first currency is worth in its second."""
        base, _, quote = pair.partition("/")
        key = f"{pair}/{type}/{day}"
        document = {"key": key, "base": base, "quote": quote, "type": type, "day": day, "rate": rate}
        return self.change("exchange_rate", key, document, moment)

    def period(self, entity: str, code: str, state: str, moment: datetime) -> Change:
        """A fiscal period as the ERP states it."""
        first, last = period_bounds(code, self.scenario.calendar(entity))
        key = f"{entity}/{code}"
        document = {"key": key, "entity": entity, "start": first, "end": last, "state": state}
        return self.change("period", key, document, moment)


def periods_through(first: date, code: str, calendar: Calendar) -> list[str]:
    """Every period from that of a day to the given one."""
    found = [period_of(first, calendar)]
    while found[-1] < code:
        found.append(next_period(found[-1], calendar))
    return found


def _customer(customer: Customer) -> dict[str, Any]:
    reason = CATEGORIES[EXEMPT].reason if customer.exempt is True else customer.exempt or None
    return {**customer.model_dump(), "exemption": reason}


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "code": entity.code, "country": entity.country, "currency": entity.currency, "framework": entity.framework,
    }  # fmt: skip


def _milestone(
    facts: Facts, body: MilestoneState, told: Mapping[str, Any], at: date
) -> tuple[str, dict[str, Any]]:
    key = f"{told['contract']}/{told['line']}/{body.id}"
    return key, {"key": key, "milestone": body.id, "state": body.state, "day": at}


def _usage(facts: Facts, body: Usage, told: Mapping[str, Any], at: date) -> tuple[str, dict[str, Any]]:
    key = body.id or facts.number("U")
    return key, {
        "id": key,
        "meter": body.meter,
        "source": body.source,
        "day": body.date or at,
        "quantity": body.quantity,
    }


def _delivery(facts: Facts, body: Quantity, told: Mapping[str, Any], at: date) -> tuple[str, dict[str, Any]]:
    key = body.id or facts.number("D")
    return key, {"id": key, "day": body.date or at, "quantity": body.quantity}


def _progress(facts: Facts, body: Progress, told: Mapping[str, Any], at: date) -> tuple[str, dict[str, Any]]:
    key = f"{told['contract']}/{told['line']}/{at}"
    stated = body.model_dump(exclude={"contract", "line", "arrives", "version", "again"})
    renamed = {name.removesuffix("_to_date"): value for name, value in stated.items()}
    return key, {"key": key, "day": at, **renamed}


def _estimate(facts: Facts, body: Estimate, told: Mapping[str, Any], at: date) -> tuple[str, dict[str, Any]]:
    key = f"{told['contract']}/{body.variable}/{at}"
    outcomes = [one.model_dump(exclude_none=True) for one in body.outcomes or []]
    if body.amount is not None:
        outcomes = [{"amount": body.amount}]
    return key, {
        "key": key, "variable": body.variable, "day": at, "outcomes": outcomes or None, "constrained": body.constrained,
    }  # fmt: skip


_PERFORMANCE: Mapping[str, Callable[[Facts, Any, Mapping[str, Any], date], tuple[str, dict[str, Any]]]] = {
    "milestone": _milestone, "usage_reading": _usage, "delivery": _delivery, "progress": _progress,
    "variable_estimate": _estimate,
}  # fmt: skip


def _object(held: Mapping[str, Any]) -> str:
    return str(held.get("object", "time_entry"))


def _stated(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in held.items() if name != "object"}


def _task(line: Line, task: str | None) -> str | None:
    return None if task is None else f"{line.project}/{task}"
