"""The facts of a scenario as source records of the connection `scenario`, with their versions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout.connectors.kit.interface import Change
from tieout.model.periods import next_period, period_bounds
from tieout.scenario.model import Amend, Cap, Contract, Correct, Entity, Line, TimeEntry, Worker
from tieout.scenario.parsing import DEFAULT_WORKER, Scenario, default_project

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
        plain = {name: _json(value) for name, value in document.items()}
        raw = json.dumps(plain, sort_keys=True).encode()
        return Change(object, source_id, f"{number:010d}", moment, plain, raw, tombstone)

    def firm(self, moment: datetime, first_day: date) -> list[Change]:
        """What is known before the first day: entities, customers, workers, contracts, projects."""
        header = self.scenario.header
        found = [self.change("legal_entity", e.code, _entity(e), moment) for e in header.entities]
        found += [self.change("customer", c.code, c.model_dump(), moment) for c in header.customers]
        found += [self.change("worker", w.id, _worker(w), moment) for w in header.workers]
        signs = {
            e.body.contract or header.contracts[0].number for e in self.scenario.timeline if e.verb == "sign"
        }
        orders = {order.number: order for order in header.purchase_orders}
        for contract in header.contracts:
            document = _contract(contract, signed=contract.number not in signs)
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
        }  # fmt: skip
        self.entries[entry_id] = document
        return self.change("time_entry", entry_id, document, moment, version=body.version)

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
        return self.change("time_entry", body.id, document, moment, version=body.version)

    def withdraw(self, entry_id: str, version: int | None, moment: datetime) -> Change:
        """The deletion of an entry in its source."""
        return self.change(
            "time_entry", entry_id, self.entries[entry_id], moment, version=version, tombstone=True
        )

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
        if "end" in body.change:
            document["end"] = body.change["end"]
        if "collectible" in body.change:
            document |= {"collectible": body.change["collectible"], "collectible_from": at}
        for told in body.change.get("lines", []):
            _amend_line(contract, told)
        document |= _terms(contract)
        priced = document["lines"] != before["lines"]
        document["effective_from"] = at + timedelta(days=1) if priced else at
        return [
            *self._projects(contract, moment),
            self.change("contract", number, document, moment, version=body.version),
        ]

    def period(self, entity: str, code: str, state: str, moment: datetime) -> Change:
        """A fiscal period as the ERP states it."""
        first, last = period_bounds(code)
        key = f"{entity}/{code}"
        document = {"key": key, "entity": entity, "start": first, "end": last, "state": state}
        return self.change("period", key, document, moment)

    def worker(self, worker_id: str, told: Mapping[str, Any], moment: datetime) -> Change:
        """A worker after an HR change."""
        worker = next(w for w in self.scenario.header.workers if w.id == worker_id)
        for name in ("left", "role"):
            if told.get(name) is not None:
                setattr(worker, name, told[name])
        return self.change("worker", worker_id, _worker(worker), moment)


def periods_through(first: date, code: str) -> list[str]:
    """Every period from that of a day to the given one."""
    found = [f"{first.year:04d}-{first.month:02d}"]
    while found[-1] < code:
        found.append(next_period(found[-1]))
    return found


def _entity(entity: Entity) -> dict[str, Any]:
    return {"code": entity.code, "country": entity.country, "currency": entity.currency}


def _worker(worker: Worker) -> dict[str, Any]:
    return {"id": worker.id, "name": worker.name or worker.id, "role": worker.role, "left": worker.left}


def _contract(contract: Contract, signed: bool) -> dict[str, Any]:
    told = {
        "number": contract.number, "customer": contract.customer, "entity": contract.entity,
        "currency": contract.currency, "start": contract.start, "end": contract.end, "effective_from": contract.start,
        "terms": contract.invoicing.terms, "state": "signed" if signed else "draft",
        "signed_on": contract.start if signed else None, "purchase_order": contract.purchase_order,
        "collectible": contract.collectible, "collectible_from": None,
    }  # fmt: skip
    return told | _terms(contract)


def _terms(contract: Contract) -> dict[str, Any]:
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
    return {"lines": [_line(line) for line in contract.lines], "caps": caps}


def _line(line: Line) -> dict[str, Any]:
    plan = line.billing
    told: dict[str, Any] = {
        "line": line.id, "name": line.name, "project": line.project, "billing_method": plan.method,
        "rate_card": plan.rate_card, "discount": plan.discount, "minimum_hours_per_day": plan.minimum_hours_per_day,
    }  # fmt: skip
    if plan.increment:
        told |= {f"increment_{name}": value for name, value in plan.increment.model_dump().items()}
    if plan.overtime:
        told |= {f"overtime_{name}": value for name, value in plan.overtime.model_dump().items()}
    return _without_nulls(told)


def _cap(cap: Cap, *, name: str | None, lines: list[str] | None) -> dict[str, Any]:
    told = {
        "cap": name, "lines": lines, "includes": cap.includes, "amount": cap.amount, "hours": cap.hours,
        "over": cap.over,
    }  # fmt: skip
    return _without_nulls(told)


def _without_nulls(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _json(value) for name, value in told.items() if value is not None}


def _amend_line(contract: Contract, told: Mapping[str, Any]) -> None:
    """Merge a change into the line that it names (the only one when it names none), or add a line."""
    named = str(told.get("id", contract.lines[0].id if len(contract.lines) == 1 else ""))
    line = next((one for one in contract.lines if one.id == named), None)
    if line is None:
        added = Line.model_validate(told)
        added.project = added.project or default_project(contract.number, added.id, len(contract.lines) + 1)
        contract.lines.append(added)
        return
    merged = Line.model_validate(_deep(line.model_dump(by_alias=True, exclude_none=True), told))
    line.billing, line.revenue = merged.billing, merged.revenue


def _deep(held: Any, change: Any) -> Any:
    if isinstance(held, dict) and isinstance(change, Mapping):
        return {**held, **{name: _deep(held.get(name), value) for name, value in change.items()}}
    return change


def _task(line: Line, task: str | None) -> str | None:
    return None if task is None else f"{line.project}/{task}"


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return [_json(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
