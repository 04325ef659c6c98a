"""What was reached, used and delivered of contract lines: the current version of each fact, of milestones every one."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import DELIVERIES, MILESTONE_STATES, USAGE_READINGS
from tieout.store.copying import read_frame

METER = "-"
"""The meter of readings that name none."""


def milestone_states(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Every state that each milestone of the contracts was heard in (MILESTONE_STATES); `planned` is none."""
    query = """
        SELECT contract, line, milestone, day, version, state FROM milestone
        WHERE contract = ANY(%(contracts)s) AND state <> 'planned' ORDER BY key, version
    """
    return read_frame(conn, query, {"contracts": list(contracts)}, dict(MILESTONE_STATES))


def usage_readings(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Readings of the contracts' meters (USAGE_READINGS); one that its source took back reads zero."""
    query = f"""
        SELECT key, contract, line, coalesce(meter, '{METER}'), coalesce(source, '{METER}'), day, quantity
        FROM usage_reading WHERE contract = ANY(%(contracts)s) AND superseded_at IS NULL ORDER BY key
    """  # noqa: S608
    return read_frame(conn, query, {"contracts": list(contracts)}, dict(USAGE_READINGS))


def deliveries(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Units delivered under the contracts (DELIVERIES)."""
    query = """
        SELECT key, contract, line, day, quantity FROM delivery
        WHERE contract = ANY(%(contracts)s) AND superseded_at IS NULL ORDER BY key
    """
    return read_frame(conn, query, {"contracts": list(contracts)}, dict(DELIVERIES))
