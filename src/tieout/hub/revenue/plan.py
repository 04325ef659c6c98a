"""The plan of the accounting contracts and their revenue by day, from all facts anew each time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import (
    CONTRACT_EXISTENCE,
    PLANNED_MILESTONES,
    PROMISES,
    REVENUE_FINDINGS,
    REVENUE_TERMS,
    frame,
)
from tieout.domain.revenue import (
    Performance,
    Recognition,
    RevenuePlan,
    estimate_variable,
    plan_revenue,
    recognise_to_date,
    valid_readings,
)
from tieout.hub import exchange, policies
from tieout.hub.rating.facts import segments
from tieout.hub.rating.revenue import existence
from tieout.hub.revenue.credits import NOTHING, Given, notes_of
from tieout.hub.revenue.financing import flagged
from tieout.hub.revenue.readings import reached, readings_of
from tieout.hub.revenue.terms import Unit, units_of
from tieout.hub.revenue.variable import outcomes_of
from tieout.model.periods import Calendar, period_ends
from tieout.store import clock
from tieout.store import rating as rating_store
from tieout.store import revenue as store


@dataclass(frozen=True)
class Facts:
    """What is known of the units now: contracts and their terms, what was done, estimates, documents, and their days.

    `calendars` is the fiscal calendar of each contract's entity.
    """

    contracts: Mapping[str, Mapping[str, Any]]
    units: Sequence[Unit]
    performance: Performance
    outcomes: pl.DataFrame
    documents: pl.DataFrame
    values: pl.DataFrame
    findings: pl.DataFrame
    exchange_rates: pl.DataFrame
    calendars: Mapping[str, Calendar]
    averaged: Mapping[str, Calendar] | None
    today: date

    @property
    def keys(self) -> list[str]:
        """All contracts of the units."""
        return sorted({key for unit in self.units for key in unit.contracts})

    @property
    def unit_of(self) -> dict[str, str]:
        """The unit of each contract."""
        return {key: unit.key for unit in self.units for key in unit.contracts}

    @cached_property
    def rated_days(self) -> pl.DataFrame:
        """The days of each unit up to today (unit, day) on which what it earns can be booked: an exchange rate is known."""
        of_unit = days_of(self, self.today).with_columns(pl.col("unit").alias("contract"))
        known = exchange.covered(of_unit, self.contracts, self.exchange_rates, averaged=self.averaged)
        return known.drop("contract")


@dataclass(frozen=True)
class Planned:
    """The plan, REVENUE_TO_DATE on the days of each unit, all findings, and VARIABLE_ESTIMATES with credit notes."""

    plan: RevenuePlan
    to_date: pl.DataFrame
    estimates: pl.DataFrame
    findings: pl.DataFrame


def gather(conn: Connection, keys: Collection[str]) -> Facts | None:
    """The facts of the accounting contracts that these contracts belong to; None where nothing earns by a plan."""
    found = store.planned(conn, keys)
    if not found:
        return None
    wanted = store.mates(conn, found)
    contracts = rating_store.contracts_of(conn, wanted)
    today = clock.now(conn).date()
    named = (row[name] for row in contracts.values() for name in ("currency", "functional_currency"))
    rates = exchange.rates_between(conn, named)
    terms = segments(rating_store.terms_of(conn, list(contracts)))
    units = units_of(contracts, terms)
    readings, invalid = valid_readings(readings_of(conn, units, terms, rates))
    stated = policies.load(conn)
    outcomes, unplaced = outcomes_of(units, store.estimates(conn, list(contracts)))
    return Facts(
        contracts=contracts,
        units=units,
        performance=Performance(_promises(units), _milestones(units), reached(conn, units), readings),
        outcomes=outcomes,
        documents=store.documents(conn, list(contracts)),
        values=store.entitled(conn, list(contracts)),
        findings=pl.concat([invalid, unplaced, flagged(units, terms)]),
        exchange_rates=rates,
        calendars={key: stated.calendar(row["legal_entity"]) for key, row in contracts.items()},
        averaged=stated.averaged,
        today=today,
    )


def _rows(units: Sequence[Unit]) -> list[dict[str, Any]]:
    return [
        {**row, "unit": unit.key, "change": change.number, "since": change.day}
        for unit in units
        for change in unit.changes
        for row in change.lines
    ]


def _promises(units: Sequence[Unit]) -> pl.DataFrame:
    return frame(_rows(units), PROMISES)


def _milestones(units: Sequence[Unit]) -> pl.DataFrame:
    rows = [
        {**{c: row[c] for c in ("unit", "change", "contract", "line")}, "milestone": name, "weight": weight}
        for row in _rows(units)
        for name, weight in row["weights"]
    ]
    return frame(rows, PLANNED_MILESTONES)


def _terms(units: Sequence[Unit]) -> pl.DataFrame:
    rows = [
        {**change.head, "unit": unit.key, "change": change.number, "effective_on": change.day}
        for unit in units
        for change in unit.changes
    ]
    return frame(rows, REVENUE_TERMS)


def planned(facts: Facts, through: date | None = None) -> Planned:
    """The plan of the units and their revenue on every day on which something happened, up to today or a later day."""
    estimates, unfit = estimate_variable(facts.outcomes)
    given = credited(facts, estimates)
    terms = _terms(facts.units)
    both = pl.concat([estimates, given.estimates])
    plan = with_settled(plan_revenue(terms, both, facts.performance), given.settled)
    found = valued(plan, facts, days_of(facts, through or facts.today))
    findings = pl.concat([facts.findings, unfit, found.findings]).select(REVENUE_FINDINGS.names())
    return Planned(plan, found.to_date, estimates, findings)


def credited(facts: Facts, estimates: pl.DataFrame) -> Given:
    """What credit notes take from the prices, in order of their days: each on the plan as it stood before."""
    given = NOTHING
    for note in notes_of(facts.units, facts.documents, estimates):
        terms = _terms([unit for unit in facts.units if unit.key == note.unit])
        so_far = pl.concat([estimates, given.estimates]).filter(pl.col("unit") == note.unit)
        plan = with_settled(
            plan_revenue(terms.filter(_before(note.day)), so_far, facts.performance), given.settled
        )
        days = pl.DataFrame({"unit": [note.unit], "day": [note.day]})
        given = given.with_note(note, plan, valued(plan, facts, days).to_date, facts.documents)
    return given


def _before(day: date) -> pl.Expr:
    """The changes that come before what else is heard on a day."""
    return (pl.col("effective_on") < day) | (pl.col("change") == 0)


def valued(plan: RevenuePlan, facts: Facts, days: pl.DataFrame) -> Recognition:
    """Revenue to date of a plan on days (unit, day)."""
    exists = frame(existence(facts.contracts), CONTRACT_EXISTENCE)
    return recognise_to_date(plan, facts.performance, exists, days=days)


def with_settled(plan: RevenuePlan, settled: pl.DataFrame) -> RevenuePlan:
    """The plan with more that is settled: revenue of its day, whatever is done later."""
    return replace(plan, settled=pl.concat([plan.settled, settled]))


def days_of(facts: Facts, through: date) -> pl.DataFrame:
    """The days of each unit (unit, day): of its facts, the ends of periods since it began, and the last one."""
    rows = {(unit.key, day) for unit in facts.units for day in _own_days(facts, unit, through)}
    done = facts.performance
    of_lines = [
        done.readings.select("contract", "day"), done.reached.select("contract", "day"),
        facts.documents.select("contract", day="released_on"), facts.values.select("contract", "day"),
    ]  # fmt: skip
    units = facts.unit_of
    rows |= {(units[key], day) for key, day in pl.concat(of_lines).unique().iter_rows() if key in units}
    rows |= set(facts.outcomes.select("unit", "day").unique().iter_rows())
    begins = {unit.key: unit.changes[0].day for unit in facts.units}
    kept = [(unit, day) for unit, day in rows if begins[unit] <= day <= through]
    return pl.DataFrame(kept, schema={"unit": pl.String, "day": pl.Date}, orient="row")


def _own_days(facts: Facts, unit: Unit, through: date) -> set[date]:
    begin = unit.changes[0].day
    days = {through, *(change.day for change in unit.changes)}
    days |= {row["end"] for change in unit.changes for row in change.lines if row["end"] is not None}
    for key in unit.contracts:
        row = facts.contracts[key]
        days |= {row[name] for name in ("signed_on", "collectible_from") if row[name] is not None}
    for calendar in {facts.calendars[key] for key in unit.contracts}:
        days |= set(period_ends(begin, through, calendar))
    return days
