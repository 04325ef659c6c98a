"""Rate cards: owned by the workspace, bitemporal."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Identity, Index, String, Table, text

from tieout.store.tables.columns import MOMENT, PRICE, metadata, recorded_at

rate = Table(
    "rate",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("card", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("person", String),
    Column("task", String),
    Column("project", String),
    Column("grade", String),
    Column("role", String),
    Column("country", String),
    Column("worksite", String),
    Column("day_type", String),
    Column("band", String),
    Column("unit", String, nullable=False, server_default=text("'hour'")),
    Column("price", PRICE, nullable=False),
    Column("effective_from", Date, nullable=False),
    Column("effective_to", Date),
    Column("source", String, nullable=False, comment="file and row, or connection"),
    recorded_at(),
    Column("superseded_at", MOMENT),
    CheckConstraint("price > 0", name="price"),
    CheckConstraint("effective_to IS NULL OR effective_to >= effective_from", name="dates"),
    Index("ix_rate_card", "card", postgresql_where=text("superseded_at IS NULL")),
)
