"""What a scenario names is there, once, and by the right kind of name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from tieout.domain.tax import UNTAXED
from tieout.hub import contract_lines
from tieout.hub.converters import Unfit
from tieout.model.money import is_currency
from tieout.scenario.model import Cap, Contract, Event, Line, Tax, TaxPoint, TransferMargin
from tieout.scenario.reading import Place, Source

if TYPE_CHECKING:
    from tieout.scenario.parsing import Scenario

_OF_A_LINE = frozenset({"time", "expense", "milestone", "progress", "usage", "deliver", "subcontract"})
_OF_A_CONTRACT = _OF_A_LINE | {
    "sign", "activate", "suspend", "terminate", "amend", "estimate", "deposit", "contract_cost",
}  # fmt: skip
Dated = Tax | TaxPoint | TransferMargin
_ENTRIES = frozenset({"time", "expense", "usage", "deliver"})
"""Verbs whose facts have an id of their own, by which they are corrected."""
_HOURS = frozenset({"time", "expense"})
"""Those that people hold and write down one by one."""


def check_references(scenario: Scenario) -> None:
    """BadScenario for the first name that is not there, or is there twice."""
    names = _Names(scenario)
    names.check_firm()
    for number, contract in enumerate(scenario.header.contracts):
        names.check_contract(contract, ("contracts", number))
    for lines in scenario.states.values():
        for place, line in lines:
            names.check_line(line, place)
    for event in scenario.timeline:
        names.check_event(event)
    _check_ids(scenario)
    _check_tasks(scenario)
    for expectation in scenario.expectations:
        names.check_where(expectation.where, expectation.place)


class _Names:
    """What the file states, by kind; every check raises BadScenario at the place of the name."""

    def __init__(self, scenario: Scenario) -> None:
        header = scenario.header
        self.scenario, self.header, self.source = scenario, header, scenario.source
        self.known: dict[str, Collection[str]] = {
            "entity": [one.code for one in header.entities],
            "customer": [one.code for one in header.customers],
            "worker": [one.id for one in header.workers],
            "contract": [one.number for one in header.contracts],
            "rate card": [one.code for one in header.rate_cards],
            "tax": {one.code for one in header.taxes},
            "purchase order": [one.number for one in header.purchase_orders],
            "project": {one.code for one in header.projects} | scenario.projects,
            "entry": _ids(scenario, _ENTRIES),
            "entry of time or expense": _ids(scenario, _HOURS),
        }

    def need(self, kind: str, name: Any, place: Place) -> None:
        """A name that is stated is one of that kind."""
        if name is not None and name not in self.known[kind]:
            raise self.source.bad(place, f"there is no {kind} {name}")

    def check_firm(self) -> None:
        header, source = self.header, self.source
        for kind, part in (
            ("entity", "entities"), ("customer", "customers"), ("worker", "workers"), ("contract", "contracts"),
            ("rate card", "rate_cards"), ("purchase order", "purchase_orders"),
        ):  # fmt: skip
            _once(source, self.known[kind], (part,))
        _once(source, [one.code for one in header.projects], ("projects",))
        for number, customer in enumerate(header.customers):
            self.need("customer", customer.parent, ("customers", number, "parent"))
        for number, worker in enumerate(header.workers):
            self.need("entity", worker.entity, ("workers", number, "entity"))
        for number, calendar in enumerate(header.calendars):
            self.need("entity", calendar.entity, ("calendars", number, "entity"))
        for number, project in enumerate(header.projects):
            self.need("contract", project.contract, ("projects", number, "contract"))
        for number, order in enumerate(header.purchase_orders):
            self.need("customer", order.customer, ("purchase_orders", number, "customer"))
        for number, fx in enumerate(header.fx):
            _check_pair(source, fx.pair, ("fx", number, "pair"))
        for number, card in enumerate(header.rate_cards):
            for row, rate in enumerate(card.rates):
                place = ("rate_cards", number, "rates", row)
                self.need("worker", rate.person, (*place, "person"))
                _check_order(source, rate.from_, rate.to, place)
        for number, point in enumerate(header.tax_points):
            if set(point.first_of) == {"payment"}:
                raise source.bad(
                    ("tax_points", number, "first_of"), "supply or invoice is expected beside payment"
                )
        for number, tax in enumerate(header.taxes):
            if tax.rate and tax.category in UNTAXED:
                raise source.bad(("taxes", number, "rate"), f"category {tax.category} has no rate")
        for number, agreed in enumerate(header.policies.transfer_margins):
            self.need("entity", agreed.supplier, ("policies", "transfer_margins", number, "supplier"))
            self.need("entity", agreed.buyer, ("policies", "transfer_margins", number, "buyer"))
        self.check_apart(header.tax_points, ("country",), ("tax_points",))
        self.check_apart(header.taxes, ("code", "country", "business"), ("taxes",))
        margins = header.policies.transfer_margins
        self.check_apart(margins, ("supplier", "buyer"), ("policies", "transfer_margins"))

    def check_apart(self, rules: Sequence[Dated], about: Sequence[str], place: Place) -> None:
        """No two rules about the same hold on one day."""
        for number, rule in enumerate(rules):
            _check_order(self.source, rule.from_, rule.to, (*place, number))
            for other in rules[:number]:
                if all(getattr(rule, name) == getattr(other, name) for name in about) and _overlap(
                    rule, other
                ):
                    raise self.source.bad((*place, number), "its days overlap those of another")

    def check_contract(self, contract: Contract, place: Place) -> None:
        self.need("customer", contract.customer, (*place, "customer"))
        self.need("entity", contract.entity, (*place, "entity"))
        self.need("contract", contract.combine_with, (*place, "combine_with"))
        if self.header.purchase_orders:
            self.need("purchase order", contract.purchase_order, (*place, "purchase_order"))
        _check_order(
            self.source, contract.start, contract.end, (*place, "end"), f"contract {contract.number}"
        )
        self._check_invoicing(contract, (*place, "invoicing"))
        for number, rule in enumerate(contract.rules):
            self._fits({"rules": [rule]}, (*place, "rules", number))
        lines = self.scenario.lines_named(contract)
        _once(self.source, [line.id for line in contract.lines], (*place, "lines"))
        _once(self.source, [one.id for one in contract.variable], (*place, "variable"))
        for index, cap in enumerate(contract.caps):
            self._check_cap(cap, lines, (*place, "caps", index))
        for index, one in enumerate(contract.variable):
            self._check_lines(one.lines, lines, (*place, "variable", index, "lines"))

    def _check_invoicing(self, contract: Contract, place: Place) -> None:
        plan = contract.invoicing
        self.need("tax", plan.tax, (*place, "tax"))
        for payer in plan.split or []:
            self.need("customer", payer.customer, (*place, "split"))
        self._fits({"split": [payer.model_dump() for payer in plan.split or []]}, place)
        release = getattr(plan.retention, "release", None)
        if release is not None and release.milestone is not None:
            self._check_milestone(contract, None, release.milestone, (*place, "retention"))

    def _fits(self, invoicing: Mapping[str, Any], place: Place) -> None:
        """The terms of invoicing are what the hub would take in."""
        try:
            contract_lines.invoicing(invoicing)
        except Unfit as error:
            raise self.source.bad(place, str(error)) from None

    def check_line(self, line: Line, place: Place) -> None:
        """A line as the file states it, or as an amendment leaves it."""
        plan = line.billing
        self.need("tax", line.tax, (*place, "tax"))
        self.need("rate card", plan.rate_card, (*place, "billing", "rate_card"))
        if plan.drawdown is not None:
            self.need("rate card", plan.drawdown.rate_card, (*place, "billing", "drawdown"))
        if plan.cap is not None:
            self._check_cap(plan.cap, [line.id], (*place, "billing", "cap"))
        for name, ids in (("milestones", plan.milestones), ("schedule", plan.schedule)):
            _once(self.source, [one.id for one in ids or [] if one.id], (*place, "billing", name))
        _check_order(self.source, line.start, line.end, (*place, "end"), f"line {line.id}")

    def _check_cap(self, cap: Cap, lines: Collection[str], place: Place) -> None:
        if cap.amount is None and cap.hours is None:
            raise self.source.bad(place, "a cap states an amount or hours")
        self._check_lines(cap.lines, lines, (*place, "lines"))

    def _check_lines(self, named: str | list[str], lines: Collection[str], place: Place) -> None:
        for line in named if isinstance(named, list) else ():
            if line not in lines:
                raise self.source.bad(place, f"there is no line {line}")

    def _check_milestone(self, contract: Contract, line: str | None, name: str, place: Place) -> None:
        known = self.scenario.milestones(contract, line)
        if name not in known:
            where = f"line {line}" if line else f"contract {contract.number}"
            raise self.source.bad(place, f"there is no milestone {name} in {where}")

    def check_event(self, event: Event) -> None:
        body, place, source = event.body, event.place, self.source
        for kind in ("contract", "customer", "entity", "worker"):
            self.need(kind, getattr(body, kind, None), (*place, kind))
        named = {"correct": "entry", "withdraw": "entry", "hold": "entry of time or expense",
                 "unhold": "entry of time or expense", "write": "entry of time or expense", "worker": "worker"}  # fmt: skip
        if event.verb in named:
            self.need(named[event.verb], body.id, (*place, "id"))
        self._check_contract(event)
        match event.verb:
            case "fx":
                _check_pair(source, body.pair, (*place, "pair"))
            case "rate":
                self.need("rate card", body.card, (*place, "card"))
                self.need("worker", body.person, (*place, "person"))
                _check_order(source, body.from_, body.to, place)
            case "write":
                _one_of(
                    source, body, ("down", "up", "off"), place, "a write says one of down, up, off: amount"
                )
            case "credit":
                what = "a credit says one of lines, amount, all: true"
                _one_of(source, body, ("lines", "amount", "all"), place, what)
                for number, item in enumerate(body.lines or []):
                    self._check_credited(item.id, (*place, "lines", number, "id"))

    def _check_credited(self, name: str, place: Place) -> None:
        lines = {line for contract in self.header.contracts for line in self.scenario.lines_named(contract)}
        if name not in lines:
            self.need("entry", name, place)

    def _check_contract(self, event: Event) -> None:
        """The contract and line of an event are there, and named where there are several."""
        body, place, contracts = event.body, event.place, self.header.contracts
        source, named = self.source, getattr(body, "contract", None)
        if event.verb in _OF_A_CONTRACT and named is None and len(contracts) != 1:
            raise self.source.bad(place, f"{event.verb} must name its contract: there are {len(contracts)}")
        if not contracts or not hasattr(body, "contract"):
            return
        contract = self.scenario.contract(named)
        lines, line = self.scenario.lines_named(contract), getattr(body, "line", None)
        if line is not None and line not in lines:
            raise self.source.bad((*place, "line"), f"contract {contract.number} has no line {line}")
        if event.verb in _OF_A_LINE and line is None and len(contract.lines) > 1:
            said = f"{event.verb} must name its line: contract {contract.number} has {len(contract.lines)}"
            raise self.source.bad(place, said)
        if event.verb == "milestone":
            self._check_milestone(contract, line or contract.lines[0].id, body.id, (*place, "id"))
        if event.verb == "estimate" and body.variable not in {one.id for one in contract.variable}:
            said = f"contract {contract.number} has no variable amount {body.variable}"
            raise self.source.bad((*place, "variable"), said)
        if event.verb == "amend":
            self._check_lines(body.change.remove, lines, (*place, "change", "remove"))
            what = f"contract {contract.number}"
            _check_order(source, contract.start, body.change.end, (*place, "change", "end"), what)

    def check_where(self, where: dict[str, str], place: Place) -> None:
        for kind in ("contract", "entity", "worker", "project"):
            self.need(kind, where.get(kind), (*place, kind))
        named = where.get("contract")
        contracts = [one for one in self.header.contracts if named in (None, one.number)]
        lines = {line: own for one in contracts for line, own in self.scenario.lines_named(one).items()}
        for kind, known in (("line", lines.keys()), ("obligation", lines.values())):
            if kind in where and where[kind] not in known:
                raise self.source.bad((*place, kind), f"there is no {kind} {where[kind]}")


def _ids(scenario: Scenario, verbs: Collection[str]) -> set[str]:
    return {str(event.body.id) for event in scenario.timeline if event.verb in verbs and event.body.id}


def _once(source: Source, names: Iterable[str], place: Place) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise source.bad(place, f"{name} is stated twice")


def _overlap(one: Dated, other: Dated) -> bool:
    first, last = date.min, date.max
    return (one.from_ or first) <= (other.to or last) and (other.from_ or first) <= (one.to or last)


def _check_pair(source: Source, pair: str, place: Place) -> None:
    base, _, quote = pair.partition("/")
    if base == quote or not (is_currency(base) and is_currency(quote)):
        raise source.bad(place, f"{pair} is no pair of currencies such as EUR/USD")


def _check_order(source: Source, first: Any, last: Any, place: Place, what: str = "this") -> None:
    if first is not None and last is not None and last < first:
        raise source.bad(place, f"{what} ends before it starts")


def _one_of(source: Source, body: Any, keys: Collection[str], place: Place, said: str) -> None:
    if sum(1 for key in keys if getattr(body, key)) != 1:
        raise source.bad(place, said)


def _check_ids(scenario: Scenario) -> None:
    """A fact is stated once, before it is corrected; a later version of it is a `correct`, or says its `version`."""
    seen: set[tuple[str, str]] = set()
    for event in sorted(scenario.timeline, key=lambda one: one.at):
        fact = (event.verb, str(getattr(event.body, "id", None)))
        if event.verb in ("correct", "withdraw") and not any(
            (verb, event.body.id) in seen for verb in _ENTRIES
        ):
            raise scenario.source.bad(event.place, f"{event.body.id} is only stated after this {event.verb}")
        if event.verb not in _ENTRIES or event.body.id is None:
            continue
        if fact in seen and event.body.version is None and not event.body.again:
            said = f"{event.verb} {event.body.id} is stated twice: a later version of it is a `correct`"
            raise scenario.source.bad(event.place, said)
        seen.add(fact)


def _check_tasks(scenario: Scenario) -> None:
    """A named task is one of its project's, where the project states its tasks."""
    tasks = {project.code: project.tasks for project in scenario.header.projects if project.tasks}
    entries: dict[str, tuple[str | None, str | None]] = {}  # id: contract and line
    for event in scenario.timeline:
        if event.verb not in ("time", "expense", "correct"):
            continue
        body = event.body
        contract, line = entries.get(body.id, (None, None)) if body.id else (None, None)
        contract, line = body.contract or contract, body.line or line
        if body.id:
            entries[body.id] = (contract, line)
        lines = [one for one in scenario.contract(contract).lines if line in (None, one.id)]
        project = lines[0].project if lines else None
        if body.task is not None and project in tasks and body.task not in tasks[project]:
            said = f"there is no task {body.task} in project {project}: it states {', '.join(tasks[project])}"
            raise scenario.source.bad((*event.place, "task"), said)
