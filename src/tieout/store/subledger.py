"""The subledger: journals appended whole, balances read by account, contract and period."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection, func, select, text

from tieout.store.copying import copy_frame, read_frame
from tieout.store.tables import journal_line, legal_entity, period

_S, _M = pl.String, pl.Decimal(20, 4)
JOURNAL_HEADS = (
    "id", "cause_type", "cause", "contract", "legal_entity", "event_date", "booking_date", "period", "prior_period",
    "reverses", "recorded_at",
)  # fmt: skip
LINE_HEADS = (
    "journal", "number", "contract", "line", "legal_entity", "account", "currency", "amount", "functional_amount",
    "booking_date", "recorded_at",
)  # fmt: skip
POSITION_COLUMNS = {"contract": _S, "line": _S, "currency": _S, "recognised_amount": _M, "billed_amount": _M}


def insert_journals(conn: Connection, heads: pl.DataFrame, lines: pl.DataFrame) -> None:
    """Append journals and all their lines, each in one statement: the balance is checked over the statement."""
    copy_frame(conn, "journal", heads.select(JOURNAL_HEADS))
    copy_frame(conn, "journal_line", lines.select(LINE_HEADS))


def insert_revenue_entries(conn: Connection, entries: pl.DataFrame) -> None:
    """Append what each event gave a revenue journal: {journal, event, amount, pass_through_amount}."""
    copy_frame(conn, "revenue_entry", entries)


def journal_counts(conn: Connection, cause_type: str, places: Collection[str]) -> dict[str, int]:
    """How many journals of a kind there are per head of their cause (`HEAD/N`).

    `places` are contracts, or legal entities of journals that belong to no contract.
    """
    query = text(
        "SELECT regexp_replace(cause, '/[0-9]+$', ''), count(*) FROM journal WHERE cause_type = :type"
        " AND (contract = ANY(:places) OR contract IS NULL AND legal_entity = ANY(:places)) GROUP BY 1"
    )
    rows = conn.execute(query, {"type": cause_type, "places": list(places)})
    return {row[0]: int(row[1]) for row in rows}


def late_revenue(
    conn: Connection, contracts: Collection[str], periods: Collection[str], kind: str, system: str
) -> list[dict[str, Any]]:
    """Revenue of earlier periods booked into these ones, by contract, since a person last closed the exception of that kind.

    {contract, entity, currency, period, amount (revenue positive), event_date (the first)}; the exception's key is
    CONTRACT/PERIOD; what `system` closed by itself was judged by nobody.
    """
    query = text("""
        SELECT j.contract, j.legal_entity AS entity, l.currency, j.period, -sum(l.amount) AS amount,
               min(j.event_date) AS event_date
        FROM journal j JOIN journal_line l ON l.journal = j.id AND l.account = 'revenue'
        WHERE j.prior_period AND j.contract = ANY(:contracts) AND j.period = ANY(:periods)
          AND j.recorded_at > coalesce((
                SELECT max(e.closed_at) FROM exception e
                WHERE e.kind = :kind AND e.key = j.contract || '/' || j.period AND e.closed_by <> :system), '-infinity')
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 4
    """)
    told = {"contracts": list(contracts), "periods": list(periods), "kind": kind, "system": system}
    return [dict(row) for row in conn.execute(query, told).mappings()]


def closed_periods(conn: Connection) -> list[dict[str, Any]]:
    """The periods that are closed: {entity, first_day, last_day}."""
    query = select(
        period.c.legal_entity.label("entity"), period.c.start_date.label("first_day"), period.c.end_date.label("last_day")
    ).where(
        period.c.superseded_at.is_(None), period.c.state == "closed", period.c.legal_entity.is_not(None),
        period.c.start_date.is_not(None), period.c.end_date.is_not(None),
    )  # fmt: skip
    return [dict(row) for row in conn.execute(query).mappings()]


def booked_periods(conn: Connection) -> list[dict[str, Any]]:
    """What was booked in which period under which version of the workspace: {entity, period, first, last, version}."""
    query = text(
        "SELECT j.legal_entity AS entity, j.period, min(j.booking_date) AS first, max(j.booking_date) AS last,"
        " w.version FROM journal j LEFT JOIN (SELECT version, recorded_at, lead(recorded_at) OVER (ORDER BY version)"
        " AS until FROM workspace_version) w ON j.recorded_at >= w.recorded_at"
        " AND (w.until IS NULL OR j.recorded_at < w.until) GROUP BY 1, 2, 5 ORDER BY 1, 2, 5"
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def currencies(conn: Connection) -> dict[str, str]:
    """The functional currency of each legal entity that says one."""
    query = select(legal_entity.c.key, legal_entity.c.currency).where(
        legal_entity.c.superseded_at.is_(None), legal_entity.c.currency.is_not(None)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def booked_tax(conn: Connection, number: str) -> Decimal | None:
    """The tax of a released invoice in the currency of the books; None where no journal has it."""
    query = text(
        "SELECT -sum(l.functional_amount) FROM journal j JOIN journal_line l ON l.journal = j.id"
        " WHERE j.cause_type = 'release' AND j.cause = :number AND l.account = 'tax_payable'"
    )
    return conn.execute(query, {"number": number}).scalar()


def positions(conn: Connection, contracts: Collection[str], security: str) -> pl.DataFrame:
    """Recognised and billed (net of credits, without tax) per contract line and currency (POSITION_COLUMNS).

    What is kept as security, of events whose item begins with `security`, is owed back and stands apart.
    """
    query = """
        SELECT contract, line, currency, sum(recognised), sum(billed) FROM (
            SELECT b.contract, b.line, b.currency, bb.recognised_amount AS recognised,
                   bb.billed_amount - bb.credited_amount AS billed
            FROM billing_event b JOIN billing_balance bb ON bb.event = b.id
            WHERE b.contract = ANY(%(contracts)s) AND NOT coalesce(starts_with(b.item, %(security)s), false)
            UNION ALL SELECT contract, line, currency, amount, 0 FROM obligation_revenue
            WHERE contract = ANY(%(contracts)s)
        ) AS parts GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
    return read_frame(conn, query, {"contracts": list(contracts), "security": security}, POSITION_COLUMNS)


