"""The sandbox's own tables, in a database of its own that Tieout has no part in."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

record = Table(
    "record",
    metadata,
    Column("system", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("fields", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("modified_at", DateTime(timezone=True), nullable=False),
    Column("visible_from", DateTime(timezone=True), comment="a search finds it only from this moment on"),
    Column("deleted", Boolean, nullable=False, default=False),
    Index("record_modified", "system", "type", "modified_at", "id"),
    Index("record_fields", "fields", postgresql_using="gin", postgresql_ops={"fields": "jsonb_path_ops"}),
    comment="what the simulated vendors hold",
)

counter = Table(
    "counter",
    metadata,
    Column("system", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("now", DateTime(timezone=True), nullable=False),
    Column("last_stamp", DateTime(timezone=True), nullable=False),
)

applied_write = Table(
    "applied_write",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("system", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("external_key", Text, nullable=False, server_default=""),
    Column("body_digest", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    comment="the outside truth: every write through the API that was applied",
)

call = Table(
    "call",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("system", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, comment="real time: budgets are counted in it"),
    comment="every request that came in, applied or not",
)

fault = Table(
    "fault",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("system", Text, nullable=False),
    Column("method", Text, nullable=False, server_default=""),
    Column("path", Text, nullable=False, server_default="", comment="regular expression, found anywhere"),
    Column("kind", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("left", Integer, nullable=False, comment="how often it still happens"),
)

late_call = Table(
    "late_call",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("system", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="writes that were taken and are applied at a moment of the sandbox clock",
)

planted = Table(
    "planted",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("what", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    comment="the mess that the firm made on purpose, so that a test can ask whether it was found",
)

webhook = Table(
    "webhook",
    metadata,
    Column("system", Text, primary_key=True),
    Column("url", Text, primary_key=True),
)
