"""Flows and their steps: what a piece of work that crosses systems has done so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tieout.store.tables import flow, flow_step


def open_flow(conn: Connection, row: Mapping[str, Any]) -> str:
    """Add the flow unless one of its kind and key exists; a waiting one runs again; its id."""
    added = insert(flow).values(**row)
    kept = flow.c.state == "waiting"
    statement = added.on_conflict_do_update(
        index_elements=["kind", "key"],
        set_={"state": "running", "waiting_for": None, "updated_at": added.excluded.updated_at},
        where=kept,
    ).returning(flow.c.id)
    written = conn.execute(statement).scalar()
    if written is not None:
        return str(written)
    query = select(flow.c.id).where(flow.c.kind == row["kind"], flow.c.key == row["key"])
    return str(conn.execute(query).scalar_one())


def lock(conn: Connection, flow_id: str) -> dict[str, Any] | None:
    """One flow, held until the transaction ends."""
    row = conn.execute(select(flow).where(flow.c.id == flow_id).with_for_update()).mappings().first()
    return None if row is None else dict(row)


def set_state(conn: Connection, flow_id: str, values: Mapping[str, Any]) -> None:
    """Change one flow."""
    conn.execute(update(flow).where(flow.c.id == flow_id).values(**values))


def mark(
    conn: Connection, flow_id: str, step: str, state: str, detail: Mapping[str, Any], moment: datetime
) -> None:
    """Note the state of a step and count the attempt; what is done only becomes undone, what is undone stays so."""
    place = select(func.count() + 1).where(flow_step.c.flow_id == flow_id).scalar_subquery()
    added = insert(flow_step).values(
        flow_id=flow_id, step=step, state=state, detail=detail, at=moment, position=place
    )
    open_step = flow_step.c.state.in_(("waiting", "failed"))
    undoes = and_(flow_step.c.state == "done", literal(state) == "undone")
    conn.execute(
        added.on_conflict_do_update(
            index_elements=["flow_id", "step"],
            set_={
                "state": added.excluded.state,
                "detail": added.excluded.detail,
                "at": added.excluded.at,
                "attempts": flow_step.c.attempts + 1,
            },
            where=or_(open_step, undoes),
        )
    )


def steps(conn: Connection, flow_id: str) -> list[dict[str, Any]]:
    """The steps of a flow in the order in which they were first reached."""
    query = (
        select(flow_step.c.step, flow_step.c.state, flow_step.c.attempts, flow_step.c.detail, flow_step.c.at)
        .where(flow_step.c.flow_id == flow_id)
        .order_by(flow_step.c.position, flow_step.c.step)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def listed(
    conn: Connection,
    *,
    filters: Mapping[str, Any],
    entities: Collection[str] | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Flows, the last changed first."""
    query = select(flow).where(*(flow.c[name] == value for name, value in filters.items()))
    if entities is not None:
        query = query.where(_seen_by(entities))
    if after is not None:
        changed, last = after
        earlier = and_(flow.c.updated_at == changed, flow.c.id < literal(last, flow.c.id.type))
        query = query.where(or_(flow.c.updated_at < changed, earlier))
    query = query.order_by(flow.c.updated_at.desc(), flow.c.id.desc()).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def read(conn: Connection, flow_id: str, entities: Collection[str] | None) -> dict[str, Any] | None:
    """One flow that a reader of these entities may see."""
    query = select(flow).where(flow.c.id == flow_id)
    if entities is not None:
        query = query.where(_seen_by(entities))
    row = conn.execute(query).mappings().first()
    return None if row is None else dict(row)


def _seen_by(entities: Collection[str]) -> Any:
    entity = flow.c.detail["legal_entity"].astext
    return or_(entity.is_(None), entity.in_(list(entities)))
