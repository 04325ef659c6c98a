"""What each opportunity's record in the CRM should say about its project and invoices, one row per opportunity."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from tieout.store.tables import contract, flow, intent, invoice, invoice_line, opportunity, project

_OPEN = ("pending", "unknown")
_BILLED = ("released", "posted", "part_paid", "paid", "credited")


def opportunities(conn: Connection, setup_kind: str) -> list[dict[str, Any]]:
    """Won opportunities whose contract's set-up has begun or whose project exists, by number.

    Each with contract, legal_entity, currency, project, project_state, activated_at, flow_state, flow_waits,
    invoice_states (of invoices that are not void) and billed_amount (released less credited, net).
    """
    back = (
        select(contract.c.opportunity, func.max(contract.c.key).label("contract"))
        .where(contract.c.superseded_at.is_(None), contract.c.opportunity.is_not(None))
        .group_by(contract.c.opportunity)
        .subquery()
    )
    named = contract.c.key == func.coalesce(opportunity.c.contract, back.c.contract)
    theirs = and_(project.c.contract == contract.c.key, project.c.superseded_at.is_(None))
    billed = _billed().subquery()
    query = (
        select(
            opportunity.c.key, contract.c.key.label("contract"), contract.c.legal_entity, contract.c.currency,
            project.c.key.label("project"), project.c.state.label("project_state"), project.c.activated_at,
            flow.c.state.label("flow_state"), flow.c.waiting_for.label("flow_waits"),
            flow.c.detail["project"].astext.label("planned_project"),
            billed.c.states.label("invoice_states"), func.coalesce(billed.c.amount, 0).label("billed_amount"),
        )
        .outerjoin(back, back.c.opportunity == opportunity.c.key)
        .join(contract, and_(named, contract.c.superseded_at.is_(None)))
        .outerjoin(project, theirs)
        .outerjoin(flow, and_(flow.c.kind == setup_kind, flow.c.key == contract.c.key))
        .outerjoin(billed, billed.c.contract == contract.c.key)
        .where(opportunity.c.superseded_at.is_(None), or_(project.c.key.is_not(None), flow.c.id.is_not(None)))
        .order_by(opportunity.c.key, project.c.key.desc())
    )  # fmt: skip
    rows = {row["key"]: dict(row) for row in conn.execute(query).mappings()}
    return list(rows.values())


def _billed() -> Any:
    is_invoice = invoice.c.kind == "invoice"
    work = invoice.c.purpose != "retention"
    net = case((is_invoice, invoice_line.c.net_amount), else_=-invoice_line.c.net_amount)
    return (
        select(
            invoice_line.c.contract,
            func.array_agg(invoice.c.state.distinct()).filter(is_invoice).label("states"),
            func.sum(net).filter(invoice.c.state.in_(_BILLED), work).label("amount"),
        )
        .join(invoice, invoice.c.id == invoice_line.c.invoice)
        .where(invoice.c.state != "void")
        .group_by(invoice_line.c.contract)
    )


def last_sent(conn: Connection, connection: str, operation: str) -> dict[str, dict[str, Any]]:
    """The newest revision of each opportunity's command: key -> {id, revision, state, digest}."""
    query = (
        select(intent.c.key, intent.c.id, intent.c.revision, intent.c.state, intent.c.digest)
        .ext(distinct_on(intent.c.key))
        .where(intent.c.connection == connection, intent.c.operation == operation)
        .order_by(intent.c.key, intent.c.revision.desc())
    )
    return {row["key"]: dict(row) for row in conn.execute(query).mappings()}


def due(conn: Connection, connection: str, operation: str, moment: datetime) -> list[str]:
    """Open commands that may go now, oldest revision first."""
    query = select(intent.c.id).where(
        intent.c.connection == connection,
        intent.c.operation == operation,
        intent.c.state.in_(_OPEN),
        intent.c.due_at <= moment,
    )
    return [str(one) for one in conn.execute(query.order_by(intent.c.revision, intent.c.key)).scalars()]


def next_due(conn: Connection, connection: str, operation: str) -> datetime | None:
    """When the first command that is still open goes on."""
    query = select(func.min(intent.c.due_at)).where(
        intent.c.connection == connection, intent.c.operation == operation, intent.c.state.in_(_OPEN)
    )
    moment: datetime | None = conn.execute(query).scalar()
    return moment
