"""Runs of the tie-out checks and what each key came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from tieout.store.tables import tie_out_item, tie_out_run


def lock(conn: Connection, check: str, entity: str, period: str) -> None:
    """Let one transaction at a time record a run of a check."""
    name = f"tie_out/{check}/{entity}/{period}"
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 7469))))


def latest(
    conn: Connection, check: str | None = None, entity: str | None = None, period: str | None = None
) -> list[dict[str, Any]]:
    """The newest run of each check, entity and period."""
    run = tie_out_run.c
    keys = (run.check, run.legal_entity, run.period)
    query = select(tie_out_run).ext(distinct_on(*keys)).order_by(*keys, run.position.desc())
    for column, value in zip(keys, (check, entity, period), strict=True):
        if value is not None:
            query = query.where(column == value)
    return [dict(row) for row in conn.execute(query).mappings()]


def items(conn: Connection, runs: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The items of runs, by run, in order of key."""
    if not runs:
        return {}
    query = (
        select(tie_out_item)
        .where(tie_out_item.c.run.in_(list(runs)))
        .order_by(tie_out_item.c.run, tie_out_item.c.key)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in conn.execute(query).mappings():
        item = dict(row)
        found.setdefault(str(item.pop("run")), []).append(item)
    return found


def insert_run(conn: Connection, row: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    """Append a run with its items."""
    conn.execute(insert(tie_out_run).values(**row))
    if found:
        conn.execute(insert(tie_out_item), [{"run": row["id"], **item} for item in found])
