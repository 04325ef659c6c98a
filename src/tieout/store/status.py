"""What `tieout status` shows: counts and lags, read in one transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select, text

from tieout.store.clock import now
from tieout.store.tables import attempt, connection, exception, inbox, intent, work


def database_version(conn: Connection) -> str:
    """The server's version, e.g. `18.4`."""
    version: str = conn.execute(text("SHOW server_version")).scalar_one()
    return version.split()[0]


def connections(conn: Connection) -> list[dict[str, Any]]:
    """Every connection: name, ok, whole seconds since its last sync, calls it may still make this minute."""
    moment = now(conn)
    sent = (
        select(attempt.c.connection, func.sum(attempt.c.calls).label("calls"))
        .where(attempt.c.recorded_at > moment - timedelta(minutes=1))
        .group_by(attempt.c.connection)
        .subquery()
    )
    left = func.greatest(0, connection.c.budget_per_minute - func.coalesce(sent.c.calls, 0))
    rows = conn.execute(
        select(
            connection.c.name,
            ((connection.c.state == "ok") & connection.c.enabled).label("ok"),
            connection.c.last_synced_at,
            case((connection.c.blocked_until > moment, 0), else_=left).label("budget_left"),
            connection.c.state_detail,
        )
        .outerjoin(sent, sent.c.connection == connection.c.name)
        .order_by(connection.c.name)
    )
    return [
        {
            "name": row.name,
            "ok": row.ok,
            "lag_seconds": _whole_seconds(moment - row.last_synced_at) if row.last_synced_at else None,
            "budget_left": row.budget_left,
            "detail": row.state_detail,
        }
        for row in rows
    ]


def stuck_work(conn: Connection, failures: int, left_behind: timedelta) -> list[str]:
    """`kind key` of asked-for work that failed that often in a row or is due for longer than that; most failures first."""
    long_due = work.c.due_at < now(conn) - left_behind
    query = (
        select(work.c.kind, work.c.key)
        .where(work.c.requested > work.c.done, (work.c.attempts >= failures) | long_due)
        .order_by(work.c.attempts.desc(), work.c.kind, work.c.key)
    )
    return [f"{row.kind} {row.key}" for row in conn.execute(query)]


def inbox_counts(conn: Connection) -> dict[str, int]:
    """Facts that are not applied yet, by state."""
    waiting = ("new", "held", "refused")
    rows = conn.execute(
        select(inbox.c.state, func.count()).where(inbox.c.state.in_(waiting)).group_by(inbox.c.state)
    )
    return dict.fromkeys(waiting, 0) | {row[0]: row[1] for row in rows}


def outbox_counts(conn: Connection) -> dict[str, int]:
    """Effects that are not proven yet, by state."""
    waiting = ("pending", "unknown", "rejected")
    rows = conn.execute(
        select(intent.c.state, func.count()).where(intent.c.state.in_(waiting)).group_by(intent.c.state)
    )
    return dict.fromkeys(waiting, 0) | {row[0]: row[1] for row in rows}


def exception_counts(conn: Connection) -> list[dict[str, Any]]:
    """Open exceptions by kind and currency: how many, and the money that waits with them."""
    rows = conn.execute(
        select(
            exception.c.kind,
            func.count().label("open"),
            func.sum(exception.c.amount).label("amount"),
            exception.c.currency,
        )
        .where(exception.c.state.not_in(("waived", "resolved")))
        .group_by(exception.c.kind, exception.c.currency)
        .order_by(exception.c.kind, exception.c.currency)
    )
    return [dict(row._mapping) for row in rows]


def _whole_seconds(span: timedelta) -> int:
    return max(0, int(span.total_seconds()))
