"""Every row of a list that comes in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tieout.hub.exceptions import Page

MOST = 500


def every(listed: Callable[..., Page], conn: Connection, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Page after page of `listed(conn, filters, cursor, limit=…)`."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = listed(conn, filters, cursor, limit=MOST)
        rows += page.rows
        if page.cursor is None:
            return rows
        cursor = page.cursor
