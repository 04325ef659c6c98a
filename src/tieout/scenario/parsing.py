"""From a file to a scenario that can be played: all that is wrong with it is found before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tieout.model.periods import Calendar, period_bounds
from tieout.scenario.amounts import check_amounts
from tieout.scenario.expected import read_expectation
from tieout.scenario.model import (
    Contract,
    Customer,
    Dated,
    Entity,
    Event,
    Expectation,
    Header,
    Line,
    Worker,
    default_project,
)
from tieout.scenario.reading import BadScenario, Place, Source, explained, read_source, validated
from tieout.scenario.references import check_references
from tieout.scenario.terms import amend_lines
from tieout.scenario.verbs import VERBS

DEFAULT_ENTITY, DEFAULT_CUSTOMER, DEFAULT_WORKER = "US01", "CUST", "W1"


@dataclass(frozen=True)
class Scenario:
    """A checked scenario with its defaults filled in; `timeline` in the order of the file.

    `states`: the lines of each contract as the file states them and as each amendment leaves them, with their place.
    """

    source: Source
    header: Header
    timeline: tuple[Event, ...]
    expectations: tuple[Expectation, ...]
    states: Mapping[str, Sequence[tuple[Place, Line]]]

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self.header.name

    def line(self, number: str | None, line: str | None) -> Line:
        """A line of a contract; its first when none is named."""
        lines = self.contract(number).lines
        return lines[0] if line is None else next(one for one in lines if one.id == line)

    def contract(self, number: str | None) -> Contract:
        """A contract by number; the only one when none is named."""
        if number is None:
            return self.header.contracts[0]
        return next(c for c in self.header.contracts if c.number == number)

    def calendar(self, entity: str | None) -> Calendar:
        """The fiscal calendar of a legal entity; of the first when none is named."""
        entities = self.header.entities
        return next((one for one in entities if one.code == entity), entities[0]).calendar

    def entity_of(self, where: Mapping[str, str]) -> str | None:
        """The legal entity in whose periods an expectation is read: the one named, else the contract's or worker's."""
        if {"entity", "worker"} & set(where):
            workers = {one.id: one.entity for one in self.header.workers}
            return where.get("entity") or workers.get(where["worker"])
        return self.contract(where.get("contract")).entity

    def books(self, entity: str | None) -> str:
        """The currency of an entity's books; of the first one when none is named."""
        entities = self.header.entities
        return next((one.currency for one in entities if one.code == entity), entities[0].currency)

    def lines_named(self, contract: Contract) -> dict[str, str]:
        """Each line that a contract ever has, with its obligation."""
        return {line.id: line.obligation or line.id for _, line in self.states[contract.number]}

    def milestones(self, contract: Contract, line: str | None) -> set[str]:
        """Milestones that a line of a contract (any) bills or earns by."""
        lines = [one for _, one in self.states[contract.number] if line in (None, one.id)]
        billed = {milestone.id for one in lines for milestone in one.billing.milestones or []}
        earned = {name for one in lines for name in one.revenue.weights or {}}
        awaited = {one.revenue.when.milestone for one in lines if one.revenue.when is not None}
        return billed | earned | {name for name in awaited if name is not None}

    @property
    def projects(self) -> set[str]:
        """The projects of all lines."""
        return {str(line.project) for lines in self.states.values() for _, line in lines}

    def lines_of(self, contract: str | None, obligation: str) -> list[str]:
        """The lines of an obligation: those that name it, else the line of that id; added ones included."""
        named = self.lines_named(self.contract(contract))
        return [line for line, own in named.items() if own == obligation]


def load_scenario(path: Path) -> Scenario:
    """A scenario from its file; BadScenario with file and line for whatever is wrong."""
    source = read_source(path)
    header: Header = validated(source, Header, source.values, ())
    timeline = [_event(source, item, ("timeline", place)) for place, item in enumerate(header.timeline)]
    expectations = [
        read_expectation(source, item, ("expect", place)) for place, item in enumerate(header.expect)
    ]
    if not timeline:
        raise source.bad(("timeline",), "a scenario needs a timeline")
    _fill(header, min(event.at for event in timeline))
    scenario = Scenario(
        source, header, tuple(timeline), tuple(expectations), _states(source, header, timeline)
    )
    check_references(scenario)
    for lines in scenario.states.values():
        for place, line in lines:
            _check_plan(source, line, place)
    _check_periods(scenario)
    check_amounts(scenario)
    return scenario


