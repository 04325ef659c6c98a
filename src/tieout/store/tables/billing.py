"""Billing: events, balances, invoices."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    String,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tieout.store.tables.columns import HOURS, MOMENT, MONEY, PRICE, SHARE, metadata, recorded_at

billing_event = Table(
    "billing_event",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column(
        "kind", String, nullable=False,
        comment="time | expense | subcontract | reversal | what made the charge | adjustment of a charge",
    ),
    Column("source_kind", String, nullable=False, comment="what made it: its kind; of an adjustment or a reversal that of what it changes"),
    Column("contract", String, nullable=False),
    Column("line", String, nullable=False),
    Column("legal_entity", String, nullable=False),
    Column("project", String),
    Column("task", String),
    Column("entry", String, nullable=False, comment="the time entry, the expense, or the key of the charge"),
    Column("entry_version", Integer, nullable=False),
    Column("item", String, comment="which milestone, instalment or delivery a charge is for; category of an expense"),
    Column("description", String, comment="what the customer reads of a charge or an expense"),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("reverses", UUID(as_uuid=False), ForeignKey("billing_event.id")),
    Column("worker", String),
    Column("role", String),
    Column("work_date", Date, nullable=False),
    Column("worked_hours", HOURS, nullable=False),
    Column("quantity", HOURS, nullable=False, comment="billable hours, units, or 1 of a fee"),
    Column("price", PRICE, nullable=False),
    Column("multiplier", SHARE, nullable=False),
    Column("discount", SHARE, nullable=False),
    Column("amount", MONEY, nullable=False, comment="rounded once, here"),
    Column(
        "pass_through_amount", MONEY, nullable=False, server_default=text("0"),
        comment="the part that is earned for another party and is no revenue",
    ),
    Column("nature", String, comment="of an expense: principal | agent | disbursement"),
    Column("currency", String, nullable=False),
    Column("card", String),
    Column("trail", JSONB, nullable=False, comment="why this price"),
    Column("sequence", BigInteger, Identity(), nullable=False),
    recorded_at(),
    CheckConstraint(
        "kind IN ('time', 'expense', 'subcontract', 'reversal', 'fixed', 'milestone', 'period', 'retainer', 'overage',"
        " 'usage', 'minimum', 'units', 'write_up', 'deposit', 'deduction',"
        " 'adjustment')",
        name="kind",
    ),
    CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name="reversal"),
    Index("ix_billing_event_contract", "contract", "work_date"),
    Index("ix_billing_event_entry", "entry"),
    Index(
        "uq_billing_event_version", "entry", "entry_version", "kind", "sequence",
        unique=True,
    ),
)  # fmt: skip

billing_balance = Table(
    "billing_balance",
    metadata,
    Column("event", UUID(as_uuid=False), ForeignKey("billing_event.id"), primary_key=True),
    Column("contract", String, nullable=False),
    Column("quantity", HOURS, nullable=False),
    Column("amount", MONEY, nullable=False),
    Column("over_cap_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("over_cap_amount", MONEY, nullable=False, server_default=text("0")),
    Column("held_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("held_amount", MONEY, nullable=False, server_default=text("0")),
    Column("written_off_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("written_off_amount", MONEY, nullable=False, server_default=text("0")),
    Column("reversed_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("reversed_amount", MONEY, nullable=False, server_default=text("0")),
    Column("drafted_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("drafted_amount", MONEY, nullable=False, server_default=text("0")),
    Column("billed_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("billed_amount", MONEY, nullable=False, server_default=text("0")),
    Column("credited_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("credited_amount", MONEY, nullable=False, server_default=text("0")),
    Column(
        "recognised_amount",
        MONEY,
        nullable=False,
        server_default=text("0"),
        comment="earned and posted for it: revenue, and what is passed on",
    ),
    Column("updated_at", MOMENT, nullable=False),
    CheckConstraint(
        "billed_amount - credited_amount BETWEEN least(0, amount) AND greatest(0, amount)",
        name="billed_within_amount",
    ),
    CheckConstraint(
        "billed_quantity - credited_quantity BETWEEN least(0, quantity) AND greatest(0, quantity)",
        name="billed_within_quantity",
    ),
    CheckConstraint(
        "abs(billed_amount - credited_amount + over_cap_amount + held_amount + written_off_amount"
        " + reversed_amount + drafted_amount) <= abs(amount)",
        name="partition",
    ),
    Index("ix_billing_balance_contract", "contract"),
)

billing_share = Table(
    "billing_share",
    metadata,
    Column("event", UUID(as_uuid=False), ForeignKey("billing_event.id"), primary_key=True),
    Column("payer", String, primary_key=True),
    Column("contract", String, nullable=False),
    Column(
        "position", Integer, nullable=False, comment="place in the split: invoices are numbered in this order"
    ),
    Column("quantity", HOURS, nullable=False, comment="the payer's share of the event"),
    Column("amount", MONEY, nullable=False),
    Column("written_off_quantity", HOURS, nullable=False, server_default=text("0")),
    Column(
        "written_off_amount", MONEY, nullable=False, server_default=text("0"), comment="given up by credits"
    ),
    Column("drafted_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("drafted_amount", MONEY, nullable=False, server_default=text("0")),
    Column("billed_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("billed_amount", MONEY, nullable=False, server_default=text("0")),
    Column("credited_quantity", HOURS, nullable=False, server_default=text("0")),
    Column("credited_amount", MONEY, nullable=False, server_default=text("0")),
    Column("updated_at", MOMENT, nullable=False),
    CheckConstraint(
        "billed_amount - credited_amount BETWEEN least(0, amount) AND greatest(0, amount)",
        name="billed_within_amount",
    ),
    CheckConstraint(
        "billed_quantity - credited_quantity BETWEEN least(0, quantity) AND greatest(0, quantity)",
        name="billed_within_quantity",
    ),
    CheckConstraint(
        "billed_amount - credited_amount + written_off_amount + drafted_amount"
        " BETWEEN least(0, amount) AND greatest(0, amount)",
        name="partition",
    ),
    Index("ix_billing_share_contract", "contract"),
)
"""Only of events that several payers share; an event without rows is the contract's customer's alone."""

billing_hold = Table(
    "billing_hold",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("contract", String, nullable=False),
    Column("line", String, nullable=False),
    Column("entry", String, comment="null: all of the line"),
    Column("reason", String, nullable=False),
    Column("held_by", String, nullable=False),
    Column("held_at", MOMENT, nullable=False),
    Column("ended_by", String),
    Column("ended_at", MOMENT, comment="null: it holds"),
    Index(
        "uq_billing_hold_live", "contract", "line", "entry", unique=True, postgresql_nulls_not_distinct=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)  # fmt: skip

invoice_claim = Table(
    "invoice_claim",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("invoice", UUID(as_uuid=False), ForeignKey("invoice.id"), nullable=False),
    Column("kind", String, nullable=False, comment="dispute: the customer contests it | credit_loss: he cannot pay it"),
    Column("amount", MONEY, nullable=False, comment="gross"),
    Column("expected_concession", MONEY, nullable=False, comment="of a dispute: what is expected to be given up, net"),
    Column("reason", String, nullable=False),
    Column("made_by", String, nullable=False),
    Column("made_at", MOMENT, nullable=False),
    Column("ended_by", String),
    Column("ended_at", MOMENT, comment="null: it stands"),
    CheckConstraint("kind IN ('dispute', 'credit_loss') AND amount > 0 AND expected_concession BETWEEN 0 AND amount",
                    name="kind"),
    Index("ix_invoice_claim", "invoice"),
)  # fmt: skip

billing_write = Table(
    "billing_write",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("write", UUID(as_uuid=False), nullable=False, comment="the decision that it is a share of"),
    Column("kind", String, nullable=False, comment="down | off | up"),
    Column("contract", String, nullable=False),
    Column("line", String, nullable=False),
    Column("entry", String, nullable=False),
    Column("amount", MONEY, nullable=False),
    Column("reason", String, nullable=False),
    Column("proposer", String, nullable=False),
    Column("proposed_at", MOMENT, nullable=False),
    Column("approver", String),
    Column("effective_at", MOMENT, comment="null: waits for another person's approval"),
    CheckConstraint("kind IN ('down', 'off', 'up') AND amount > 0", name="kind"),
    CheckConstraint("lower(approver) <> lower(proposer)", name="two_people"),
    Index("ix_billing_write_contract", "contract"),
    Index("ix_billing_write", "write"),
)

retainer_period = Table(
    "retainer_period",
    metadata,
    Column("contract", String, primary_key=True),
    Column("line", String, primary_key=True),
    Column("period_start", Date, primary_key=True),
    Column("period_end", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("opening_amount", MONEY, nullable=False),
    Column("fee_amount", MONEY, nullable=False),
    Column("drawn_amount", MONEY, nullable=False),
    Column("expired_amount", MONEY, nullable=False),
    Column("closing_amount", MONEY, nullable=False, comment="opening + fee - drawn - expired"),
    Column(
        "over_amount", MONEY, nullable=False, comment="drawn beyond the balance: billed or held as overage"
    ),
    Column("updated_at", MOMENT, nullable=False, comment="worked out anew by each rating run"),
)

billing_run = Table(
    "billing_run",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("through", Date, nullable=False),
    Column("scope", JSONB, nullable=False, comment="contract, customer, entity: what was asked for"),
    Column("preparer", String, nullable=False),
    Column("state", String, nullable=False, comment="running | done"),
    Column("started_at", MOMENT, nullable=False),
    Column("finished_at", MOMENT),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("state IN ('running', 'done')", name="state"),
)

billing_run_part = Table(
    "billing_run_part",
    metadata,
    Column("run", UUID(as_uuid=False), ForeignKey("billing_run.id"), primary_key=True),
    Column("contract", String, primary_key=True),
    Column(
        "partition", Integer, nullable=False, comment="contracts of one partition are drafted by one flow"
    ),
    Column("outcome", JSONB, comment="null until it was drafted"),
    Column("done_at", MOMENT),
)

invoice = Table(
    "invoice",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", String, nullable=False, comment="invoice | credit_note"),
    Column(
        "purpose", String, nullable=False, server_default=text("'work'"),
        comment="work | retention: asks for what the customers kept of earlier invoices | prepayment: asks for a deposit",
    ),
    Column("draft_number", BigInteger, Identity(), nullable=False, unique=True, comment="the reference D-1042"),
    Column("run", UUID(as_uuid=False), ForeignKey("billing_run.id")),
    Column("number", String, unique=True, comment="null until released"),
    Column("external_key", String, unique=True, comment="the key under which the ERP holds it; from its number"),
    Column("void_reason", String),
    Column("credits", UUID(as_uuid=False), ForeignKey("invoice.id"), comment="credit note: the invoice it credits"),
    Column("credit_kind", String, comment="correction | concession | cancellation"),
    Column("reason", String),
    Column("rebill", Boolean, nullable=False, server_default=text("false")),
    Column("contract", String, nullable=False, comment="the first one of its lines"),
    Column("customer", String, nullable=False),
    Column("legal_entity", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("through", Date, nullable=False, comment="everything due on or before this date"),
    Column("purchase_order", String),
    Column("terms_days", Integer, nullable=False),
    Column("issue_date", Date),
    Column("due_date", Date),
    Column("net_amount", MONEY, nullable=False),
    Column("tax_amount", MONEY, nullable=False),
    Column("gross_amount", MONEY, nullable=False),
    Column("retention_share", SHARE, comment="of the net, that the customer keeps for now; null: nothing"),
    Column("retained_amount", MONEY, nullable=False, server_default=text("0"), comment="what that comes to"),
    Column("state", String, nullable=False),
    Column("stale_reason", String, comment="a draft whose sources changed; it cannot be released until redone"),
    Column("content_hash", String, nullable=False),
    Column("preparer", String, nullable=False),
    Column("approver", String),
    Column("approved_hash", String),
    Column("approved_at", MOMENT),
    Column("released_at", MOMENT),
    Column("posted_at", MOMENT),
    Column("version", Integer, nullable=False, server_default=text("1")),
    recorded_at(),
    Column("updated_at", MOMENT, nullable=False),
    CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
    CheckConstraint("purpose IN ('work', 'retention', 'prepayment') AND (purpose = 'work' OR kind = 'invoice')", name="purpose"),
    CheckConstraint("retained_amount BETWEEN 0 AND greatest(0, net_amount)", name="retained"),
    CheckConstraint(
        "state IN ('draft','approved','released','posted','part_paid','paid','credited','void')", name="state"
    ),
    CheckConstraint("approver IS NULL OR approver <> preparer", name="preparer_is_not_approver"),
    CheckConstraint("state NOT IN ('approved','released','posted','part_paid','paid','credited')"
                    " OR (approver IS NOT NULL AND approved_hash = content_hash)", name="approved_content"),
    CheckConstraint("(number IS NOT NULL) = (released_at IS NOT NULL)", name="number_at_release"),
    Index("ix_invoice_contract", "contract"),
    Index("ix_invoice_state", "state"),
)  # fmt: skip

invoice_line = Table(
    "invoice_line",
    metadata,
    Column("invoice", UUID(as_uuid=False), ForeignKey("invoice.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column(
        "contract",
        String,
        nullable=False,
        comment="whose money it is: a document may be of several contracts",
    ),
    Column("contract_line", String, nullable=False),
    Column("project", String),
    Column("role", String),
    Column("description", String, nullable=False),
    Column("quantity", HOURS, nullable=False),
    Column("unit_price", PRICE, nullable=False),
    Column("net_amount", MONEY, nullable=False),
    Column("tax_category", String, nullable=False),
    Column("tax_rate", SHARE, nullable=False),
    Column("corrects", String, comment="number of the earlier invoice this line corrects"),
    Column("settles", String, comment="number of the invoice whose retention this line asks for"),
    Index("ix_invoice_line_contract", "contract"),
)

invoice_line_event = Table(
    "invoice_line_event",
    metadata,
    Column("invoice", UUID(as_uuid=False), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("event", UUID(as_uuid=False), ForeignKey("billing_event.id"), primary_key=True),
    Column("quantity", HOURS, nullable=False),
    Column("amount", MONEY, nullable=False),
    Column("notes", String, comment="what the backup sheet says of the work, as approved"),
    ForeignKeyConstraint(["invoice", "line"], ["invoice_line.invoice", "invoice_line.line"]),
    Index("ix_invoice_line_event_event", "event"),
)

document_check = Table(
    "document_check",
    metadata,
    Column("invoice", UUID(as_uuid=False), ForeignKey("invoice.id"), primary_key=True),
    Column(
        "digest", String, nullable=False, comment="of the record that was checked, without number and dates"
    ),
    Column("failed", JSONB, nullable=False, comment="rules of EN 16931 that it fails: rule, text, location"),
    Column("checked_at", MOMENT, nullable=False),
)

number_series = Table(
    "number_series",
    metadata,
    Column("legal_entity", String, primary_key=True),
    Column("series", String, primary_key=True, comment="invoice | credit_note"),
    Column("prefix", String, nullable=False),
    Column("last", BigInteger, nullable=False, server_default=text("0")),
)

approval = Table(
    "approval",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("type", String, nullable=False, comment="invoice | credit_note | waiver"),
    Column("key", String, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("preparer", String, nullable=False),
    Column("approver", String, nullable=False),
    Column("role", String, nullable=False, comment="the role that allowed it, at that time"),
    Column("decision", String, nullable=False, comment="approved | rejected"),
    Column("reason", String),
    recorded_at(),
    CheckConstraint("preparer <> approver", name="preparer_is_not_approver"),
    Index("ix_approval_key", "type", "key"),
)
