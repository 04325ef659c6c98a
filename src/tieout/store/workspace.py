"""The workspace that was applied: its versions, and the connections it declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import CANONICAL, connection, inbox, workspace_version


def fingerprint(conn: Connection, at: datetime | None = None) -> tuple[int, str]:
    """Version applied (last, or by a moment) and a digest of its document as stored; (0, "") before the first."""
    query = (
        select(workspace_version.c.version, func.md5(text("workspace_version.document::text")).label("told"))
        .order_by(workspace_version.c.version.desc())
        .limit(1)
    )
    if at is not None:
        query = query.where(workspace_version.c.recorded_at <= at)
    row = conn.execute(query).first()
    return (0, "") if row is None else (int(row.version), str(row.told))


def document(conn: Connection, version: int) -> dict[str, Any]:
    """The document of one version."""
    query = select(workspace_version.c.document).where(workspace_version.c.version == version)
    return dict(conn.execute(query).scalar_one())


def head(conn: Connection) -> tuple[int, str, dict[str, Any]]:
    """Version, digest and document that are applied, locked against another apply; (0, "", {}) before the first."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("workspace", 0))))
    query = select(workspace_version).order_by(workspace_version.c.version.desc()).limit(1)
    row = conn.execute(query).mappings().first()
    return (0, "", {}) if row is None else (int(row["version"]), str(row["digest"]), dict(row["document"]))


def add_version(conn: Connection, row: Mapping[str, Any]) -> None:
    """Add the next version."""
    conn.execute(insert(workspace_version).values(**row))


def declare_connections(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Make the connections those of the workspace; the names of those that are disabled because it lacks them."""
    for row in rows:
        facts = {name: row[name] for name in ("connector", "config", "budget_per_minute")}
        statement = insert(connection).values(**row)
        conn.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={**facts, "enabled": True})
        )
    gone = connection.c.name.not_in([row["name"] for row in rows]) & connection.c.enabled
    disabled = update(connection).where(gone).values(enabled=False).returning(connection.c.name)
    return sorted(conn.execute(disabled).scalars())


def release_mapped(conn: Connection, connection_name: str, objects: Collection[str]) -> int:
    """Make rows of these objects new again that another mapping may read; how many. Poison and waiting rows stay."""
    statement = (
        update(inbox)
        .where(
            inbox.c.connection == connection_name,
            inbox.c.object.in_(list(objects)),
            inbox.c.state.in_(("held", "refused")),
            inbox.c.document.is_not(None),
            inbox.c.detail.is_(None) | inbox.c.detail.not_like("waits for %"),
        )
        .values(state="new", detail=None, attempts=0)
    )
    return int(conn.execute(statement).rowcount)


def contracts(conn: Connection) -> list[str]:
    """Every contract that is known."""
    contract = CANONICAL["contract"]
    query = select(contract.c.key).where(contract.c.superseded_at.is_(None)).order_by(contract.c.key)
    return list(conn.execute(query).scalars())
