"""Every table of the hub: the schema that Alembic creates and that all of `store` reads and writes.

Canonical objects keep every version: a row is valid for the hub from `recorded_at` until `superseded_at`
(null = current). Money is numeric with its currency beside it; hours are numeric(14,6); dates are civil dates.
"""

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
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy import DateTime as _DateTime
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MONEY = Numeric(20, 4)
PRICE = Numeric(20, 6)
HOURS = Numeric(20, 6)
QUANTITY = Numeric(20, 6)
SHARE = Numeric(9, 6)
MOMENT = _DateTime(timezone=True)


def _now() -> Column:
    return Column("recorded_at", MOMENT, nullable=False)


# --- the seams: clock and people ----------------------------------------------------------------------------

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

# --- configuration that was applied from the workspace -------------------------------------------------------

workspace_version = Table(
    "workspace_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("document", JSONB, nullable=False, comment="the whole checked workspace, without secrets"),
    Column("applied_by", String, nullable=False),
    _now(),
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

# --- work: what must be done, remembered here; the engine only drives it --------------------------------------

work = Table(
    "work",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("due_at", MOMENT, comment="null: nothing due; compared with the injected clock"),
    Column(
        "requested", BigInteger, nullable=False, server_default=text("0"), comment="bumped by each trigger"
    ),
    Column(
        "started",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="the trigger handed to the engine",
    ),
    Column(
        "done", BigInteger, nullable=False, server_default=text("0"), comment="the last trigger carried out"
    ),
    Column("carrier", String, comment="the engine's run that carries it out with others; null: its own"),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="failures in a row"),
    Column("last_error", String),
    Column("updated_at", MOMENT, nullable=False),
    Index("ix_work_due", "due_at", postgresql_where=text("requested > done")),
    CheckConstraint("done <= started AND started <= requested", name="order"),
)

flow = Table(
    "flow",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", String, nullable=False, comment="project_setup | invoice_posting | credit_posting"),
    Column("key", String, nullable=False),
    Column(
        "state",
        String,
        nullable=False,
        comment="running | waiting | done | compensating | compensated | failed",
    ),
    Column("waiting_for", String),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("started_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    UniqueConstraint("kind", "key"),
)

flow_step = Table(
    "flow_step",
    metadata,
    Column("flow_id", UUID(as_uuid=False), ForeignKey("flow.id"), primary_key=True),
    Column("step", String, primary_key=True),
    Column("position", Integer, nullable=False, comment="1, 2, … in the order first reached"),
    Column("state", String, nullable=False, comment="done | waiting | failed | undone"),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("at", MOMENT, nullable=False),
)

# --- inbox ----------------------------------------------------------------------------------------------------

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
    _now(),
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
    _now(),
    Index("ix_hint_new", "connection", postgresql_where=text("state = 'new'")),
)

# --- canonical objects ----------------------------------------------------------------------------------------


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
        _now(),
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
    _now(),
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
    _now(),
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
    _now(),
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
    _now(),
    Index(
        "uq_crosswalk_live",
        "connection",
        "object",
        "key",
        unique=True,
        postgresql_where=text("retired_at IS NULL"),
    ),
)

# --- rate cards: owned by the workspace, bitemporal --------------------------------------------------------------

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
    _now(),
    Column("superseded_at", MOMENT),
    CheckConstraint("price > 0", name="price"),
    CheckConstraint("effective_to IS NULL OR effective_to >= effective_from", name="dates"),
    Index("ix_rate_card", "card", postgresql_where=text("superseded_at IS NULL")),
)

# --- billing: events, balances, invoices ---------------------------------------------------------------------------

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
    _now(),
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
    _now(),
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
    _now(),
    CheckConstraint("preparer <> approver", name="preparer_is_not_approver"),
    Index("ix_approval_key", "type", "key"),
)

# --- subledger -----------------------------------------------------------------------------------------------------

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
    _now(),
    UniqueConstraint("cause_type", "cause"),
    Index("ix_journal_contract", "contract", "booking_date"),
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
    _now(),
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
    _now(),
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

# --- events, outbox --------------------------------------------------------------------------------------------------

