"""Rows of `connection`: how an outside system is reached, how it fares, and until when it may not be called."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, update

from tieout.store.tables import connection, work


def read(conn: Connection, name: str) -> dict[str, Any] | None:
    """The whole row of a connection; None when there is none."""
    row = conn.execute(select(connection).where(connection.c.name == name)).mappings().first()
    return None if row is None else dict(row)


def enabled(conn: Connection) -> list[dict[str, Any]]:
    """The rows of all enabled connections, by name."""
    query = select(connection).where(connection.c.enabled).order_by(connection.c.name)
    return [dict(row) for row in conn.execute(query).mappings()]


def set_state(conn: Connection, name: str, state: str, detail: str | None) -> bool:
    """Set `ok` or `attention` with its reason; true when the state is another than before.

    Nothing is locked that does not change: reads of several objects at once say `ok` again and again, each while it
    holds the row by a foreign key.
    """
    row, said = connection.c, {"state": state, "state_detail": detail}
    changed = update(connection).where(row.name == name, row.state != state).values(**said)
    if conn.execute(changed).rowcount:
        return True
    other = row.state_detail.is_distinct_from(detail)
    conn.execute(update(connection).where(row.name == name, other).values(**said))
    return False


def block(conn: Connection, name: str, until: datetime) -> None:
    """No call before that moment; an earlier one does not shorten a later one."""
    sooner = or_(connection.c.blocked_until.is_(None), connection.c.blocked_until < until)
    conn.execute(update(connection).where(connection.c.name == name, sooner).values(blocked_until=until))


def unblock(conn: Connection, name: str) -> None:
    """Calls are free again."""
    conn.execute(update(connection).where(connection.c.name == name).values(blocked_until=None))


def synced(conn: Connection, name: str, moment: datetime) -> None:
    """The connection was read to its end at that moment."""
    conn.execute(update(connection).where(connection.c.name == name).values(last_synced_at=moment))


def objects_read(conn: Connection, name: str) -> list[str]:
    """The objects of a connection for which reading is planned, by name."""
    query = select(work.c.key).where(
        work.c.kind == "sync", work.c.key.startswith(f"{name}/", autoescape=True)
    )
    return sorted(key.removeprefix(f"{name}/") for key in conn.execute(query).scalars())
