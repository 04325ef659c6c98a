"""Canonical objects, every version of them, and where they come from."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from tieout.store.tables.columns import HOURS, MOMENT, MONEY, PRICE, QUANTITY, SHARE, metadata, recorded_at


def _canonical(name: str, *columns: Column, extra: tuple = ()) -> Table:
    """A versioned canonical table: business key + version; current row = superseded_at IS NULL."""
    return Table(
        name,
        metadata,
        Column("id", UUID(as_uuid=False), nullable=False),
        Column("key", String, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("legal_entity", String),
        Column("region", String),
        *columns,
        Column(
            "provenance",
            JSONB,
            nullable=False,
            comment="field group -> system, source id and version, inbox id",
        ),
        recorded_at(),
        Column("superseded_at", MOMENT),
        Index(f"uq_{name}_current", "key", unique=True, postgresql_where=text("superseded_at IS NULL")),
        *extra,
    )


legal_entity = _canonical(
    "legal_entity",
    Column("name", String),
    Column("country", String),
    Column("currency", String),
    Column("framework", String, comment="ifrs | us_gaap; null: ifrs"),
)

period = _canonical(
    "period",
    Column("start_date", Date),
    Column("end_date", Date),
    Column("state", String),
)

customer = _canonical(
    "customer",
    Column("legal_name", String),
    Column("tax_id", String),
    Column("street", String),
    Column("city", String),
    Column("state_code", String),
    Column("postal_code", String),
    Column("country", String),
    Column("currency", String),
    Column("purchase_order_required", Boolean),
    Column("terms_days", Integer),
    Column("credit_hold", Boolean),
    Column(
        "exemption",
        String,
        comment="why no tax is charged to it, as its documents say; null: it is not exempt",
    ),
    Column("exemption_code", String, comment="that reason's code of the list VATEX, where there is one"),
)

opportunity = _canonical(
    "opportunity",
    Column("name", String),
    Column("customer", String),
    Column("state", String),
    Column("close_date", Date),
    Column("amount", MONEY),
    Column("currency", String),
    Column("contract", String),
)

quote = _canonical(
    "quote",
    Column("opportunity", String),
    Column("state", String),
    Column("net_amount", MONEY),
    Column("currency", String),
    Column("is_primary", Boolean),
)

quote_line = _canonical(
    "quote_line",
    Column("quote", String),
    Column("number", Integer),
    Column("role", String),
    Column("hours", HOURS),
    Column("net_price", PRICE),
    Column("net_total", MONEY),
)

contract = _canonical(
    "contract",
    Column("customer", String),
    Column("opportunity", String),
    Column("currency", String),
    Column("state", String),
    Column("signed_on", Date),
    Column("collectible", Boolean, comment="false: collection is not probable; null: nobody doubts it"),
    Column(
        "collectible_from", Date, comment="the day from which it is, where that is later than the signature"
    ),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("effective_from", Date, comment="first day on which this version's terms hold"),
    Column("terminated_on", Date, comment="its last day where it ended before its time"),
    Column("payment_terms_days", Integer),
    Column("billing_method", String),
    Column("rate_card", String),
    Column("cap_amount", MONEY),
    Column("cap_over", String),
    Column("discount", SHARE),
    Column("increment_minutes", Integer),
    Column("increment_mode", String),
    Column("lines", JSONB(none_as_null=True), comment="null: the terms beside it are those of its one line"),
    Column("caps", JSONB(none_as_null=True), comment="null: the one cap beside it, if any"),
    Column(
        "accounting",
        JSONB(none_as_null=True),
        comment="allocation, price, kind of modification, variable amounts",
    ),
    Column("invoicing", JSONB(none_as_null=True), comment="grouping, split, retention, client rules"),
    Column("purchase_order", String),
    Column("purchase_order_amount", MONEY),
    Column("document_url", String),
    Column("document_hash", String),
    extra=(
        Index("ix_contract_combined", text("(accounting->>'combine_with')"),
              postgresql_where=text("superseded_at IS NULL AND accounting->>'combine_with' IS NOT NULL")),
    ),
)  # fmt: skip

project = _canonical(
    "project",
    Column("contract", String),
    Column("title", String),
    Column("state", String),
    Column("start_date", Date),
    Column("due_date", Date),
    Column("currency", String),
    Column("activated_at", MOMENT),
)

project_task = _canonical(
    "project_task",
    Column("project", String),
    Column("title", String),
    Column("state", String),
)

worker = _canonical(
    "worker",
    Column("full_name", String),
    Column("email", String),
    Column("role", String),
    Column("grade", String),
    Column("country", String, comment="where the worker is based, ISO 3166"),
    Column("hired_on", Date),
    Column("left_on", Date),
    Column("effective_from", Date, comment="first day on which this version's employment holds"),
    Column("salaried", Boolean, comment="true: the salary pays the weekly capacity; else every hour costs"),
    Column("weekly_capacity", HOURS),
)

time_entry = _canonical(
    "time_entry",
    Column("project", String),
    Column("source_project", String),
    Column("task", String),
    Column("worker", String),
    Column("work_date", Date),
    Column("worked_minutes", Integer),
    Column("worked_hours", HOURS),
    Column("billable", Boolean),
    Column("state", String),
    Column("role", String),
    Column("country", String, comment="where the work was done, ISO 3166; null: where its worker is based"),
    Column("worksite", String),
    Column("band", String, comment="time band of the day, as the source names it"),
    Column("notes", String),
    Column("approved_at", MOMENT, comment="when the approval was first heard"),
    extra=(
        Index("ix_time_entry_project", "project", postgresql_where=text("superseded_at IS NULL")),
        Index(
            "ix_time_entry_worker_day", "worker", "work_date", postgresql_where=text("superseded_at IS NULL")
        ),
    ),
)

expense = _canonical(
    "expense",
    Column("project", String),
    Column("source_project", String),
    Column("task", String),
    Column("worker", String),
    Column("expense_date", Date),
    Column("category", String),
    Column("nature", String, comment="principal | agent | disbursement; null: principal"),
    Column("amount", MONEY),
    Column("currency", String),
    Column("tax_amount", MONEY, comment="the part of the amount that is recovered from the tax office"),
    Column("billable", Boolean),
    Column("state", String),
    Column("notes", String),
    Column("approved_at", MOMENT, comment="when the approval was first heard"),
    extra=(Index("ix_expense_project", "project", postgresql_where=text("superseded_at IS NULL")),),
)

milestone = _canonical(
    "milestone",
    Column("contract", String),
    Column("line", String),
    Column("milestone", String, comment="its name in the contract's terms"),
    Column("state", String),
    Column("day", Date, comment="the day on which it reached its state"),
    extra=(Index("ix_milestone_contract", "contract"),),
)

usage_reading = _canonical(
    "usage_reading",
    Column("contract", String),
    Column("line", String),
    Column("meter", String),
    Column("source", String, comment="who says so; several sources of one meter are reconciled"),
    Column("day", Date),
    Column("quantity", QUANTITY),
    extra=(Index("ix_usage_reading_contract", "contract", postgresql_where=text("superseded_at IS NULL")),),
)

delivery = _canonical(
    "delivery",
    Column("contract", String),
    Column("line", String),
    Column("day", Date),
    Column("quantity", QUANTITY),
    extra=(Index("ix_delivery_contract", "contract", postgresql_where=text("superseded_at IS NULL")),),
)

progress = _canonical(
    "progress",
    Column("contract", String),
    Column("line", String),
    Column("day", Date),
    Column("cost", MONEY, comment="to date, as the project's system states it"),
    Column("hours", HOURS),
    Column("units", QUANTITY),
    Column("percent", SHARE),
    Column("estimated_cost", MONEY, comment="at completion"),
    Column("estimated_hours", HOURS),
    Column("estimated_units", QUANTITY),
    Column("uninstalled_cost", MONEY),
    Column("wasted_cost", MONEY),
    Column("reimbursed_price", MONEY),
    Column("completed", Boolean),
    extra=(Index("ix_progress_contract", "contract", postgresql_where=text("superseded_at IS NULL")),),
)

variable_estimate = _canonical(
    "variable_estimate",
    Column("contract", String),
    Column("variable", String, comment="its name in the contract's terms"),
    Column("day", Date),
    Column(
        "outcomes",
        JSONB(none_as_null=True),
        comment="[{amount, probability}]; one amount needs no probability",
    ),
    Column("constrained", Boolean),
    extra=(
        Index("ix_variable_estimate_contract", "contract", postgresql_where=text("superseded_at IS NULL")),
    ),
)

subcontract = _canonical(
    "subcontract",
    Column("project", String),
    Column("supplier", String),
    Column("work_date", Date),
    Column("currency", String),
    Column("amount", MONEY),
    Column("tax_amount", MONEY, comment="the recoverable part of the amount"),
    Column("billable", Boolean, comment="null: it is cost only"),
    extra=(Index("ix_subcontract_project", "project", postgresql_where=text("superseded_at IS NULL")),),
)

payroll = _canonical(
    "payroll",
    Column("worker", String),
    Column("period", String),
    Column("currency", String),
    Column("amount", MONEY),
    extra=(Index("ix_payroll_worker", "worker", postgresql_where=text("superseded_at IS NULL")),),
)

erp_document = _canonical(
    "erp_document",
    Column("kind", String),
    Column("number", String),
    Column("external_key", String),
    Column("customer", String),
    Column("document_date", Date),
    Column("period", String),
    Column("currency", String),
    Column("total", MONEY),
    Column("amount_remaining", MONEY),
    Column("state", String),
    extra=(Index("ix_erp_document_number", "number", postgresql_where=text("superseded_at IS NULL")),),
)

payment = _canonical(
    "payment",
    Column("customer", String),
    Column("paid_on", Date),
    Column("currency", String),
    Column("amount", MONEY),
    Column(
        "withheld", MONEY, comment="tax the customer pays for us: its applications hold it beside the amount"
    ),
)

payment_application = Table(
    "payment_application",
    metadata,
    Column("payment", String, primary_key=True),
    Column("payment_version", Integer, primary_key=True),
    Column("erp_document", String, primary_key=True),
    Column("amount", MONEY, nullable=False, comment="in the currency of the payment"),
    ForeignKeyConstraint(["payment", "payment_version"], ["payment.key", "payment.version"]),
)

deposit = _canonical(
    "deposit",
    Column("contract", String),
    Column("day", Date, comment="on which it is asked for"),
    Column("amount", MONEY, comment="net of tax"),
    Column("currency", String),
    extra=(Index("ix_deposit_contract", "contract", postgresql_where=text("superseded_at IS NULL")),),
)

contract_cost = _canonical(
    "contract_cost",
    Column("contract", String),
    Column("day", Date, comment="on which it was incurred"),
    Column("kind", String, comment="commission | set_up | other: expensed at once"),
    Column("amount", MONEY),
    Column("currency", String),
    Column("service_start", Date, comment="null: the contract's first day"),
    Column("service_end", Date, comment="null: the contract's last day"),
    Column("creates_service", Boolean, comment="of a set-up: the customer gets something by it"),
    extra=(Index("ix_contract_cost_contract", "contract", postgresql_where=text("superseded_at IS NULL")),),
)

exchange_rate = _canonical(
    "exchange_rate",
    Column("base", String, comment="one unit of this currency"),
    Column("quote", String, comment="is worth `rate` of this one"),
    Column("rate_type", String, comment="spot | average | contract"),
    Column("day", Date),
    Column("rate", Numeric(20, 10)),
    extra=(
        Index(
            "ix_exchange_rate_pair", "base", "quote", "day", postgresql_where=text("superseded_at IS NULL")
        ),
    ),
)

CANONICAL = {
    t.name: t
    for t in (
        legal_entity, period, customer, opportunity, quote, quote_line, contract, project, project_task, worker,
        time_entry, expense, subcontract, payroll, milestone, usage_reading, delivery, progress, variable_estimate,
        deposit, contract_cost, exchange_rate, erp_document, payment,
    )
}  # fmt: skip
