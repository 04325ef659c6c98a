"""The workspace that was applied: its versions, and the connections it declares."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, text

from tieout.store.tables import workspace_version


def fingerprint(conn: Connection) -> tuple[int, str]:
    """Version that is applied and a digest of its document as stored; (0, "") before the first."""
    query = (
        select(workspace_version.c.version, func.md5(text("workspace_version.document::text")).label("told"))
        .order_by(workspace_version.c.version.desc())
        .limit(1)
    )
    row = conn.execute(query).first()
    return (0, "") if row is None else (int(row.version), str(row.told))


def document(conn: Connection, version: int) -> dict[str, Any]:
    """The document of one version."""
    query = select(workspace_version.c.document).where(workspace_version.c.version == version)
    return dict(conn.execute(query).scalar_one())
