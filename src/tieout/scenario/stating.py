"""What the verbs that state facts make of the sources' records.

A source makes its versions in the order in which things happen, whenever the hub hears of them: a correction that comes
before its entry is the later version all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from tieout.connectors.kit.interface import Change
from tieout.scenario import people
from tieout.scenario.facts import Facts
from tieout.scenario.model import Event

_Stating = Callable[[Facts, Event, datetime], list[Change]]


def stated(facts: Facts, timeline: Iterable[Event], moment: datetime) -> dict[tuple[Any, ...], list[Change]]:
    """The records of every stating event, by its place in the file."""
    in_order = sorted((event for event in timeline if event.verb in STATED), key=lambda event: event.at)
    return {event.place: _STATING[event.verb](facts, event, moment) for event in in_order}


def _contract(**state: Any) -> _Stating:
    """The contract in another state; `on` names the date that the state has."""

    def state_it(facts: Facts, event: Event, moment: datetime) -> list[Change]:
        told = {name: event.at if value is None else value for name, value in state.items()}
        number = facts.scenario.contract(event.body.contract).number
        return [facts.state(number, moment, event.body.version, **told)]

    return state_it


def _performance(object: str) -> _Stating:
    return lambda facts, event, moment: [facts.performance(object, event.body, event.at, moment)]


def _amend(facts: Facts, event: Event, moment: datetime) -> list[Change]:
    number = facts.scenario.contract(event.body.contract).number
    return facts.amend(number, event.body, event.at, moment)


def _worker(facts: Facts, event: Event, moment: datetime) -> list[Change]:
    told = event.body.model_dump(by_alias=True)
    return people.changed(facts, event.body.id, told, event.body.effective or event.at, moment)


def _fx(facts: Facts, event: Event, moment: datetime) -> list[Change]:
    return [facts.fx(event.body.pair, event.body.type, event.body.rate, event.at, moment)]


_STATING: Mapping[str, _Stating] = {
    "sign": _contract(state="signed", signed_on=None),
    "activate": _contract(state="active"),
    "suspend": _contract(state="suspended"),
    "terminate": _contract(state="terminated", terminated_on=None),
    "time": lambda facts, event, moment: [facts.time(event.body, event.at, moment)],
    "expense": lambda facts, event, moment: [facts.expense(event.body, event.at, moment)],
    "correct": lambda facts, event, moment: [facts.correct(event.body, moment)],
    "withdraw": lambda facts, event, moment: [facts.withdraw(event.body.id, event.body.version, moment)],
    "milestone": _performance("milestone"),
    "usage": _performance("usage_reading"),
    "deliver": _performance("delivery"),
    "progress": _performance("progress"),
    "estimate": _performance("variable_estimate"),
    "amend": _amend,
    "worker": _worker,
    "payroll": lambda facts, event, moment: [people.payroll(facts, event.body, moment)],
    "subcontract": lambda facts, event, moment: [people.subcontract(facts, event.body, event.at, moment)],
    "contract_cost": lambda facts, event, moment: [facts.contract_cost(event.body, event.at, moment)],
    "fx": _fx,
}
STATED = frozenset(_STATING)
"""Verbs that state facts, which sources keep as records."""
