"""Configuration that was applied from the workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from tieout.store.tables.columns import MOMENT, metadata, recorded_at

workspace_version = Table(
    "workspace_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("document", JSONB, nullable=False, comment="the whole checked workspace, without secrets"),
    Column("applied_by", String, nullable=False),
    recorded_at(),
)

connection = Table(
    "connection",
    metadata,
    Column("name", String, primary_key=True),
    Column("connector", String, nullable=False),
    Column(
        "config", JSONB, nullable=False, comment="addresses and options; secret references, never secrets"
    ),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("state", String, nullable=False, server_default=text("'ok'"), comment="ok | attention"),
    Column("state_detail", String),
    Column("last_synced_at", MOMENT),
    Column("budget_per_minute", Integer, nullable=False, server_default=text("6000")),
    Column("blocked_until", MOMENT, comment="no call before this moment (rate limit, injected clock)"),
)

source_cursor = Table(
    "source_cursor",
    metadata,
    Column("connection", String, ForeignKey("connection.name"), primary_key=True),
    Column("object", String, primary_key=True),
    Column("cursor", String, nullable=False),
    Column("fingerprint", JSONB, comment="field names last seen, for drift"),
    Column(
        "read_to",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="inbox ids up to this one had been given when the last read to the end began",
    ),
    Column("updated_at", MOMENT, nullable=False),
)
