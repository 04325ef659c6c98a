"""The one clock of business time: the injected moment when it is set, else the database's."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import cast

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import clock

NOW = "coalesce((SELECT now FROM clock), now())"
"""The present moment inside a statement: a statement that says it itself saves its caller a question."""
_NOW = text(f"SELECT {NOW}")
_ASKED = "business_moment"
_SETTLED = text(
    "SELECT coalesce((SELECT now FROM clock), least(now(), min(xact_start))) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


def now(conn: Connection) -> datetime:
    """The present moment of the business, in UTC; asked once in a transaction."""
    transaction, moment = conn.info.get(_ASKED, (None, None))
    if moment is None or transaction is not conn.get_transaction():
        moment = conn.execute(_NOW).scalar_one().astimezone(timezone.utc)
        conn.info[_ASKED] = (conn.get_transaction(), moment)
    return cast(datetime, moment)


def settled(conn: Connection) -> datetime:
    """The moment before which nothing more is recorded: every transaction that began before it has ended."""
    moment: datetime = conn.execute(_SETTLED).scalar_one()
    return moment.astimezone(timezone.utc)


def injected(conn: Connection) -> datetime | None:
    """The injected moment; None while the database's clock rules."""
    moment: datetime | None = conn.execute(select(clock.c.now)).scalar()
    return moment


def real_now(conn: Connection) -> datetime:
    """Real time by the database's clock: for links, tokens and leases only."""
    moment: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(timezone.utc)


def set_now(conn: Connection, moment: datetime | None) -> None:
    """Set the injected moment; None gives the clock back to the database."""
    if moment is not None and moment.tzinfo is None:
        raise ValueError("the injected moment needs a time zone")
    statement = insert(clock).values(only=True, now=moment)
    conn.execute(statement.on_conflict_do_update(index_elements=[clock.c.only], set_={"now": moment}))
    conn.info.pop(_ASKED, None)
