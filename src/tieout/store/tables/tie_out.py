"""Runs of the checks, and what each compared."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, String, Table
from sqlalchemy.dialects.postgresql import UUID

from tieout.store.tables.columns import MONEY, metadata, recorded_at

tie_out_run = Table(
    "tie_out_run",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column(
        "position", BigInteger, Identity(), nullable=False, comment="order of runs: the clock may stand still"
    ),
    Column("check", String, nullable=False),
    Column("legal_entity", String, nullable=False),
    Column("period", String, nullable=False),
    Column("state", String, nullable=False, comment="complete | incomplete"),
    Column("detail", String),
    Column("digest", String, nullable=False),
    recorded_at(),
    Index("ix_tie_out_run", "check", "legal_entity", "period", "recorded_at"),
)

tie_out_item = Table(
    "tie_out_item",
    metadata,
    Column("run", UUID(as_uuid=False), ForeignKey("tie_out_run.id"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("contract", String),
    Column("ours", MONEY),
    Column("theirs", MONEY),
    Column("difference", MONEY, nullable=False),
    Column("currency", String, nullable=False),
    Column("outcome", String, nullable=False, comment="matched | ours_only | theirs_only | different"),
    Column("cause", String),
    Column("explained_by", String),
)
