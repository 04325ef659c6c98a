"""From a file to a scenario that can be played: all that is wrong with it is found before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tieout.hub import contract_lines
from tieout.hub.converters import Unfit
from tieout.model.money import UnknownCurrency, is_currency, minor_unit
from tieout.scenario.model import (
    MEASURES,
    SELECTORS,
    Contract,
    Customer,
    Entity,
    Event,
    Expectation,
    Header,
    Line,
    Worker,
    validated,
)
from tieout.scenario.reading import BadScenario, Source, read_source
from tieout.scenario.verbs import VERBS

_NO_MONEY = frozenset(
    {"percent_complete", "hours_worked", "hours_billed", "hours_unbilled", "utilization", "assignments", "unfilled",
     "events"}
)  # fmt: skip
"""Measures that state no amount of money."""
_MONEY_KEYS = frozenset({"net", "tax", "gross", "amount", "ours", "theirs", "difference", "lines"})
"""Keys of invoices, their lines, exceptions and tie-outs under which amounts stand; a unit price may be finer."""
_OF_A_LINE = frozenset({"time", "expense", "milestone", "progress", "usage", "deliver", "subcontract"})
_CORRECTED = frozenset({"time", "expense", "usage", "deliver"})
DEFAULT_ENTITY, DEFAULT_CUSTOMER, DEFAULT_WORKER = "US01", "CUST", "W1"


@dataclass(frozen=True)
class Scenario:
    """A checked scenario with its defaults filled in; `timeline` in the order in which it is played."""

    source: Source
    header: Header
    timeline: tuple[Event, ...]
    expectations: tuple[Expectation, ...]

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

    def lines_of(self, contract: str | None, obligation: str) -> list[str]:
        """The lines of an obligation: those that name it, else the line of that id; added ones included."""
        added = [
            told
            for event in self.timeline
            if event.verb == "amend" and self.contract(event.body.contract) is self.contract(contract)
            for told in event.body.change.get("lines", [])
        ]
        named = {line.id: line.obligation or line.id for line in self.contract(contract).lines}
        named |= {str(told["id"]): str(told.get("obligation", told["id"])) for told in added if "id" in told}
        return [line for line, own in named.items() if own == obligation]


def load_scenario(path: Path) -> Scenario:
    """A scenario from its file; BadScenario with file and line for whatever is wrong."""
    source = read_source(path)
    header: Header = validated(source, Header, source.values, ())
    timeline = [_event(source, item, ("timeline", place)) for place, item in enumerate(header.timeline)]
    expectations = [_expectation(source, item, ("expect", place)) for place, item in enumerate(header.expect)]
    if not timeline:
        raise source.bad(("timeline",), "a scenario needs a timeline")
    _fill(header, min(event.at for event in timeline))
    scenario = Scenario(source, header, tuple(timeline), tuple(expectations))
    _check_references(scenario)
    _check_tasks(scenario)
    _check_money(scenario)
    _check_expected_money(scenario)
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
    if len(verbs) != 1:
        raise source.bad(place, f"an event has `at` and one verb, got {', '.join(verbs) or 'none'}")
    verb = verbs[0]
    if verb not in VERBS:
        raise source.bad((*place, verb), f"unknown verb {verb}: use one of {', '.join(sorted(VERBS))}")
    body = validated(source, VERBS[verb], item[verb] if item[verb] is not None else {}, (*place, verb))
    return Event(at=item["at"], verb=verb, body=body, place=(*place, verb))


def _expectation(source: Source, item: dict[str, Any], place: tuple[Any, ...]) -> Expectation:
    if not isinstance(item.get("at"), date):
        raise source.bad(place, "an expectation needs `at: DATE`")
    where, measures, tolerance, functional = {}, {}, Decimal(0), False
    for key, value in item.items():
        if key == "at":
            continue
        if key in SELECTORS:
            where[key] = str(value)
        elif key in MEASURES:
            measures[key] = value
        elif key == "tolerance" and isinstance(value, int | Decimal):
            tolerance = Decimal(value)
        elif key == "in" and value == "functional":
            functional = True
        else:
            raise source.bad((*place, key), f"unknown measure or selector {key}")
    if not measures:
        raise source.bad(place, "an expectation states at least one measure")
    return Expectation(
        at=item["at"], where=where, measures=measures, tolerance=tolerance, functional=functional, place=place
    )


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


def default_project(contract: str, line: str, place: int) -> str:
    """The project of a line that names none: `P-CONTRACT`, of every line but the first with the line's id."""
    return f"P-{contract}" if place == 1 else f"P-{contract}-{line}"