def scenario_files(paths: Collection[Path]) -> list[Path]:
    """The files themselves and every `*.yaml` under the folders, sorted."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found |= set(path.rglob("*.yaml"))
        elif path.exists():
            found.add(path)
        else:
            raise BadScenario("there is no such file or folder", str(path), 1)
    return sorted(found)


def _event(source: Source, item: dict[str, Any], place: tuple[Any, ...]) -> Event:
    verbs = [key for key in item if key != "at"]
    if not isinstance(item.get("at"), date):
        raise source.bad(place, "an event needs `at: DATE`")
    validated(source, Dated, {"at": item["at"]}, place)
    if len(verbs) != 1:
        raise source.bad(place, f"an event has `at` and one verb, got {', '.join(verbs) or 'none'}")
    verb = verbs[0]
    if verb not in VERBS:
        raise source.bad((*place, verb), f"unknown verb {verb}: use one of {', '.join(sorted(VERBS))}")
    body = validated(source, VERBS[verb], item[verb] if item[verb] is not None else {}, (*place, verb))
    return Event(at=item["at"], verb=verb, body=body, place=(*place, verb))


def _states(source: Source, header: Header, timeline: Sequence[Event]) -> dict[str, list[tuple[Place, Line]]]:
    """The lines of each contract, first and after each amendment."""
    contracts = {one.number: one.model_copy(deep=True) for one in header.contracts}
    found: dict[str, list[tuple[Place, Line]]] = {
        one.number: [(("contracts", number, "lines", index), line) for index, line in enumerate(one.lines)]
        for number, one in enumerate(header.contracts)
    }
    for event in sorted(timeline, key=lambda one: one.heard):
        number = getattr(event.body, "contract", None) or next(iter(contracts), None)
        if event.verb != "amend" or number not in contracts:
            continue
        place = (*event.place, "change")
        try:
            amend_lines(contracts[number], event.body.change, event.at)
        except ValidationError as error:
            raise explained(source, error, place) from None
        found[number] += [(place, line) for line in contracts[number].lines]
    return found


def _fill(header: Header, first_day: date) -> None:
    header.entities = header.entities or [Entity(code=DEFAULT_ENTITY)]
    header.customers = header.customers or [Customer(code=DEFAULT_CUSTOMER)]
    header.workers = header.workers or [Worker(id=DEFAULT_WORKER)]
    currencies = {entity.code: entity.currency for entity in header.entities}
    for contract in header.contracts:
        contract.entity = contract.entity or header.entities[0].code
        contract.customer = contract.customer or header.customers[0].code
        contract.currency = contract.currency or currencies.get(contract.entity, "USD")
        contract.start = contract.start or first_day
        for place, line in enumerate(contract.lines, 1):
            line.project = line.project or default_project(contract.number, line.id, place)


_ALWAYS = frozenset({"method", "cap", "expenses"})
_KEYS: Mapping[str, frozenset[str]] = {
    "time_and_materials": frozenset(
        {"rate_card", "increment", "overtime", "minimum_hours_per_day", "discount"}
    ),
    "fixed_fee": frozenset({"amount", "schedule", "every"}),
    "milestone": frozenset({"amount", "milestones", "bill_on"}),
    "retainer": frozenset(
        {"kind", "amount", "every", "in_", "drawdown", "rollover", "overage", "proration", "anchor"}
    ),
    "recurring": frozenset({"amount", "every", "in_", "proration", "uplift", "anchor"}),
    "usage": frozenset({"unit", "every", "included", "tiers", "mode", "package_size", "minimum", "anchor"}),
    "units": frozenset({"price", "unit"}),
}
"""Keys of each billing method, beside those that any may have."""
_NEEDED = {
    "milestone": ("milestones",), "recurring": ("amount",), "retainer": ("amount",), "usage": ("tiers",),
    "units": ("price",),
}  # fmt: skip
"""Keys without which a billing method cannot bill."""
_REVENUE_KEYS: Mapping[str, frozenset[str]] = {
    "as_invoiced": frozenset(), "cost_to_cost": frozenset({"estimated_cost"}),
    "labor_hours": frozenset({"estimated_hours"}), "milestone": frozenset({"weights"}),
    "straight_line": frozenset({"from_", "to", "basis"}), "units": frozenset({"estimated_units"}),
    "point_in_time": frozenset({"when"}),
}  # fmt: skip
"""Keys of each revenue method."""


def _check_plan(source: Source, line: Line, place: tuple[Any, ...]) -> None:
    """A billing plan has what its method needs, and names its milestones where revenue asks for them."""
    plan = line.billing
    missing = [key for key in _NEEDED.get(plan.method, ()) if getattr(plan, key) is None]
    if plan.method == "fixed_fee" and plan.amount is None and not plan.schedule:
        missing = ["amount or schedule"]
    if missing:
        raise source.bad((*place, "billing"), f"billing method {plan.method} needs {', '.join(missing)}")
    for part, method, own in (
        ("billing", plan, _ALWAYS | _KEYS[plan.method]),
        ("revenue", line.revenue, {"method", *_REVENUE_KEYS[line.revenue.method]}),
    ):
        stated = {name for name in type(method).model_fields if getattr(method, name) is not None}
        if strange := sorted(stated - own):
            key = strange[0].rstrip("_")
            raise source.bad((*place, part, key), f"{key} is no key of {part} method {method.method}")
    known = {one.id for one in plan.milestones or []}
    wanted = {
        *(line.revenue.weights or {}),
        *([line.revenue.when.milestone] if line.revenue.when else []),
    } - {None}
    if plan.milestones is not None and (unknown := sorted(str(one) for one in wanted - known)):
        raise source.bad((*place, "revenue"), f"there is no milestone {unknown[0]} in line {line.id}")


def _check_periods(scenario: Scenario) -> None:
    """Periods that are closed or reopened are those of the entity's calendar."""
    for event in scenario.timeline:
        if event.verb in ("close", "reopen"):
            try:
                period_bounds(event.body.period, scenario.calendar(event.body.entity))
            except ValueError as error:
                raise scenario.source.bad((*event.place, "period"), str(error)) from None