def earned_otherwise(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Revenue of contract lines that no billing event carries: of periods and measures ({contract, line, currency, opening})."""
    query = """
        SELECT contract, line, currency, sum(amount) FROM obligation_revenue WHERE contract = ANY(%(contracts)s)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
    columns = {"contract": _S, "line": _S, "currency": _S, "opening": _M}
    return read_frame(conn, query, {"contracts": list(contracts)}, columns)


def balances(
    conn: Connection,
    *,
    contract: str | None = None,
    entity: str | None = None,
    at: date | None = None,
    known_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """Sum of the lines by account and currency, debit positive, booked by a date and known at a moment."""
    line = journal_line.c
    total = func.sum(line.amount).label("amount")
    query = select(line.account, line.currency, total).group_by(line.account, line.currency)
    if contract is not None:
        query = query.where(line.contract == contract)
    if entity is not None:
        query = query.where(line.legal_entity == entity)
    if at is not None:
        query = query.where(line.booking_date <= at)
    if known_at is not None:
        query = query.where(line.recorded_at <= known_at)
    return [
        dict(row)
        for row in conn.execute(query.order_by(line.account, line.currency)).mappings()
        if row.amount
    ]


def account_sums(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """Sum of the lines by contract, currency and account: {contract, currency, account, amount}."""
    line = journal_line.c
    query = (
        select(line.contract, line.currency, line.account, func.sum(line.amount).label("amount"))
        .where(line.contract == func.any(list(contracts)))
        .group_by(line.contract, line.currency, line.account)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def event_sums(conn: Connection, contracts: Collection[str]) -> list[dict[str, Any]]:
    """Sums over the events' balances by contract and currency."""
    query = text(
        "SELECT b.contract, b.currency, sum(bb.billed_amount) AS invoiced, sum(bb.credited_amount) AS credited,"
        " sum(bb.over_cap_amount) AS over_cap, sum(bb.held_amount) AS held,"
        " sum(bb.written_off_amount) AS written_off, sum(bb.drafted_amount) AS drafted,"
        " sum(bb.amount - bb.reversed_amount - bb.over_cap_amount - bb.held_amount - bb.written_off_amount"
        " - bb.billed_amount + bb.credited_amount) AS unbilled"
        " FROM billing_event b JOIN billing_balance bb ON bb.event = b.id"
        " WHERE b.contract = ANY(CAST(:keys AS text[])) GROUP BY b.contract, b.currency"
    )
    return [dict(row) for row in conn.execute(query, {"keys": list(contracts)}).mappings()]


def movements(
    conn: Connection,
    period: str,
    *,
    entity: str | None,
    contract: str | None,
    known_at: datetime | None,
    functional: bool,
) -> list[dict[str, Any]]:
    """What moved each account before a period and in it, by cause type, as known at a moment.

    {entity, account, currency, cause_type (null: before), amount}. `functional`: as the books have it, in the currency of the entity where it is stated. A reversal has the type of what it
    reverses.
    """
    measured, currency = (
        ("functional_amount", "coalesce(e.currency, l.currency)") if functional else ("amount", "l.currency")
    )
    query = text(
        f"SELECT l.legal_entity AS entity, l.account, {currency} AS currency,"  # noqa: S608 - no value stands in it
        " CASE WHEN j.period < :period THEN NULL WHEN j.cause_type = 'reversal' THEN split_part(j.cause, ':', 1)"
        f" ELSE j.cause_type END AS cause_type, sum(l.{measured}) AS amount"
        " FROM journal_line l JOIN journal j ON j.id = l.journal"
        " LEFT JOIN legal_entity e ON e.key = l.legal_entity AND e.superseded_at IS NULL"
        " WHERE j.period <= :period AND (CAST(:entity AS text) IS NULL OR l.legal_entity = :entity)"
        " AND (CAST(:contract AS text) IS NULL OR l.contract = :contract)"
        " AND (CAST(:known_at AS timestamptz) IS NULL OR l.recorded_at <= :known_at)"
        f" GROUP BY 1, 2, 3, 4 HAVING sum(l.{measured}) <> 0 ORDER BY 1, 2, 3, 4"
    )
    told = {"period": period, "entity": entity, "contract": contract, "known_at": known_at}
    return [dict(row) for row in conn.execute(query, told).mappings()]
