"""The event log: one append per batch, sequences without gaps per subject."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from tieout.store.tables import event


def lock_subjects(conn: Connection, subjects: Collection[str]) -> None:
    """Let one transaction at a time number the events of a subject (in one order: no deadlock)."""
    conn.execute(
        text(
            "SELECT pg_advisory_xact_lock(hashtextextended(s, 7469)) FROM"
            " (SELECT DISTINCT s FROM unnest(CAST(:subjects AS text[])) AS s ORDER BY s) AS ordered"
        ),
        {"subjects": sorted(subjects)},
    )


def last_sequences(conn: Connection, subjects: Collection[str]) -> dict[str, int]:
    """The last sequence of each subject that has events."""
    rows = conn.execute(
        select(event.c.subject, func.max(event.c.sequence))
        .where(event.c.subject == func.any(list(subjects)))
        .group_by(event.c.subject)
    )
    return {row[0]: int(row[1]) for row in rows}


def append(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append events in the order given."""
    for start in range(0, len(rows), 2000):
        conn.execute(insert(event), list(rows[start : start + 2000]))


def of_subject(conn: Connection, subject: str) -> list[dict[str, Any]]:
    """Every event of one subject in order."""
    query = select(event).where(event.c.subject == subject).order_by(event.c.sequence)
    return [dict(row) for row in conn.execute(query).mappings()]
