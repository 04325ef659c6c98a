"""Statements of workers' employment and cost rates as they are heard: judged, then kept one by one, late ones too.

A worker's later statement stands from its first day on; what the hub heard first or last does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from tieout.store import canonical
from tieout.store import employment as store

EMPLOYMENT, COST = "worker.employment", "worker.cost"
"""Field groups: employer, salary and capacity; cost rates."""
RATES = "cost_rates"
"""The rows of a worker's record that state rates: {effective_from, effective_to, rate, burden, currency}."""
_ALWAYS = date(1990, 1, 1)


@dataclass(frozen=True)
class Statement:
    """One version of a worker's record and which of the two field groups it may state."""

    worker: str
    version: str
    groups: frozenset[str]
    values: Mapping[str, Any]
    rates: Sequence[Mapping[str, Any]]


def misfits(rates: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """(exception kind, field, detail) of rates that cannot be kept as they are stated."""
    found = []
    for place, rate in enumerate(rates):
        named = f"{RATES}[{place}]"
        for name, value in rate.items():
            found += [
                (kind, f"{named}.{name}", detail)
                for kind, detail in canonical.misfits("cost_rate", name, value)
            ]
        start, end = rate.get("effective_from"), rate.get("effective_to")
        if start and end and end < start:
            found.append(("invalid-payload", named, f"it ends on {end}, before it starts on {start}"))
    return found


def record(conn: Connection, heard: Iterable[Statement], moment: datetime) -> set[str]:
    """Keep what was heard; the workers of whom something new was stated."""
    terms, rates = {}, {}
    for one in heard:
        key = one.worker, one.version
        if EMPLOYMENT in one.groups:
            terms[key] = _terms(one, moment)
        if COST in one.groups:
            rates[key] = _rates(one, moment)
    rows = [row for key in sorted(rates) for row in rates[key]]
    return store.insert_terms(conn, [terms[key] for key in sorted(terms)]) | store.insert_rates(conn, rows)


def _terms(one: Statement, moment: datetime) -> dict[str, Any]:
    """Employment without a first day held from ever."""
    names = ("legal_entity", "salaried", "weekly_capacity")
    return {
        "worker": one.worker, "source_version": one.version,
        "effective_from": one.values.get("effective_from") or _ALWAYS,
        **{name: one.values.get(name) for name in names}, "recorded_at": moment,
    }  # fmt: skip


def _rates(one: Statement, moment: datetime) -> list[dict[str, Any]]:
    return [
        {"worker": one.worker, "source_version": one.version, "number": number, **rate, "recorded_at": moment}
        for number, rate in enumerate(one.rates, 1)
    ]
