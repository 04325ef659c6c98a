"""The facts of one rating run: what the hub knows now about the contracts, their entries and their stored events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import UsagePolicies
from tieout.domain.frames import (
    CARDS,
    DELIVERIES,
    HOLDS,
    LINES,
    MILESTONE_STATES,
    RATES,
    USAGE_READINGS,
    WRITES,
    check_frame,
    empty,
    frame,
)
from tieout.domain.rating.gates import BY_HOUR
from tieout.hub import exchange
from tieout.hub.contract_lines import read_caps, read_lines
from tieout.hub.holidays import calendars
from tieout.hub.policies import Policies
from tieout.hub.rating.charges import Performed
from tieout.hub.rating.expenses import Spending, spending_of
from tieout.hub.rating.plans import Line, lines_of, rated_by
from tieout.model.periods import Calendar
from tieout.store import billing_events, clock, holds, performance, writes
from tieout.store import expenses as expense_store
from tieout.store import rating as store

_UNNAMED = ""
"""The card of terms that name none."""


@dataclass(frozen=True)
class Facts:
    """Frames of the domain; `entries` holds neighbours of the same worker-days too, `scope` names those to judge.

    `terms` are the segments of each contract in order, `foreign` the contracts in another currency than their
    entity's books without a rate for today, `exchange_rates` those that may be asked for; `holidays` of legal entities (HOLIDAYS), `card_rules` of the cards that state some (CARD_RULES); `events` are the stored events with their balances (EVENT_COLUMNS), `holds` what people keep back (HOLDS), `writes` what they
    wrote down or off (WRITES); `plans` the lines of every segment, `spending` what was spent under them, `performed`
    what was reached, used and delivered.
    """

    contracts: Mapping[str, Mapping[str, Any]]
    terms: Mapping[str, Sequence[Mapping[str, Any]]]
    entries: pl.DataFrame
    scope: pl.Series
    lines: pl.DataFrame
    rates: pl.DataFrame
    cards: pl.DataFrame
    events: pl.DataFrame
    holds: pl.DataFrame
    writes: pl.DataFrame
    foreign: Mapping[str, str]
    exchange_rates: pl.DataFrame
    averaged: Mapping[str, Calendar] | None
    holidays: pl.DataFrame
    card_rules: pl.DataFrame
    plans: Sequence[Line]
    spending: Spending
    performed: Performed
    usage: UsagePolicies
    expedient: str
    today: date


def gather(conn: Connection, keys: Collection[str], policies: Policies) -> Facts:
    """Read everything that rating these contracts needs; one query per table."""
    contracts = store.contracts_of(conn, keys)
    terms = segments(store.terms_of(conn, keys))
    cards = _cards(contracts, terms, policies)
    entries = with_lines(store.entries_of(conn, keys), terms)
    prices = check_frame("rates", store.rates_of(conn, cards["card"].unique().to_list()), RATES)
    spent = with_lines(expense_store.expenses_of(conn, keys), terms)
    today = clock.now(conn).date()
    named = (row[name] for row in contracts.values() for name in ("currency", "functional_currency"))
    exchange_rates = exchange.rates_between(
        conn, [*named, *prices["currency"].unique(), *spent["currency"].unique()]
    )
    foreign = _foreign(contracts, exchange_rates, today)
    plans = lines_of(contracts, terms, foreign)
    lines = _lines(plans, contracts)
    return Facts(
        contracts=contracts,
        terms=terms,
        entries=entries,
        scope=entries.filter("in_scope")["entry"],
        lines=lines,
        rates=prices,
        cards=cards,
        events=billing_events.events_of(conn, keys),
        holds=check_frame("holds", holds.of_contracts(conn, keys), HOLDS),
        writes=check_frame("writes", writes.of_contracts(conn, keys), WRITES),
        foreign=foreign,
        exchange_rates=exchange_rates,
        averaged=policies.averaged,
        holidays=_holidays(policies, contracts, entries, prices, lines),
        card_rules=policies.card_rules,
        plans=plans,
        spending=spending_of(spent, plans, contracts),
        performed=_performed(conn, plans),
        usage=policies.usage,
        expedient=policies.expedient,
        today=today,
    )


def segments(versions: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Per contract the terms that hold, without overlap, in order of date, each with its `effective_to`, lines and caps.

    Of two versions that cover a date the later source version stands, whatever the order they were heard in.
    """
    by_contract: dict[str, list[Mapping[str, Any]]] = {}
    for row in versions:
        by_contract.setdefault(row["contract"], []).append(row)
    return {key: _segments(rows) for key, rows in by_contract.items()}


def _segments(versions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in sorted(versions, key=itemgetter("effective_from", "source_version")):
        if found and row["source_version"] < found[-1]["source_version"]:
            continue
        if found and row["effective_from"] == found[-1]["effective_from"]:
            found.pop()
        found.append({**row, "lines": read_lines(row), "caps": read_caps(row)})
    for segment, following in zip(found, [*found[1:], None], strict=True):
        segment["effective_to"] = None if following is None else _day_before(following["effective_from"])
    return found


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)


