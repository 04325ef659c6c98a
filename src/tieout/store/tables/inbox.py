"""What sources say, as it came."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from tieout.store.tables.columns import MOMENT, metadata, recorded_at

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("connection", String, nullable=False),
    Column("object", String, nullable=False),
    Column("source_id", String, nullable=False),
    Column("source_version", String, nullable=False),
    Column("tombstone", Boolean, nullable=False, server_default=text("false")),
    Column("digest", LargeBinary, nullable=False, comment="sha256 of raw"),
    Column("raw", LargeBinary, nullable=False),
    Column(
        "document",
        LargeBinary,
        comment="the record as the connector read it (JSON); null: unreadable, see raw",
    ),
    Column("state", String, nullable=False, server_default=text("'new'")),
    Column("detail", String),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column(
        "deliveries", Integer, nullable=False, server_default=text("1"), comment="times the same version came"
    ),
    Column("observed_at", MOMENT, nullable=False),
    Column("applied_at", MOMENT),
    recorded_at(),
    UniqueConstraint("connection", "object", "source_id", "source_version"),
    CheckConstraint("state IN ('new','applied','superseded','ignored','held','refused')", name="state"),
    Index("ix_inbox_new", "connection", "object", "id", postgresql_where=text("state = 'new'")),
    Index("ix_inbox_held", "connection", "object", "source_id", postgresql_where=text("state = 'held'")),
    Index("ix_inbox_source", "connection", "object", "source_id", "id"),
    Index(
        "ix_inbox_waiting",
        "connection",
        "detail",
        postgresql_where=text("state IN ('held','ignored') AND detail LIKE 'waits for %'"),
    ),
)

hint = Table(
    "hint",
    metadata,
    Column("connection", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("object", String, nullable=False),
    Column("source_id", String, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("deliveries", Integer, nullable=False, server_default=text("1")),
    Column("state", String, nullable=False, server_default=text("'new'"), comment="new | done"),
    recorded_at(),
    Index("ix_hint_new", "connection", postgresql_where=text("state = 'new'")),
)
