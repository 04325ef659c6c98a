"""The contract subledger: journals, and what each source added to them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from tieout.store.tables.columns import HOURS, MOMENT, MONEY, PRICE, SHARE, metadata, recorded_at

journal = Table(
    "journal",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column(
        "cause_type", String, nullable=False,
        comment="revenue | release | credit | payment | reversal | cost | transfer | payroll | labor_variance | position | adjustment | contract_cost | dispute | credit_loss | remeasurement | accrual",
    ),
    Column("cause", String, nullable=False),
    Column("contract", String, comment="null: payroll beyond the standard, which is of no contract"),
    Column("legal_entity", String, nullable=False),
    Column("event_date", Date, nullable=False),
    Column("booking_date", Date, nullable=False),
    Column("period", String, nullable=False),
    Column("prior_period", Boolean, nullable=False),
    Column("reverses", UUID(as_uuid=False), ForeignKey("journal.id")),
    recorded_at(),
    UniqueConstraint("cause_type", "cause"),
    Index("ix_journal_contract", "contract", "booking_date"),
    Index(
        "ix_journal_erp_document", text("split_part(cause, '/', 2)"),
        postgresql_where=text("cause_type IN ('payment', 'reversal')"),
    ),
)  # fmt: skip

journal_line = Table(
    "journal_line",
    metadata,
    Column("journal", UUID(as_uuid=False), ForeignKey("journal.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("contract", String),
    Column("line", String, comment="null: cost of a contract none of whose lines names the project"),
    Column("legal_entity", String, nullable=False),
    Column("account", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("amount", MONEY, nullable=False, comment="debit positive"),
    Column("functional_amount", MONEY, nullable=False),
    Column("booking_date", Date, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    Index("ix_journal_line_contract", "contract", "account"),
)

revenue_entry = Table(
    "revenue_entry",
    metadata,
    Column("journal", UUID(as_uuid=False), ForeignKey("journal.id"), primary_key=True),
    Column("event", UUID(as_uuid=False), ForeignKey("billing_event.id"), primary_key=True),
    Column("amount", MONEY, nullable=False, comment="what the event earned in the journal"),
    Column(
        "pass_through_amount",
        MONEY,
        nullable=False,
        server_default=text("0"),
        comment="the part of it that is another party's: not in the journal's revenue",
    ),
    Index("ix_revenue_entry_event", "event"),
)

cost_entry = Table(
    "cost_entry",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("journal", UUID(as_uuid=False), ForeignKey("journal.id"), nullable=False),
    Column("kind", String, nullable=False, comment="labor | expense | subcontract | pass_through | variance | payroll"),
    Column("source", String, nullable=False, comment="key of the time entry or subcontract work; WORKER:… of payroll"),
    Column("version", Integer, nullable=False),
    Column("contract", String),
    Column("line", String),
    Column("project", String),
    Column("worker", String),
    Column("legal_entity", String, nullable=False, comment="whose people or purchase it is"),
    Column("event_date", Date, nullable=False),
    Column("hours", HOURS, comment="hours that cost"),
    Column("rate", PRICE, comment="of an hour, as it stands with this entry"),
    Column("burden", SHARE),
    Column("amount", MONEY, nullable=False, comment="the difference that this entry makes"),
    Column("currency", String, nullable=False),
    recorded_at(),
    Index("ix_cost_entry_contract", "contract"),
    Index("ix_cost_entry_source", "source"),
    Index("ix_cost_entry_worker", "worker", "kind"),
    Index("ix_cost_entry_journal", "journal"),
)  # fmt: skip

transfer_entry = Table(
    "transfer_entry",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("journal", UUID(as_uuid=False), ForeignKey("journal.id"), nullable=False),
    Column("kind", String, nullable=False, comment="kind of the cost that is charged on"),
    Column("source", String, nullable=False, comment="as the cost's"),
    Column("version", Integer, nullable=False),
    Column("contract", String, nullable=False),
    Column("line", String),
    Column("worker", String),
    Column("supplier", String, nullable=False, comment="legal entity whose cost it is"),
    Column("buyer", String, nullable=False, comment="legal entity of the contract"),
    Column("event_date", Date, nullable=False),
    Column("hours", HOURS),
    Column("cost_amount", MONEY, nullable=False),
    Column("margin", SHARE, nullable=False),
    Column("amount", MONEY, nullable=False, comment="the difference that this entry makes to the charge"),
    Column("currency", String, nullable=False),
    recorded_at(),
    Index("ix_transfer_entry_contract", "contract"),
    Index("ix_transfer_entry_source", "source"),
    Index("ix_transfer_entry_journal", "journal"),
)  # fmt: skip

obligation_revenue = Table(
    "obligation_revenue",
    metadata,
    Column("journal", UUID(as_uuid=False), ForeignKey("journal.id"), primary_key=True),
    Column("contract", String, primary_key=True),
    Column("line", String, primary_key=True),
    Column("obligation", String, primary_key=True, comment="by whose plan it is earned"),
    Column("legal_entity", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("event_date", Date, nullable=False),
    Column("amount", MONEY, nullable=False, comment="what the line gave to the journal's revenue"),
    Column(
        "allocated_price", MONEY, nullable=False, comment="the line's, at the end of that day as known then"
    ),
    Column("percent_complete", SHARE, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    Index("ix_obligation_revenue_contract", "contract"),
)
