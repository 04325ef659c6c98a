"""Exchange rates between the currencies of contracts and those of the books that they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import EXCHANGE_RATES, check_frame, empty
from tieout.domain.rating import Quote, with_exchange, with_rate
from tieout.hub.exceptions import NewException
from tieout.model.periods import MONTHS, Calendar, period_of
from tieout.store import exchange as store
from tieout.store import subledger

MAX_AGE_DAYS = 31
"""How old the rate of a day may be (domain rules §4)."""
MISSING = "missing-fx"

Contracts = Mapping[str, Mapping[str, Any]]
"""Contracts with their `currency`, their `legal_entity` and its `functional_currency`."""
Averaged = Mapping[str, Calendar] | None
"""The calendars of entities whose revenue takes the average rate of its period; None: the rate of its day."""


def rates_between(conn: Connection, currencies: Iterable[str | None]) -> pl.DataFrame:
    """EXCHANGE_RATES between these currencies; of one currency there are none."""
    named = {one for one in currencies if one is not None}
    if len(named) < 2:
        return empty(EXCHANGE_RATES)
    return check_frame("exchange rates", store.rates(conn, named), EXCHANGE_RATES)


def foreign(contracts: Contracts) -> dict[str, tuple[str, str]]:
    """The currency and that of the books, of contracts where they differ."""
    pairs = {key: (row["currency"], row["functional_currency"]) for key, row in contracts.items()}
    return {key: pair for key, pair in pairs.items() if None not in pair and pair[0] != pair[1]}


def quotes(conn: Connection, asked: Iterable[tuple[str, str, date]]) -> dict[tuple[str, str, date], Quote]:
    """The rates of days from one currency to another, as far as they are known; of one currency it is 1."""
    wanted = sorted(set(asked))
    columns = {"source": pl.String, "target": pl.String, "day": pl.Date}
    rows = pl.DataFrame(wanted, columns, orient="row").with_columns(pl.lit(None, pl.String).alias("wanted"))
    rates = rates_between(conn, [currency for pair in wanted for currency in pair[:2]])
    told = with_exchange(rows, rates, source="source", target="target", day="day", wanted="wanted",
                         max_age_days=MAX_AGE_DAYS)  # fmt: skip
    return {
        (row["source"], row["target"], row["day"]): Quote(row["exchange_rate"], row["exchange_inverse"])
        for row in told.drop_nulls("exchange_rate").iter_rows(named=True)
    }


def is_known(conn: Connection, entity: str, currency: str, day: date) -> bool:
    """Whether an amount of that day can be booked for the entity: in its own currency, or at a known rate."""
    books = subledger.currencies(conn).get(entity, currency)
    return books == currency or bool(quotes(conn, [(currency, books, day)]))


def in_books(
    conn: Connection, entity: str, currency: str, amount: Decimal, day: date
) -> tuple[str, Decimal] | None:
    """The currency of an entity's books and an amount of a day in it; None where it is the same, or no rate is known."""
    books = subledger.currencies(conn).get(entity, currency)
    quote = quotes(conn, [(currency, books, day)]).get((currency, books, day)) if books != currency else None
    return (books, quote.converted(amount, books)) if quote else None


def covered(
    rows: pl.DataFrame, contracts: Contracts, rates: pl.DataFrame, day: str = "day", averaged: Averaged = None
) -> pl.DataFrame:
    """The rows (with `contract`) on whose day a rate between their contract's currency and its books is known."""
    pairs = foreign(contracts)
    if not pairs or rows.is_empty():
        return rows
    places = {key: (*pair, contracts[key]["legal_entity"] or "") for key, pair in pairs.items()}
    told = [
        pl.col("contract").replace_strict({key: named[place] for key, named in places.items()}, default="",
                                          return_dtype=pl.String).alias(name)
        for place, name in enumerate(("_from", "_to", "_entity"))
    ]  # fmt: skip
    asked = with_rate(rows.with_columns(*told), rates, source="_from", target="_to", day=day, entity="_entity",
                      max_age_days=MAX_AGE_DAYS, averaged=averaged)  # fmt: skip
    return asked.filter(pl.col("exchange_rate").is_not_null()).select(rows.columns)


def waiting(
    contracts: Contracts, unbooked: Iterable[tuple[str, date]], averaged: Averaged = None
) -> list[NewException]:
    """One `missing-fx` (keyed CONTRACT/revenue) per contract of which revenue of days (contract, day) waits for a rate."""
    days: dict[str, set[date]] = {}
    for key, day in unbooked:
        days.setdefault(key, set()).add(day)
    pairs, found = foreign(contracts), []
    for key, of in sorted(days.items()):
        (currency, books), entity = pairs[key], contracts[key]["legal_entity"]
        if averaged is None:
            said = f"no exchange rate from {currency} to {books} is known for {_listed(map(str, of))}"
        else:
            periods = {period_of(day, averaged.get(entity, MONTHS)) for day in of}
            said = f"no average rate from {currency} to {books} is dated inside {_listed(periods)}"
        evidence = {"work": {"kind": "rate", "key": key}, "group": MISSING}
        cause = f"revenue of contract {key} is not booked: {said}"
        found.append(
            NewException(
                MISSING, revenue_key(key), cause, contract=key, legal_entity=entity, evidence=evidence
            )
        )
    return found


def revenue_key(contract: str) -> str:
    """The key of the exception that a contract's revenue waits for a rate."""
    return f"{contract}/revenue"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
