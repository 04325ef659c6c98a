"""Remeasurement: at the end of a period monetary balances in other currencies stand at the rate of its last day."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection

from tieout.domain.subledger import MONETARY, NoRate, journal_for_remeasurement
from tieout.hub import books, exceptions, exchange, policies
from tieout.hub.exceptions import NewException
from tieout.model.periods import period_bounds
from tieout.store import billing_events
from tieout.store import exchange as store
from tieout.telemetry.failpoints import fp

KIND = exchange.MISSING


def remeasure(conn: Connection, entity: str, period: str) -> int:
    """Bring what an entity holds in other currencies to the rate of a period's last day; how many journals.

    A closed period is left alone. Without a rate nothing is booked: `missing-fx` says so. Domain rules §4; IAS 21.23.
    """
    last = period_bounds(period, policies.load(conn).calendar(entity))[1]
    if books.is_closed(conn, entity, last):
        return 0
    contracts = store.monetary(conn, entity, last, MONETARY)["contract"].unique().to_list()
    if not contracts:
        return 0
    billing_events.lock_contracts(conn, contracts)
    held = store.monetary(conn, entity, last, MONETARY).with_columns(pl.lit(last).alias("event_date"))
    heads = held.select("contract", "event_date").unique().sort(pl.all())
    causes = held.join(books.numbered(conn, heads, books.REMEASUREMENT, contracts), on=heads.columns)
    places = {row["contract"]: (entity, row["currency"]) for row in held.iter_rows(named=True)}
    key = f"{entity}/{period}"
    try:
        written = books.write_journals(
            conn, journal_for_remeasurement(causes, books.open_books(conn, places))
        )
    except NoRate as missing:
        evidence = {"work": {"kind": "remeasure", "key": key}, "group": KIND}
        said = f"what {entity} holds in {missing.currency} is not remeasured: {missing}"
        exceptions.open_exceptions(
            conn, [NewException(KIND, key, said, legal_entity=entity, evidence=evidence)]
        )
        return 0
    exceptions.resolve(conn, KIND, [key], "the rate is known")
    fp("remeasured")
    return len(written)
