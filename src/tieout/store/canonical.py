"""Canonical objects: every version is kept; the current one has no `superseded_at`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Numeric, Table, and_, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from tieout.store.tables import CANONICAL, contract, contract_terms, metadata, payment_application, project

BASE = frozenset({"id", "key", "version", "provenance", "recorded_at", "superseded_at"})


def table_of(type: str) -> Table:
    """The table of a canonical type."""
    return CANONICAL[type]


def fields_of(type: str) -> tuple[str, ...]:
    """Columns of a type that hold facts (not identity, history or provenance)."""
    return tuple(column.name for column in CANONICAL[type].columns if column.name not in BASE)


def misfits(type: str, name: str, value: Any) -> list[tuple[str, str]]:
    """Why a column of a table could not hold a number exactly: (exception kind, detail); empty when it can."""
    column = metadata.tables[type].c.get(name)
    if not isinstance(value, Decimal) or column is None or not isinstance(column.type, Numeric):
        return []
    scale, precision = column.type.scale or 0, column.type.precision or 0
    if abs(value) >= Decimal(10) ** (precision - scale):
        return [("invalid-payload", f"a number below 10^{precision - scale} expected, got {value}")]
    if value != value.quantize(Decimal(1).scaleb(-scale)):
        return [("amount-precision", f"at most {scale} decimals can be kept, got {value}")]
    return []


def lock_types(conn: Connection, types: Collection[str]) -> None:
    """Let one transaction at a time write versions of these types."""
    for type in sorted(types):
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"canonical/{type}", 7469))))


def current(conn: Connection, type: str, keys: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """Current versions by key; all of them when no keys are named."""
    table = CANONICAL[type]
    query = select(table).where(table.c.superseded_at.is_(None))
    if keys is not None:
        if not keys:
            return {}
        query = query.where(table.c.key == func.any(list(keys)))
    return {row["key"]: dict(row) for row in conn.execute(query).mappings()}


def existing(conn: Connection, type: str, keys: Collection[str]) -> set[str]:
    """Those of these keys under which a record is or was known."""
    table = CANONICAL[type]
    query = select(table.c.key).where(table.c.key == func.any(list(keys)), table.c.superseded_at.is_(None))
    return set(conn.execute(query).scalars()) if keys else set()


def history(conn: Connection, type: str, key: str) -> list[dict[str, Any]]:
    """Every version of one record, oldest first."""
    table = CANONICAL[type]
    query = select(table).where(table.c.key == key).order_by(table.c.version)
    return [dict(row) for row in conn.execute(query).mappings()]


def known_at(conn: Connection, type: str, key: str, moment: datetime) -> dict[str, Any] | None:
    """The version that the hub held at a moment; None when it knew none."""
    table = CANONICAL[type]
    query = select(table).where(
        table.c.key == key,
        table.c.recorded_at <= moment,
        or_(table.c.superseded_at.is_(None), table.c.superseded_at > moment),
    )
    row = conn.execute(query.order_by(table.c.version.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def supersede(conn: Connection, type: str, keys: Collection[str], moment: datetime) -> None:
    """End the current versions of these keys."""
    table = CANONICAL[type]
    conn.execute(
        update(table)
        .where(table.c.key == func.any(list(keys)), table.c.superseded_at.is_(None))
        .values(superseded_at=moment)
    )


def insert_versions(conn: Connection, type: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append versions (every column given)."""
    for start in range(0, len(rows), 2000):
        conn.execute(insert(CANONICAL[type]), list(rows[start : start + 2000]))


def terms_of(conn: Connection, key: str) -> list[dict[str, Any]]:
    """Every contract version ever heard, in order of source version."""
    query = select(contract_terms).where(contract_terms.c.contract == key)
    return sorted(
        (dict(row) for row in conn.execute(query).mappings()), key=lambda row: row["source_version"]
    )


def insert_terms(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Append contract versions (one that is there stays as it is); contracts that got a new one."""
    if not rows:
        return set()
    statement = pg_insert(contract_terms).values(list(rows)).on_conflict_do_nothing()
    return set(conn.execute(statement.returning(contract_terms.c.contract)).scalars())


def terms_columns() -> tuple[str, ...]:
    """Fields of a contract that its terms rows repeat."""
    own = {"contract", "source_version", "recorded_at"}
    return tuple(column.name for column in contract_terms.columns if column.name not in own)


def applications(conn: Connection, versions: Collection[tuple[str, int]]) -> dict[str, dict[str, Any]]:
    """Applied amount by ERP document of each payment (key -> document -> amount) at the given versions."""
    if not versions:
        return {}
    table = payment_application
    query = select(table).where(
        or_(*(and_(table.c.payment == key, table.c.payment_version == number) for key, number in versions))
    )
    found: dict[str, dict[str, Any]] = {}
    for row in conn.execute(query):
        found.setdefault(row.payment, {})[row.erp_document] = row.amount
    return found


def insert_applications(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append payment applications."""
    if rows:
        conn.execute(insert(payment_application), list(rows))


def contracts_of_projects(
    conn: Connection, projects: Collection[str]
) -> dict[str, tuple[str | None, str | None]]:
    """(contract, legal entity) of each project that exists now."""
    if not projects:
        return {}
    joined = project.outerjoin(
        contract, and_(contract.c.key == project.c.contract, contract.c.superseded_at.is_(None))
    )
    entity = func.coalesce(contract.c.legal_entity, project.c.legal_entity).label("entity")
    query = select(project.c.key, project.c.contract, entity).select_from(joined)
    query = query.where(project.c.superseded_at.is_(None), project.c.key.in_(list(projects)))
    return {row.key: (row.contract, row.entity) for row in conn.execute(query)}
