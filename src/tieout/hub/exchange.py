"""Exchange rates between the currencies of contracts and those of the books that they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import EXCHANGE_RATES, check_frame, empty
from tieout.domain.rating import with_exchange
from tieout.domain.rating.exchange import converted
from tieout.model.decimals import round_by_currency
from tieout.store import exchange as store
from tieout.store import subledger

MAX_AGE_DAYS = 31
"""How old the rate of a day may be (domain rules §4)."""

Contracts = Mapping[str, Mapping[str, Any]]
"""Contracts with their `currency` and the `functional_currency` of their entity."""


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


def is_known(conn: Connection, entity: str, currency: str, day: date) -> bool:
    """Whether an amount of that day can be booked for the entity: in its own currency, or at a known rate."""
    books = subledger.currencies(conn).get(entity, currency)
    if books == currency:
        return True
    asked = pl.DataFrame({"contract": [""], "day": [day]})
    pair = {"": {"currency": currency, "functional_currency": books}}
    return not covered(asked, pair, rates_between(conn, [currency, books])).is_empty()


def in_books(
    conn: Connection, entity: str, currency: str, amount: Decimal, day: date
) -> tuple[str, Decimal] | None:
    """The currency of an entity's books and an amount of a day in it; None where it is the same, or no rate is known."""
    books = subledger.currencies(conn).get(entity, currency)
    if books == currency:
        return None
    asked = pl.DataFrame({"amount": [amount], "from": [currency], "to": [books], "day": [day]}).with_columns(
        pl.lit(None, pl.String).alias("type")
    )
    found = with_exchange(
        asked, rates_between(conn, [currency, books]), source="from", target="to", day="day", wanted="type",
        max_age_days=MAX_AGE_DAYS,
    ).drop_nulls("exchange_rate")  # fmt: skip
    local = found.select(round_by_currency(converted(pl.col("amount")), "to", [books])).to_series()
    return (books, local[0]) if len(local) else None


def covered(rows: pl.DataFrame, contracts: Contracts, rates: pl.DataFrame, day: str = "day") -> pl.DataFrame:
    """The rows (with `contract`) on whose day a rate between their contract's currency and its books is known."""
    pairs = foreign(contracts)
    if not pairs or rows.is_empty():
        return rows
    told = [
        pl.col("contract").replace_strict({key: pair[place] for key, pair in pairs.items()}, default="", return_dtype=pl.String)
        .alias(name) for place, name in enumerate(("_from", "_to"))
    ]  # fmt: skip
    asked = with_exchange(
        rows.with_columns(*told, pl.lit(None, pl.String).alias("_type")), rates, source="_from", target="_to", day=day,
        wanted="_type", max_age_days=MAX_AGE_DAYS,
    )  # fmt: skip
    return asked.filter(pl.col("exchange_rate").is_not_null()).select(rows.columns)
