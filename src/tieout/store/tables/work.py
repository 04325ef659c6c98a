"""Work that must be done, remembered here (the engine only drives it), and its flows."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tieout.store.tables.columns import MOMENT, metadata

work = Table(
    "work",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("due_at", MOMENT, comment="null: nothing due; compared with the injected clock"),
    Column(
        "requested", BigInteger, nullable=False, server_default=text("0"), comment="bumped by each trigger"
    ),
    Column(
        "started",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="the trigger handed to the engine",
    ),
    Column(
        "done", BigInteger, nullable=False, server_default=text("0"), comment="the last trigger carried out"
    ),
    Column("carrier", String, comment="the engine's run that carries it out with others; null: its own"),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="failures in a row"),
    Column("last_error", String),
    Column("updated_at", MOMENT, nullable=False),
    Index("ix_work_due", "due_at", postgresql_where=text("requested > done")),
    CheckConstraint("done <= started AND started <= requested", name="order"),
)

flow = Table(
    "flow",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", String, nullable=False, comment="project_setup | invoice_posting | credit_posting"),
    Column("key", String, nullable=False),
    Column(
        "state",
        String,
        nullable=False,
        comment="running | waiting | done | compensating | compensated | failed",
    ),
    Column("waiting_for", String),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("started_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    UniqueConstraint("kind", "key"),
)

flow_step = Table(
    "flow_step",
    metadata,
    Column("flow_id", UUID(as_uuid=False), ForeignKey("flow.id"), primary_key=True),
    Column("step", String, primary_key=True),
    Column("position", Integer, nullable=False, comment="1, 2, … in the order first reached"),
    Column("state", String, nullable=False, comment="done | waiting | failed | undone"),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("at", MOMENT, nullable=False),
)
