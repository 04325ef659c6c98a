"""Events told to others, and what is to be written to other systems."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tieout.store.tables.columns import MOMENT, metadata, recorded_at

event = Table(
    "event",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("id", UUID(as_uuid=False), nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("sequence", BigInteger, nullable=False, comment="per subject, from 1"),
    Column("legal_entity", String),
    Column("data", JSONB, nullable=False),
    Column("time", MOMENT, nullable=False),
    UniqueConstraint("subject", "sequence"),
    Index("ix_event_type", "type", "position"),
)

intent = Table(
    "intent",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("connection", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("type", String, nullable=False, comment="canonical type it concerns"),
    Column("key", String, nullable=False, comment="business key"),
    Column("revision", Integer, nullable=False),
    Column("external_key", String, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="the frozen bytes of every attempt"),
    Column("digest", LargeBinary, nullable=False),
    Column("compensates", UUID(as_uuid=False), ForeignKey("intent.id")),
    Column("flow_id", UUID(as_uuid=False), ForeignKey("flow.id")),
    Column("state", String, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="incremented before each attempt"),
    Column("due_at", MOMENT, nullable=False),
    Column("target_id", String),
    Column("receipt", JSONB),
    Column("error", JSONB),
    Column("looked_up", Integer, nullable=False, server_default=text("0")),
    Column("read_back_at", MOMENT),
    Column("first_sent_at", MOMENT),
    Column("done_at", MOMENT),
    Column("deadline", MOMENT, comment="not done by then: a person is told"),
    Column("cancel_reason", String, comment="never sent again; settled by what a look-up proves"),
    Column(
        "context", JSONB, nullable=False, server_default=text("'{}'"),
        comment="for exceptions and replay: contract, legal_entity, amount, currency, work; updates: sets an existing record",
    ),
    recorded_at(),
    UniqueConstraint("connection", "operation", "key", "revision"),
    CheckConstraint("state IN ('pending','unknown','done','rejected','cancelled')", name="state"),
    Index("ix_intent_open", "connection", "due_at", postgresql_where=text("state IN ('pending','unknown')")),
    Index("ix_intent_key", "type", "key"),
    Index("ix_intent_target", "connection", "target_id", postgresql_where=text("target_id IS NOT NULL")),
    Index("ix_intent_compensates", "compensates", postgresql_where=text("compensates IS NOT NULL")),
    Index(
        "uq_intent_live_target", "connection", "operation", "external_key",
        unique=True, postgresql_where=text("state = 'done' AND compensates IS NULL AND operation LIKE '%invoice%'"),
    ),
)  # fmt: skip

attempt = Table(
    "attempt",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("intent", UUID(as_uuid=False), ForeignKey("intent.id"), nullable=False),
    Column("connection", String, nullable=False),
    Column("action", String, nullable=False, comment="send | look_up | read_back"),
    Column(
        "calls", Integer, nullable=False, server_default=text("1"), comment="0: another row of the same batch"
    ),
    Column("outcome", String, nullable=False, comment="`started` is written before the call"),
    Column("code", String),
    Column("detail", String),
    recorded_at(),
    Index("ix_attempt_intent", "intent", "id"),
    Index("ix_attempt_budget", "connection", "recorded_at"),
)
