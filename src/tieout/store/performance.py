"""What was reached, used and delivered of contract lines: the current version of each fact, of milestones every one."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from sqlalchemy import Connection

from tieout.store.copying import read_frame

_S, _Q = pl.String, pl.Decimal(20, 6)
STATE_COLUMNS = {
    "contract": _S, "line": _S, "milestone": _S, "day": pl.Date, "sequence": pl.Int64, "state": _S,
}  # fmt: skip
READING_COLUMNS = {
    "reading": _S, "contract": _S, "line": _S, "meter": _S, "source": _S, "day": pl.Date, "quantity": _Q,
}  # fmt: skip
DEPOSIT_COLUMNS = {
    "deposit": _S, "contract": _S, "currency": _S, "asked_on": pl.Date, "amount": pl.Decimal(20, 4),
}  # fmt: skip
DELIVERY_COLUMNS = {"delivery": _S, "contract": _S, "line": _S, "day": pl.Date, "quantity": _Q}
METER = "-"
"""The meter of readings that name none."""


def milestone_states(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Every state that each milestone of the contracts was heard in (STATE_COLUMNS); `planned` is none."""
    query = """
        SELECT contract, line, milestone, day, version, state FROM milestone
        WHERE contract = ANY(%(contracts)s) AND state <> 'planned' ORDER BY key, version
    """
    return read_frame(conn, query, {"contracts": list(contracts)}, STATE_COLUMNS)


def deposits(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """What the contracts ask for in advance (DEPOSIT_COLUMNS), in their own currency unless stated."""
    query = """
        SELECT d.key, d.contract, coalesce(d.currency, c.currency), d.day, d.amount FROM deposit d
            JOIN contract c ON c.key = d.contract AND c.superseded_at IS NULL
        WHERE d.contract = ANY(%(contracts)s) AND d.superseded_at IS NULL ORDER BY d.key
    """
    return read_frame(conn, query, {"contracts": list(contracts)}, DEPOSIT_COLUMNS)


def usage_readings(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Readings of the contracts' meters (READING_COLUMNS); one that its source took back reads zero."""
    query = f"""
        SELECT key, contract, line, coalesce(meter, '{METER}'), coalesce(source, '{METER}'), day, quantity
        FROM usage_reading WHERE contract = ANY(%(contracts)s) AND superseded_at IS NULL ORDER BY key
    """  # noqa: S608
    return read_frame(conn, query, {"contracts": list(contracts)}, READING_COLUMNS)


def deliveries(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Units delivered under the contracts (DELIVERY_COLUMNS)."""
    query = """
        SELECT key, contract, line, day, quantity FROM delivery
        WHERE contract = ANY(%(contracts)s) AND superseded_at IS NULL ORDER BY key
    """
    return read_frame(conn, query, {"contracts": list(contracts)}, DELIVERY_COLUMNS)
