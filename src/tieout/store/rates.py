"""Rate cards: every price with the days it holds, when it was heard, and until when it stood."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, column, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from tieout.store.tables import CANONICAL, contract_terms, rate

ATTRIBUTES = (
    "person",
    "task",
    "project",
    "grade",
    "role",
    "country",
    "worksite",
    "day_type",
    "band",
)
"""What a price may be stated for, most specific first."""

_FACTS = (*ATTRIBUTES, "currency", "unit", "price", "effective_from", "effective_to")


def current(conn: Connection, cards: Collection[str]) -> list[dict[str, Any]]:
    """Every price of these cards that stands now: id, card, attributes, dates, source and when it was heard."""
    columns = [rate.c[name] for name in ("id", "card", *_FACTS, "source", "recorded_at")]
    query = (
        select(*columns)
        .where(rate.c.card.in_(list(cards)), rate.c.superseded_at.is_(None))
        .order_by(rate.c.card, rate.c.id)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def lock_card(conn: Connection, card: str) -> None:
    """Let one writer at a time change a card, until the end of the transaction."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"rate card {card}", 0))))


def last_heard(conn: Connection, card: str) -> datetime | None:
    """When a price of the card was last heard or ended."""
    query = select(func.greatest(func.max(rate.c.recorded_at), func.max(rate.c.superseded_at)))
    moment: datetime | None = conn.execute(query.where(rate.c.card == card)).scalar()
    return moment


def supersede(conn: Connection, ids: Collection[int], moment: datetime) -> int:
    """End prices: they stood until this moment; how many."""
    statement = (
        update(rate)
        .where(rate.c.id.in_(list(ids)), rate.c.superseded_at.is_(None))
        .values(superseded_at=moment)
    )
    return int(conn.execute(statement).rowcount) if ids else 0


def add(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add prices that were heard."""
    if rows:
        conn.execute(insert(rate), [dict(row) for row in rows])


def contracts_using(
    conn: Connection, cards: Collection[str], customers: Collection[str], entities: Collection[str]
) -> list[str]:
    """Contracts that name one of the cards in any version of their terms, or are of these customers or entities."""
    contract = CANONICAL["contract"]
    line = func.jsonb_array_elements(contract_terms.c.lines).table_valued(
        column("value", JSONB), joins_implicitly=True
    )
    in_lines = select(contract_terms.c.contract).where(line.c.value["rate_card"].astext.in_(list(cards)))
    named = (
        select(contract_terms.c.contract).where(contract_terms.c.rate_card.in_(list(cards))).union(in_lines)
    )
    query = (
        select(contract.c.key)
        .where(
            contract.c.superseded_at.is_(None),
            or_(
                contract.c.rate_card.in_(list(cards)),
                contract.c.key.in_(named),
                contract.c.customer.in_(list(customers)),
                contract.c.legal_entity.in_(list(entities)),
            ),
        )
        .order_by(contract.c.key)
    )
    return list(conn.execute(query).scalars())
