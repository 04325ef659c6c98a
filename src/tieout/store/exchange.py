"""Exchange rates, and what is booked in another currency than that of an entity's books."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl
from sqlalchemy import Connection, text

from tieout.store.copying import read_frame

_S, _M = pl.String, pl.Decimal(20, 4)
RATE_COLUMNS = {
    "base": _S, "quote": _S, "rate_type": _S, "day": pl.Date, "rate": pl.Decimal(20, 10),
    "known_from": pl.Datetime("us", "UTC"),
}  # fmt: skip
MONETARY_COLUMNS = {
    "contract": _S, "line": _S, "entity": _S, "account": _S, "currency": _S, "amount": _M, "functional_amount": _M,
}  # fmt: skip
HELD_COLUMNS = {**MONETARY_COLUMNS, "event_date": pl.Date}


def rates(conn: Connection, currencies: Collection[str]) -> pl.DataFrame:
    """The rates between these currencies as they stand now (RATE_COLUMNS)."""
    query = """
        SELECT base, quote, rate_type, day, rate, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM exchange_rate
        WHERE superseded_at IS NULL AND base = ANY(%(currencies)s) AND quote = ANY(%(currencies)s)
    """
    return read_frame(conn, query, {"currencies": sorted(currencies)}, RATE_COLUMNS)


def held(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Every line booked for the contracts in another currency than the books' (HELD_COLUMNS), in the order it was."""
    query = """
        SELECT l.contract, l.line, l.legal_entity, l.account, l.currency, l.amount, l.functional_amount, j.event_date
        FROM journal_line l JOIN journal j ON j.id = l.journal
            JOIN legal_entity e ON e.key = l.legal_entity AND e.superseded_at IS NULL AND e.currency <> l.currency
        WHERE l.contract = ANY(%(contracts)s) ORDER BY l.recorded_at, j.event_date, j.id, l.number
    """
    return read_frame(conn, query, {"contracts": sorted(contracts)}, HELD_COLUMNS)


def monetary(conn: Connection, entity: str, through: date, accounts: Collection[str]) -> pl.DataFrame:
    """Balances of an entity in other currencies than its books', booked on or before a day (MONETARY_COLUMNS)."""
    query = """
        SELECT l.contract, l.line, l.legal_entity, l.account, l.currency, sum(l.amount), sum(l.functional_amount)
        FROM journal_line l
            JOIN legal_entity e ON e.key = l.legal_entity AND e.superseded_at IS NULL AND e.currency <> l.currency
        WHERE l.legal_entity = %(entity)s AND l.booking_date <= %(through)s AND l.account = ANY(%(accounts)s)
        GROUP BY 1, 2, 3, 4, 5 HAVING sum(l.amount) <> 0 OR sum(l.functional_amount) <> 0 ORDER BY 1, 2, 4, 5
    """
    told = {"entity": entity, "through": through, "accounts": list(accounts)}
    return read_frame(conn, query, told, MONETARY_COLUMNS)


def foreign_contracts(conn: Connection, currencies: Collection[str]) -> set[str]:
    """Current contracts in one of these currencies whose entity keeps its books in another of them."""
    query = text(
        "SELECT c.key FROM contract c JOIN legal_entity e ON e.key = c.legal_entity AND e.superseded_at IS NULL"
        " WHERE c.superseded_at IS NULL AND c.currency = ANY(:currencies) AND e.currency = ANY(:currencies)"
        " AND c.currency <> e.currency"
    )
    return set(conn.execute(query, {"currencies": sorted(currencies)}).scalars())