event = Table(
    "event",
    metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("id", UUID(as_uuid=False), nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("sequence", BigInteger, nullable=False, comment="per subject, from 1"),
    Column("legal_entity", String),
    Column("data", JSONB, nullable=False),
    Column("time", MOMENT, nullable=False),
    UniqueConstraint("subject", "sequence"),
    Index("ix_event_type", "type", "position"),
)

intent = Table(
    "intent",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("connection", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("type", String, nullable=False, comment="canonical type it concerns"),
    Column("key", String, nullable=False, comment="business key"),
    Column("revision", Integer, nullable=False),
    Column("external_key", String, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="the frozen bytes of every attempt"),
    Column("digest", LargeBinary, nullable=False),
    Column("compensates", UUID(as_uuid=False), ForeignKey("intent.id")),
    Column("flow_id", UUID(as_uuid=False), ForeignKey("flow.id")),
    Column("state", String, nullable=False, server_default=text("'pending'")),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="incremented before each attempt"),
    Column("due_at", MOMENT, nullable=False),
    Column("target_id", String),
    Column("receipt", JSONB),
    Column("error", JSONB),
    Column("looked_up", Integer, nullable=False, server_default=text("0")),
    Column("read_back_at", MOMENT),
    Column("first_sent_at", MOMENT),
    Column("done_at", MOMENT),
    Column("deadline", MOMENT, comment="not done by then: a person is told"),
    Column("cancel_reason", String, comment="never sent again; settled by what a look-up proves"),
    Column(
        "context", JSONB, nullable=False, server_default=text("'{}'"),
        comment="for exceptions and replay: contract, legal_entity, amount, currency, work; updates: sets an existing record",
    ),
    _now(),
    UniqueConstraint("connection", "operation", "key", "revision"),
    CheckConstraint("state IN ('pending','unknown','done','rejected','cancelled')", name="state"),
    Index("ix_intent_open", "connection", "due_at", postgresql_where=text("state IN ('pending','unknown')")),
    Index("ix_intent_key", "type", "key"),
    Index("ix_intent_target", "connection", "target_id", postgresql_where=text("target_id IS NOT NULL")),
    Index("ix_intent_compensates", "compensates", postgresql_where=text("compensates IS NOT NULL")),
    Index(
        "uq_intent_live_target", "connection", "operation", "external_key",
        unique=True, postgresql_where=text("state = 'done' AND compensates IS NULL AND operation LIKE '%invoice%'"),
    ),
)  # fmt: skip

attempt = Table(
    "attempt",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("intent", UUID(as_uuid=False), ForeignKey("intent.id"), nullable=False),
    Column("connection", String, nullable=False),
    Column("action", String, nullable=False, comment="send | look_up | read_back"),
    Column(
        "calls", Integer, nullable=False, server_default=text("1"), comment="0: another row of the same batch"
    ),
    Column("outcome", String, nullable=False, comment="`started` is written before the call"),
    Column("code", String),
    Column("detail", String),
    _now(),
    Index("ix_attempt_intent", "intent", "id"),
    Index("ix_attempt_budget", "connection", "recorded_at"),
)

# --- exceptions, audit ------------------------------------------------------------------------------------------------

exception = Table(
    "exception",
    metadata,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False, comment="the source's id or the business key a person would type"),
    Column("severity", String, nullable=False),
    Column("owner", String, nullable=False, comment="role, or the person it is assigned to"),
    Column("contract", String),
    Column("legal_entity", String),
    Column("amount", MONEY),
    Column("currency", String),
    Column("cause", String, nullable=False, comment="what was refused, seen and expected; in plain words"),
    Column("evidence", JSONB, nullable=False),
    Column("state", String, nullable=False, server_default=text("'open'")),
    Column("opened_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    Column("closed_at", MOMENT),
    Column("closed_by", String),
    Column("resolution", String),
    CheckConstraint("state IN ('open','assigned','fixed','replayed','waived','resolved')", name="state"),
    Index(
        "uq_exception_open", "kind", "key", unique=True,
        postgresql_where=text("state NOT IN ('waived','resolved')"),
    ),
    Index("ix_exception_contract", "contract"),
)  # fmt: skip

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("type", String, nullable=False),
    Column("key", String, nullable=False),
    Column("legal_entity", String),
    Column("reason", String),
    Column("trace_id", String),
    Column("rows", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="sha256 over the rows touched"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Index("ix_audit_key", "type", "key"),
)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("position", BigInteger, primary_key=True, comment="1, 2, … without a gap"),
    Column("audit_id", BigInteger, ForeignKey("audit.id"), nullable=False, unique=True),
    Column("chain", LargeBinary, nullable=False, comment="sha256(previous chain || row)"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("actor", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSONB, nullable=False),
    _now(),
)

# --- tie-out ------------------------------------------------------------------------------------------------------------

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
    _now(),
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
