"""The clock and people: who there is, in which roles, with which credentials."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, String, Table, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tieout.store.tables.columns import MOMENT, metadata

clock = Table(
    "clock",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("now", MOMENT, nullable=True, comment="null: the wall clock; else the injected moment"),
    CheckConstraint('"only"', name="one_row"),
)

person = Table(
    "person",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("disabled_at", MOMENT),
    Column("created_at", MOMENT, nullable=False),
)

person_role = Table(
    "person_role",
    metadata,
    Column("person_id", UUID(as_uuid=False), ForeignKey("person.id"), nullable=False),
    Column("role", String, nullable=False),
    Column("granted_at", MOMENT, nullable=False),
    Column("revoked_at", MOMENT),
    Column("granted_by", String, nullable=False),
    Index(
        "uq_person_role_live", "person_id", "role", unique=True, postgresql_where=text("revoked_at IS NULL")
    ),
)

credential = Table(
    "credential",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", String, nullable=False, comment="sign_in_link | api_token"),
    Column("person_id", UUID(as_uuid=False), ForeignKey("person.id"), nullable=False),
    Column(
        "digest", LargeBinary, nullable=False, unique=True, comment="sha256 of the secret; never the secret"
    ),
    Column("scopes", JSONB, nullable=False),
    Column("entities", JSONB, nullable=True, comment="null: all legal entities"),
    Column("created_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False, comment="real time"),
    Column("used_at", MOMENT),
    Column("revoked_at", MOMENT),
    CheckConstraint("kind IN ('sign_in_link', 'api_token')", name="kind"),
)
