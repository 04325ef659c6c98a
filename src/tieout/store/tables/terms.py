"""Terms of contracts and workers by the day they take effect, and which key of ours a record of a source has."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tieout.store.tables.columns import HOURS, MOMENT, MONEY, PRICE, SHARE, metadata, recorded_at

contract_terms = Table(
    "contract_terms",
    metadata,
    Column("contract", String, primary_key=True),
    Column(
        "source_version",
        String,
        primary_key=True,
        comment="of two that cover a date the later version stands",
    ),
    Column("effective_from", Date, nullable=False),
    Column("payment_terms_days", Integer),
    Column("billing_method", String),
    Column("rate_card", String),
    Column("cap_amount", MONEY),
    Column("cap_over", String),
    Column("discount", SHARE),
    Column("increment_minutes", Integer),
    Column("increment_mode", String),
    Column("lines", JSONB(none_as_null=True)),
    Column("caps", JSONB(none_as_null=True)),
    Column("accounting", JSONB(none_as_null=True)),
    Column("invoicing", JSONB(none_as_null=True)),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("currency", String),
    recorded_at(),
)

worker_terms = Table(
    "worker_terms",
    metadata,
    Column("worker", String, primary_key=True),
    Column(
        "source_version",
        String,
        primary_key=True,
        comment="of two that cover a date the later version stands",
    ),
    Column("effective_from", Date, nullable=False),
    Column("legal_entity", String),
    Column("salaried", Boolean),
    Column("weekly_capacity", HOURS),
    recorded_at(),
)

cost_rate = Table(
    "cost_rate",
    metadata,
    Column("worker", String, primary_key=True),
    Column(
        "source_version",
        String,
        primary_key=True,
        comment="one statement; of two that cover a date the later stands",
    ),
    Column("number", Integer, primary_key=True),
    Column("effective_from", Date, nullable=False),
    Column("effective_to", Date, comment="null: until the next rate of the statement"),
    Column("rate", PRICE, nullable=False, comment="of an hour"),
    Column(
        "burden", SHARE, nullable=False, comment="what employment costs beyond the rate, as a share of it"
    ),
    Column("currency", String, nullable=False),
    recorded_at(),
    CheckConstraint("rate >= 0 AND burden >= 0", name="not_negative"),
    CheckConstraint("effective_to IS NULL OR effective_to >= effective_from", name="dates"),
)

crosswalk = Table(
    "crosswalk",
    metadata,
    Column("connection", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("type", String, nullable=False),
    Column("key", String, nullable=False),
    Column("retired_at", MOMENT),
    Column("retired_reason", String),
    recorded_at(),
    Index(
        "uq_crosswalk_live",
        "connection",
        "object",
        "key",
        unique=True,
        postgresql_where=text("retired_at IS NULL"),
    ),
)