def _check_references(scenario: Scenario) -> None:
    header, source = scenario.header, scenario.source
    known = {
        "entity": {e.code for e in header.entities},
        "customer": {c.code for c in header.customers},
        "worker": {w.id for w in header.workers},
        "contract": {c.number for c in header.contracts},
        "rate_card": {card.code for card in header.rate_cards},
        "tax": {tax.code for tax in header.taxes},
        "entry": {
            e.body.id for e in scenario.timeline if e.verb in _CORRECTED and getattr(e.body, "id", None)
        },
    }

    def need(kind: str, name: Any, place: tuple[Any, ...]) -> None:
        if name is not None and name not in known[kind]:
            raise source.bad(place, f"there is no {kind.replace('_', ' ')} {name}")

    for number, calendar in enumerate(header.calendars):
        need("entity", calendar.entity, ("calendars", number, "entity"))
    for number, fx in enumerate(header.fx):
        if not all(map(is_currency, fx.pair.partition("/")[::2])):
            raise source.bad(("fx", number, "pair"), f"{fx.pair} is no pair of currencies such as EUR/USD")
    for number, contract in enumerate(header.contracts):
        place = ("contracts", number)
        need("customer", contract.customer, (*place, "customer"))
        need("entity", contract.entity, (*place, "entity"))
        need("tax", contract.invoicing.tax, (*place, "invoicing", "tax"))
        for payer in contract.invoicing.split or []:
            need("customer", payer.customer, (*place, "invoicing", "split"))
        _check_invoicing(source, contract, place)
        for index, line in enumerate(contract.lines):
            need("tax", line.tax, (*place, "lines", index, "tax"))
            need("rate_card", line.billing.rate_card, (*place, "lines", index, "billing", "rate_card"))
            _check_plan(source, line, (*place, "lines", index))
        if contract.end and contract.start and contract.end < contract.start:
            raise source.bad((*place, "end"), f"contract {contract.number} ends before it starts")
    for number, worker in enumerate(header.workers):
        need("entity", worker.entity, ("workers", number, "entity"))
    for event in scenario.timeline:
        for kind in ("contract", "customer", "entity", "worker"):
            need(kind, getattr(event.body, kind, None), (*event.place, kind))
        if event.verb in ("correct", "withdraw"):
            need("entry", event.body.id, (*event.place, "id"))
        _check_line(scenario, event)
        if event.verb == "write":
            _check_write(source, event)
        if event.verb == "worker":
            need("worker", event.body.id, (*event.place, "id"))
        if event.verb == "rate":
            need("rate_card", event.body.card, (*event.place, "card"))
        _check_contract_is_named(scenario, event, known["contract"])
    for expectation in scenario.expectations:
        for kind in ("contract", "entity", "worker"):
            need(kind, expectation.where.get(kind), (*expectation.place, kind))


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


def _check_plan(source: Source, line: Line, place: tuple[Any, ...]) -> None:
    """A billing plan has what its method needs, and names its milestones where revenue asks for them."""
    plan = line.billing
    missing = [key for key in _NEEDED.get(plan.method, ()) if getattr(plan, key) is None]
    if plan.method == "fixed_fee" and plan.amount is None and not plan.schedule:
        missing = ["amount or schedule"]
    if missing:
        raise source.bad((*place, "billing"), f"billing method {plan.method} needs {', '.join(missing)}")
    stated = {name for name in type(plan).model_fields if getattr(plan, name) is not None}
    if strange := sorted(stated - _ALWAYS - _KEYS[plan.method]):
        key = strange[0].rstrip("_")
        raise source.bad((*place, "billing", key), f"{key} is no key of billing method {plan.method}")
    known = {one.id for one in plan.milestones or []}
    wanted = {
        *(line.revenue.weights or {}),
        *([line.revenue.when.milestone] if line.revenue.when else []),
    } - {None}
    if plan.milestones is not None and (unknown := sorted(str(one) for one in wanted - known)):
        raise source.bad((*place, "revenue"), f"there is no milestone {unknown[0]} in line {line.id}")


def _check_invoicing(source: Source, contract: Contract, place: tuple[Any, ...]) -> None:
    """The split of a contract is one that the hub would take in."""
    split = [payer.model_dump() for payer in contract.invoicing.split or []]
    try:
        contract_lines.invoicing({"split": split})
    except Unfit as error:
        raise source.bad((*place, "invoicing"), str(error)) from None


def _check_write(source: Source, event: Event) -> None:
    stated = [kind for kind in ("down", "up", "off") if getattr(event.body, kind) is not None]
    if len(stated) != 1:
        raise source.bad(event.place, "a write says one of down, up, off: amount")


