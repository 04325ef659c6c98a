"""Exceptions and the audit trail."""

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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tieout.store.tables.columns import MOMENT, MONEY, metadata, recorded_at

exception = Table(
    "exception",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False, comment="the source's id or the business key a person would type"),
    Column("severity", String, nullable=False),
    Column("owner", String, nullable=False, comment="role, or the person it is assigned to"),
    Column("contract", String),
    Column("legal_entity", String),
    Column("amount", MONEY),
    Column("currency", String),
    Column("cause", String, nullable=False, comment="what was refused, seen and expected; in plain words"),
    Column("evidence", JSONB, nullable=False),
    Column("state", String, nullable=False, server_default=text("'open'")),
    Column("opened_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    Column("closed_at", MOMENT),
    Column("closed_by", String),
    Column("resolution", String),
    CheckConstraint("state IN ('open','assigned','fixed','replayed','waived','resolved')", name="state"),
    Index(
        "uq_exception_open", "kind", "key", unique=True,
        postgresql_where=text("state NOT IN ('waived','resolved')"),
    ),
    Index("ix_exception_contract", "contract"),
)  # fmt: skip

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("type", String, nullable=False),
    Column("key", String, nullable=False),
    Column("legal_entity", String),
    Column("reason", String),
    Column("trace_id", String),
    Column("rows", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="sha256 over the rows touched"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Index("ix_audit_key", "type", "key"),
)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("position", BigInteger, primary_key=True, comment="1, 2, … without a gap"),
    Column("audit_id", BigInteger, ForeignKey("audit.id"), nullable=False, unique=True),
    Column("chain", LargeBinary, nullable=False, comment="sha256(previous chain || row)"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("actor", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSONB, nullable=False),
    recorded_at(),
)
