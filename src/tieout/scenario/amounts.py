"""Amounts of a scenario: none has more decimals than its currency, stated or expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from tieout.model.money import minor_unit
from tieout.scenario.fields import MONEY
from tieout.scenario.model import Event
from tieout.scenario.reading import Place, Source

if TYPE_CHECKING:
    from tieout.scenario.parsing import Scenario

_NO_MONEY = frozenset(
    {"percent_complete", "hours_worked", "hours_billed", "hours_unbilled", "utilization", "assignments", "unfilled",
     "events"}
)  # fmt: skip
"""Measures that state no amount of money."""
_MONEY_KEYS = frozenset({"net", "tax", "gross", "amount", "ours", "theirs", "difference", "lines"})
"""Keys of invoices, their lines, exceptions and tie-outs under which amounts stand; a unit price may be finer."""


def check_amounts(scenario: Scenario) -> None:
    """BadScenario for the first amount that is finer than its currency."""
    header, source = scenario.header, scenario.source
    for number, order in enumerate(header.purchase_orders):
        _fit(source, order, order.currency, ("purchase_orders", number))
    for number, contract in enumerate(header.contracts):
        _fit(source, contract, contract.currency or "USD", ("contracts", number))
    for event in scenario.timeline:
        _fit(source, event.body, _currency_of(scenario, event), event.place)
    _check_expected(scenario)


def _fit(source: Source, part: BaseModel, currency: str, place: Place) -> None:
    for at, amount in _amounts_in(part, place):
        _fits(source, amount, minor_unit(currency), at)


def _amounts_in(part: BaseModel, place: Place) -> Iterator[tuple[Place, Decimal]]:
    """Every amount of a part of the file and of what it holds, each with its place."""
    for name, field in type(part).model_fields.items():
        value, at = getattr(part, name), (*place, field.alias or name)
        if name in _money_fields(type(part)) and value is not None:
            yield at, value
        yield from _amounts_below(value, at)


def _amounts_below(value: Any, place: Place) -> Iterator[tuple[Place, Decimal]]:
    if isinstance(value, BaseModel):
        yield from _amounts_in(value, place)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _amounts_below(one, (*place, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _amounts_below(one, (*place, number))


@cache
def _money_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a part that hold amounts."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if MONEY in field.metadata or any(_is_money(one) for one in get_args(field.annotation))
    )


def _is_money(annotation: Any) -> bool:
    return MONEY in getattr(annotation, "__metadata__", ())


def _currency_of(scenario: Scenario, event: Event) -> str:
    """The currency of an event's amounts: its own, else its contract's; of costs that of the entity that bears them."""
    header, body = scenario.header, event.body
    if stated := getattr(body, "currency", None):
        return str(stated)
    if event.verb in ("payroll", "worker"):
        worker = next(one for one in header.workers if one.id == (getattr(body, "worker", None) or body.id))
        return scenario.books(getattr(body, "entity", None) or worker.entity)
    if not header.contracts:
        return scenario.books(None)
    contract = scenario.contract(getattr(body, "contract", None))
    return scenario.books(contract.entity) if event.verb == "subcontract" else contract.currency or "USD"


def _check_expected(scenario: Scenario) -> None:
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
            for place, amount in _expected(measure, value, (*expectation.place, measure)):
                _fits(scenario.source, amount, digits, place)


def _expected(measure: str, value: Any, place: Place) -> Iterator[tuple[Place, Decimal]]:
    """The amounts of money that a measure states, each with its place in the file."""
    if measure in _NO_MONEY:
        return
    if isinstance(value, Mapping):
        for key, part in value.items():
            if measure == "journal" or key in _MONEY_KEYS:
                yield from _expected(measure, part, (*place, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _expected(measure, part, (*place, number))
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield place, Decimal(value)


def _fits(source: Source, amount: Decimal, digits: int, place: Place) -> None:
    if amount != round(amount, digits):
        raise source.bad(place, f"{amount} has more than {digits} decimals")
