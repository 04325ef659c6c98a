"""What a project set-up reads beside the canonical records: prices, users of a customer, intents, open money."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from tieout.store.tables import (
    billing_balance,
    contract,
    flow,
    intent,
    invoice,
    invoice_line,
    project,
    quote,
    quote_line,
    rate,
)

_SET_UP = ("signed", "active", "suspended")


def lock(conn: Connection, name: str) -> None:
    """Let one transaction at a time decide about what several contracts share (a customer of theirs)."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"setup/{name}", 7469))))


def prices_on(conn: Connection, cards: Collection[str], day: date) -> dict[str, frozenset[str]]:
    """Currencies of the prices that each card has on a day; cards without any are left out."""
    if not cards:
        return {}
    query = select(rate.c.card, rate.c.currency).distinct()
    query = query.where(
        rate.c.card.in_(list(cards)),
        rate.c.superseded_at.is_(None),
        rate.c.effective_from <= day,
        or_(rate.c.effective_to.is_(None), rate.c.effective_to >= day),
    )
    found: dict[str, set[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.card, set()).add(row.currency)
    return {card: frozenset(currencies) for card, currencies in found.items()}


def contracts_of_customer(conn: Connection, customer: str, entity: str) -> set[str]:
    """Contracts of a customer with a legal entity that are signed and not ended."""
    query = select(contract.c.key).where(
        contract.c.superseded_at.is_(None),
        contract.c.customer == customer,
        contract.c.legal_entity == entity,
        contract.c.state.in_(_SET_UP),
    )
    return set(conn.execute(query).scalars())


def waiting_for_customer(conn: Connection, customer: str, entity: str, kind: str) -> set[str]:
    """Contracts of a customer with a legal entity whose flow of this kind waits."""
    query = select(flow.c.key).join(contract, contract.c.key == flow.c.key)
    query = query.where(
        flow.c.kind == kind,
        flow.c.state == "waiting",
        contract.c.superseded_at.is_(None),
        contract.c.customer == customer,
        contract.c.legal_entity == entity,
    )
    return set(conn.execute(query).scalars())


def state_of_flow(conn: Connection, kind: str, key: str) -> tuple[str | None, str | None]:
    """(id, state) of a flow; (None, None) when there is none."""
    row = conn.execute(select(flow.c.id, flow.c.state).where(flow.c.kind == kind, flow.c.key == key)).first()
    return (None, None) if row is None else (str(row.id), row.state)


def projects_of(conn: Connection, contract_key: str) -> list[str]:
    """Current projects of a contract."""
    query = select(project.c.key).where(project.c.superseded_at.is_(None), project.c.contract == contract_key)
    return list(conn.execute(query.order_by(project.c.key)).scalars())


def quoted_roles(conn: Connection, opportunity: str) -> list[str]:
    """Roles of the opportunity's primary quote, in the order of its lines, each once."""
    query = (
        select(quote_line.c.role)
        .join(quote, and_(quote.c.key == quote_line.c.quote, quote.c.superseded_at.is_(None)))
        .where(
            quote_line.c.superseded_at.is_(None),
            quote.c.opportunity == opportunity,
            quote.c.is_primary,
            quote_line.c.role.is_not(None),
        )
        .order_by(quote_line.c.number, quote_line.c.key)
    )
    return list(dict.fromkeys(conn.execute(query).scalars()))


def last_intent(conn: Connection, connection: str, operation: str, key: str) -> dict[str, Any] | None:
    """The newest revision of a command: {id, revision, state, body, target_id, flow_id}."""
    names = ("id", "revision", "state", "body", "target_id", "flow_id")
    query = select(*(intent.c[name] for name in names)).where(
        intent.c.connection == connection,
        intent.c.operation == operation,
        intent.c.key == key,
        intent.c.compensates.is_(None),
    )
    row = conn.execute(query.order_by(intent.c.revision.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def is_undone(conn: Connection, intent_id: str) -> bool:
    """Whether the undo of a command was carried out."""
    query = select(intent.c.id).where(intent.c.compensates == intent_id, intent.c.state == "done")
    return conn.execute(query.limit(1)).first() is not None


def open_money(conn: Connection, contract_key: str) -> tuple[Decimal, int]:
    """What a contract has to bill or to collect, net (unbilled or drafted, released and not paid); unpaid documents.

    What stands over a cap is left out: without an amendment it is never billed.
    """
    left = (
        billing_balance.c.amount - billing_balance.c.billed_amount + billing_balance.c.credited_amount
        - billing_balance.c.written_off_amount - billing_balance.c.reversed_amount
        - billing_balance.c.over_cap_amount
    )  # fmt: skip
    unbilled = select(func.coalesce(func.sum(left), 0)).where(billing_balance.c.contract == contract_key)
    unpaid = (
        select(func.coalesce(func.sum(invoice_line.c.net_amount), 0), func.count(invoice.c.id.distinct()))
        .join(invoice, invoice.c.id == invoice_line.c.invoice)
        .where(
            invoice_line.c.contract == contract_key,
            invoice.c.kind == "invoice",
            invoice.c.state.in_(("released", "posted", "part_paid")),
        )
    )
    amount, documents = conn.execute(unpaid).one()
    return Decimal(amount) + Decimal(conn.execute(unbilled).scalar_one()), int(documents)