def _check_line(scenario: Scenario, event: Event) -> None:
    """A line that an event names is there, now or by an amendment; where there are several, one is named."""
    contract = scenario.contract(getattr(event.body, "contract", None)) if scenario.header.contracts else None
    if contract is None:
        return
    added = [
        str(line.get("id"))
        for other in scenario.timeline
        if other.verb == "amend" and (other.body.contract or contract.number) == contract.number
        for line in other.body.change.get("lines", [])
    ]
    known = {line.id for line in contract.lines} | set(added)
    named = getattr(event.body, "line", None)
    if named is not None and named not in known:
        raise scenario.source.bad((*event.place, "line"), f"contract {contract.number} has no line {named}")
    if event.verb in _OF_A_LINE and named is None and len(contract.lines) > 1:
        said = f"{event.verb} must name its line: contract {contract.number} has {len(contract.lines)}"
        raise scenario.source.bad(event.place, said)


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


def _check_contract_is_named(scenario: Scenario, event: Event, contracts: set[str]) -> None:
    needs = event.verb in {"sign", "activate", "suspend", "terminate", "amend", "estimate", *_OF_A_LINE}
    if needs and event.body.contract is None and len(contracts) != 1:
        raise scenario.source.bad(
            event.place, f"{event.verb} must name its contract: there are {len(contracts)}"
        )


def _check_money(scenario: Scenario) -> None:
    source = scenario.source
    for number, entity in enumerate(scenario.header.entities):
        _minor(source, entity.currency, ("entities", number, "currency"))
    for number, contract in enumerate(scenario.header.contracts):
        place = ("contracts", number)
        digits = _minor(source, contract.currency or "USD", (*place, "currency"))
        for index, line in enumerate(contract.lines):
            at = (*place, "lines", index, "billing")
            _fits(source, line.billing.amount, digits, (*at, "amount"))
            _fits(
                source, line.billing.cap.amount if line.billing.cap else None, digits, (*at, "cap", "amount")
            )
    for event in scenario.timeline:
        paying = event.verb in ("pay", "credit", "payroll", "subcontract", "expense")
        if paying and getattr(event.body, "amount", None) is not None:
            digits = _minor(
                source, getattr(event.body, "currency", None) or _currency_of(scenario, event), event.place
            )
            for key in ("amount", "tax_amount"):
                _fits(source, getattr(event.body, key, None), digits, (*event.place, key))


def _currency_of(scenario: Scenario, event: Event) -> str:
    """The currency of an amount that names none: of the first contract, of costs that of the entity that bears them."""
    header = scenario.header
    if event.verb == "payroll":
        worker = next(w for w in header.workers if w.id == event.body.worker)
        entity = event.body.entity or worker.entity or header.entities[0].code
    elif event.verb == "subcontract":
        entity = scenario.contract(event.body.contract).entity
    else:
        return scenario.contract(getattr(event.body, "contract", None)).currency or "USD"
    return next(one.currency for one in header.entities if one.code == entity)


def _check_expected_money(scenario: Scenario) -> None:
    """An expected amount of money has no more decimals than the currencies that may be meant."""
    header = scenario.header
    functional = {entity.code: entity.currency for entity in header.entities}
    for expectation in scenario.expectations:
        where, entity = expectation.where, expectation.where.get("entity")
        contracts = [c for c in header.contracts if where.get("contract") in (None, c.number)]
        meant = {functional[entity]} if entity else {c.currency or "USD" for c in contracts}
        meant |= {functional[c.entity] for c in contracts if c.entity} or set(functional.values())
        digits = max(minor_unit(currency) for currency in meant)
        for measure, value in expectation.measures.items():
            for place, amount in _amounts(measure, value, (*expectation.place, measure)):
                _fits(scenario.source, amount, digits, place)


def _amounts(measure: str, value: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Decimal]]:
    """The amounts of money that a measure states, each with its place in the file."""
    if measure in _NO_MONEY:
        return
    if isinstance(value, Mapping):
        for key, part in value.items():
            if measure == "journal" or key in _MONEY_KEYS:
                yield from _amounts(measure, part, (*place, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _amounts(measure, part, (*place, number))
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield place, Decimal(value)


def _minor(source: Source, currency: str, place: tuple[Any, ...]) -> int:
    try:
        return minor_unit(currency)
    except UnknownCurrency as error:
        raise source.bad(place, str(error)) from None


def _fits(source: Source, amount: Decimal | None, digits: int, place: tuple[Any, ...]) -> None:
    if amount is not None and amount != round(amount, digits):
        raise source.bad(place, f"{amount} has more than {digits} decimals")