def _lines(plans: Sequence[Line], contracts: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """LINES of the contracts: how the rating of time sees each line, segment by segment."""
    rows = [
        {
            **{name: value for name, value in line.terms.items() if name in LINES}, **line.dated,
            "rate_card": line.terms.get("rate_card") or _UNNAMED, "billing_method": rated_by(line.terms),
            "customer": contracts[line.contract]["customer"], "entity": contracts[line.contract]["legal_entity"],
            "contract_state": contracts[line.contract]["state"],
        }
        for line in plans
    ]  # fmt: skip
    return frame(rows, LINES)


def _performed(conn: Connection, plans: Sequence[Line]) -> Performed:
    """What was performed under the contracts that are not billed by the hour alone, and what any asks for in advance."""
    keys = {line.contract for line in plans if line.method != BY_HOUR}
    deposits = performance.deposits(conn, {line.contract for line in plans})
    if not keys:
        return Performed(empty(MILESTONE_STATES), empty(USAGE_READINGS), empty(DELIVERIES), deposits)
    return Performed(
        performance.milestone_states(conn, keys),
        performance.usage_readings(conn, keys),
        performance.deliveries(conn, keys),
        deposits,
    )


def with_lines(entries: pl.DataFrame, terms: Mapping[str, Sequence[Mapping[str, Any]]]) -> pl.DataFrame:
    """The entries with the line that their project belongs to; null where no line of the contract names the project.

    The last terms that name a project decide. A contract's only line takes every project when it names none.
    """
    if entries.is_empty():
        return entries
    places = {
        (key, line.get("project")): line["line"]
        for key, versions in terms.items()
        for segment in versions
        for line in segment["lines"]
    }
    keys = ["contract", "project"]
    rows = [{"contract": key, "project": project, "own": line} for (key, project), line in places.items()]
    named = pl.DataFrame(rows, {"contract": pl.String, "project": pl.String, "own": pl.String})
    any_project = named.filter(pl.col("project").is_null()).select("contract", pl.col("own").alias("only"))
    placed = entries.join(named, on=keys, how="left", maintain_order="left").join(
        any_project, on="contract", how="left", maintain_order="left"
    )
    ours = pl.col("contract").is_in(list(terms))
    line = pl.when(ours).then(pl.coalesce("own", "only")).otherwise("line").alias("line")
    return placed.with_columns(line).select(entries.columns)


def _holidays(
    policies: Policies,
    contracts: Mapping[str, Mapping[str, Any]],
    entries: pl.DataFrame,
    prices: pl.DataFrame,
    lines: pl.DataFrame,
) -> pl.DataFrame:
    """HOLIDAYS of the contracts' entities; those of their countries only where kinds of day make a difference."""
    by_line = lines.select((pl.col("overtime_day_types").list.len() > 0).any()).item()
    if not (by_line or policies.overtime_days or prices["day_type"].is_not_null().any()):
        return policies.calendars
    countries = {
        row["legal_entity"]: row["entity_country"] for row in contracts.values() if row["legal_entity"]
    }
    return calendars(policies, countries, entries["work_date"].dt.year().unique().to_list())


def _cards(
    contracts: Mapping[str, Mapping[str, Any]],
    terms: Mapping[str, Sequence[Mapping[str, Any]]],
    policies: Policies,
) -> pl.DataFrame:
    """CARDS: for each card that terms name (or none) the contract's, the customer's, the entity's, in that order."""
    rows = [
        {"contract": key, "line": line, "rate_card": named or _UNNAMED, "rank": rank, "card": card}
        for key, contract in contracts.items()
        for line, named in dict.fromkeys(
            (line["line"], line.get("rate_card"))
            for segment in terms.get(key, [])
            for line in segment["lines"]
        )
        for rank, card in enumerate(policies.cards_for(named, contract["customer"], contract["legal_entity"]))
    ]
    return frame(rows, CARDS)


def _foreign(contracts: Mapping[str, Mapping[str, Any]], rates: pl.DataFrame, today: date) -> dict[str, str]:
    """Contracts in another currency than their entity's books without a rate for today, with the sentence that says so."""
    pairs = exchange.foreign(contracts)
    asked = pl.DataFrame(
        {"contract": list(pairs), "day": [today] * len(pairs)}, {"contract": pl.String, "day": pl.Date}
    )
    known = set(exchange.covered(asked, contracts, rates)["contract"])
    return {
        key: f"contract {key} is in {currency}, its entity {contracts[key]['legal_entity']} keeps its books in"
        f" {books}: no exchange rate is known for {today}"
        for key, (currency, books) in pairs.items()
        if key not in known
    }
