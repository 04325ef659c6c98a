"""What rating reads: entries with what stands around them, terms, rates and contracts; one query per table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
from sqlalchemy import Connection, and_, func, select, text

from tieout.store.copying import read_frame
from tieout.store.revenue import mates
from tieout.store.tables import contract, contract_terms, exception, legal_entity

_S = pl.String
ENTRY_COLUMNS = {
    "entry": _S, "version": pl.Int64, "contract": _S, "line": _S, "project": _S, "project_state": _S, "task": _S,
    "task_state": _S, "worker": _S, "worker_left": pl.Date, "role": _S, "grade": _S, "country": _S, "worksite": _S, "band": _S,
    "work_date": pl.Date, "worked_hours": pl.Decimal(20, 6), "billable": pl.Boolean, "state": _S,
    "recorded_at": pl.Datetime("us", "UTC"), "in_scope": pl.Boolean,
}  # fmt: skip
RATE_COLUMNS = {
    "card": _S, "currency": _S, "person": _S, "task": _S, "project": _S, "grade": _S, "role": _S, "country": _S,
    "worksite": _S, "day_type": _S, "band": _S, "unit": _S, "price": pl.Decimal(20, 6), "effective_from": pl.Date,
    "effective_to": pl.Date, "known_from": pl.Datetime("us", "UTC"),
}  # fmt: skip

_MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
_ENTRY_SELECT = f"""
    SELECT e.key, e.version, p.contract, CASE WHEN p.contract IS NOT NULL THEN '1' END, e.project, p.state,
           coalesce(t.title, e.task), t.state, e.worker, w.left_on, coalesce(e.role, w.role), w.grade,
           coalesce(e.country, w.country), e.worksite, e.band, e.work_date, e.worked_hours,
           e.billable, e.state, {_MICROSECONDS.format("e.recorded_at")}, %s
    FROM time_entry e
    LEFT JOIN project p ON p.key = e.project AND p.superseded_at IS NULL
    LEFT JOIN project_task t ON t.key = e.task AND t.superseded_at IS NULL
    LEFT JOIN worker w ON w.key = e.worker AND w.superseded_at IS NULL
"""  # noqa: S608


def widened(conn: Connection, contracts: Collection[str]) -> set[str]:
    """The contracts, those that their work came from or went to, all that share a limited purchase order, and all
    that are combined with them.
    """
    moved = "SELECT unnest(CAST(:keys AS text[]))"
    for work, kind in (("time_entry", "time"), ("expense", "expense")):
        moved += f"""
            UNION SELECT p.contract FROM billing_event b
                JOIN {work} e ON e.key = b.entry AND e.superseded_at IS NULL
                JOIN project p ON p.key = e.project AND p.superseded_at IS NULL
                WHERE b.contract = ANY(:keys) AND b.source_kind = '{kind}' AND p.contract <> b.contract
            UNION SELECT b.contract FROM project p
                JOIN {work} e ON e.project = p.key AND e.superseded_at IS NULL
                JOIN billing_event b ON b.entry = e.key AND b.source_kind = '{kind}'
                WHERE p.contract = ANY(:keys) AND p.superseded_at IS NULL AND b.contract <> p.contract
        """  # noqa: S608 - no input
    keys = {row[0] for row in conn.execute(text(moved), {"keys": list(contracts)})}
    sharing = """
        SELECT other.key FROM contract own JOIN contract other
            ON other.purchase_order = own.purchase_order AND other.customer = own.customer
        WHERE own.key = ANY(:keys) AND own.superseded_at IS NULL AND other.superseded_at IS NULL
    """
    keys |= {row[0] for row in conn.execute(text(sharing), {"keys": list(keys)})}
    return mates(conn, {key for key in keys if key is not None})


def contracts_of(conn: Connection, keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """Current contracts by key, with the `functional_currency`, `framework` and `entity_country` of their legal entity (null: unknown)."""
    entity = legal_entity.alias()
    query = (
        select(
            contract,
            entity.c.currency.label("functional_currency"),
            entity.c.framework.label("framework"),
            entity.c.country.label("entity_country"),
        )
        .outerjoin(entity, and_(entity.c.key == contract.c.legal_entity, entity.c.superseded_at.is_(None)))
        .where(contract.c.key == func.any(list(keys)), contract.c.superseded_at.is_(None))
        .order_by(contract.c.key)
    )
    return {row["key"]: dict(row) for row in conn.execute(query).mappings()}


def terms_of(conn: Connection, keys: Collection[str]) -> list[dict[str, Any]]:
    """Every version of the contracts' terms ever heard."""
    query = select(contract_terms).where(contract_terms.c.contract == func.any(list(keys)))
    return [dict(row) for row in conn.execute(query).mappings()]


def entries_of(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Current entries of the contracts' projects, those their stored events name, and all of the same worker-days.

    `in_scope` tells the first two from the neighbours that only count for the hours of the day.
    """
    query = f"""
        WITH scope AS MATERIALIZED (
            SELECT e.key, e.worker, e.work_date FROM time_entry e
                JOIN project p ON p.key = e.project AND p.superseded_at IS NULL
                WHERE e.superseded_at IS NULL AND p.contract = ANY(%(contracts)s)
            UNION SELECT e.key, e.worker, e.work_date FROM billing_event b
                JOIN time_entry e ON e.key = b.entry AND e.superseded_at IS NULL
                WHERE b.contract = ANY(%(contracts)s) AND b.source_kind = 'time'
        )
        {_ENTRY_SELECT % "s.key IS NOT NULL"} LEFT JOIN scope s ON s.key = e.key
        WHERE e.superseded_at IS NULL
          AND (e.worker, e.work_date) IN (SELECT worker, work_date FROM scope)
    """  # noqa: S608
    return read_frame(conn, query, {"contracts": list(contracts)}, ENTRY_COLUMNS)


def unassigned_entries(conn: Connection) -> pl.DataFrame:
    """Current entries that belong to no contract."""
    query = f"{_ENTRY_SELECT % 'true'} WHERE e.superseded_at IS NULL AND p.contract IS NULL"
    return read_frame(conn, query, {}, ENTRY_COLUMNS)


def rates_of(conn: Connection, cards: Collection[str]) -> pl.DataFrame:
    """Rates of the cards as known now."""
    query = f"""
        SELECT card, currency, person, task, project, grade, role, country, worksite, day_type, band, unit, price,
               effective_from, effective_to, {_MICROSECONDS.format("recorded_at")}
        FROM rate WHERE superseded_at IS NULL AND card = ANY(%(cards)s) ORDER BY id
    """  # noqa: S608
    return read_frame(conn, query, {"cards": list(cards)}, RATE_COLUMNS)


def waived(conn: Connection, kinds: Collection[str]) -> set[tuple[str, str, str]]:
    """(kind, key, cause) of the findings that somebody decided to leave as they are."""
    query = select(exception.c.kind, exception.c.key, exception.c.cause).where(
        exception.c.state == "waived", exception.c.kind.in_(list(kinds))
    )
    return {(row.kind, row.key, row.cause) for row in conn.execute(query)}
