"""The people of a scenario as source records: employment, cost rates, payroll, and the work that others did for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from tieout.connectors.kit.interface import Change
from tieout.scenario.model import CostRate, Worker
from tieout.scenario.terms import as_json
from tieout.scenario.verbs import Payroll, Subcontract

if TYPE_CHECKING:
    from tieout.scenario.facts import Facts

_EMPLOYMENT = ("left", "role", "grade", "country", "hired", "entity", "salaried", "capacity")
_FIRST = date(1990, 1, 1)


def workers(facts: Facts, moment: datetime) -> list[Change]:
    """All workers, then what they cost."""
    stated = facts.scenario.header.workers
    found = [facts.change("worker", one.id, _worker(facts, one), moment) for one in stated]
    rated = {one.id: _opening_rates(facts, one) for one in stated}
    return found + [_costs(facts, key, rates, moment) for key, rates in rated.items() if rates]


def changed(
    facts: Facts, worker_id: str, told: Mapping[str, Any], effective: date, moment: datetime
) -> list[Change]:
    """A worker after an HR change, employed so from a day on; and cost rates heard now."""
    worker = next(one for one in facts.scenario.header.workers if one.id == worker_id)
    for name in _EMPLOYMENT:
        if told.get(name) is not None:
            setattr(worker, name, told[name])
    found = [facts.change("worker", worker_id, _worker(facts, worker, effective), moment)]
    rates = [_rate(facts, worker, CostRate.model_validate(rate)) for rate in told.get("cost_rates") or ()]
    return [*found, _costs(facts, worker_id, rates, moment)] if rates else found


def payroll(facts: Facts, body: Payroll, moment: datetime) -> Change:
    """What payroll paid a worker for a period; each a record of its own unless it has an id."""
    worker = next(one for one in facts.scenario.header.workers if one.id == body.worker)
    key = body.id or f"PR-{_place(facts, 'payroll')}"
    document = {
        "id": key, "worker": body.worker, "entity": body.entity, "period": body.period, "amount": body.amount,
        "currency": body.currency or _currency(facts, body.entity or _entity(facts, worker)),
    }  # fmt: skip
    return facts.change("payroll", key, document, moment, version=body.version)


def subcontract(facts: Facts, body: Subcontract, at: date, moment: datetime) -> Change:
    """Subcontract work received, in the currency of the contract's entity unless stated."""
    entity = facts.scenario.contract(body.contract).entity
    key = body.id or f"S-{_place(facts, 'subcontract')}"
    document = {
        "id": key, "project": facts.scenario.line(body.contract, body.line).project, "supplier": body.supplier,
        "entity": None, "date": body.date or at, "amount": body.amount, "tax_amount": body.tax_amount, "billable": body.billable or None,
        "currency": body.currency or _currency(facts, str(entity)),
    }  # fmt: skip
    return facts.change("subcontract", key, document, moment, version=body.version)


def _worker(facts: Facts, worker: Worker, effective: date | None = None) -> dict[str, Any]:
    return {
        "id": worker.id, "name": worker.name or worker.id, "role": worker.role, "grade": worker.grade,
        "country": worker.country, "hired": worker.hired,
        "left": worker.left, "entity": _entity(facts, worker), "effective": effective, "salaried": worker.salaried,
        "capacity": worker.capacity,
    }  # fmt: skip


def _opening_rates(facts: Facts, worker: Worker) -> list[dict[str, Any]]:
    """The worker's rates; who states none costs nothing, which is only said where others cost something."""
    heard = (event.body.cost_rates for event in facts.scenario.timeline if event.verb == "worker")
    if not any(one.cost_rates for one in facts.scenario.header.workers) and not any(heard):
        return []
    if "cost_rates" not in worker.model_fields_set:
        return [_rate(facts, worker, CostRate.model_validate({"from": _FIRST, "rate": 0}))]
    return [_rate(facts, worker, rate) for rate in worker.cost_rates]


def _rate(facts: Facts, worker: Worker, rate: CostRate) -> dict[str, Any]:
    told = rate.model_dump(by_alias=True)
    told["currency"] = rate.currency or _currency(facts, _entity(facts, worker))
    return {name: as_json(value) for name, value in told.items()}


def _costs(facts: Facts, worker_id: str, rates: list[dict[str, Any]], moment: datetime) -> Change:
    return facts.change("worker_cost", worker_id, {"worker": worker_id, "rates": rates}, moment)


def _entity(facts: Facts, worker: Worker) -> str:
    return worker.entity or facts.scenario.header.entities[0].code


def _currency(facts: Facts, entity: str) -> str:
    return next(one.currency for one in facts.scenario.header.entities if one.code == entity)


def _place(facts: Facts, object: str) -> int:
    return 1 + sum(1 for kind, _ in facts.versions if kind == object)
