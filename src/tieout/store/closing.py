"""What the close of a period reads: the entity's contracts, and what was accrued for its last day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl
from sqlalchemy import Connection, text

from tieout.store.copying import read_frame

_S = pl.String
ACCRUED_COLUMNS = {
    "contract": _S, "line": _S, "entity": _S, "currency": _S, "account": _S, "amount": pl.Decimal(20, 4),
}  # fmt: skip
_ACCRUALS = "j.cause_type = 'accrual' AND j.event_date = {day} AND j.contract = ANY({keys})"


def contracts_of(conn: Connection, entity: str) -> list[str]:
    """Current contracts of a legal entity that were signed."""
    query = text(
        "SELECT key FROM contract WHERE superseded_at IS NULL AND legal_entity = :entity AND state <> 'draft' ORDER BY key"
    )
    return list(conn.execute(query, {"entity": entity}).scalars())


def accrued_contracts(conn: Connection, contracts: Collection[str], day: date) -> set[str]:
    """Those of the contracts for which anything was accrued on a day."""
    where = _ACCRUALS.format(day=":day", keys=":keys")
    query = text(f"SELECT DISTINCT j.contract FROM journal j WHERE {where}")  # noqa: S608
    return set(conn.execute(query, {"day": day, "keys": list(contracts)}).scalars())


def accrued(conn: Connection, contracts: Collection[str], day: date) -> pl.DataFrame:
    """What was accrued on a day by line and account (ACCRUED_COLUMNS)."""
    query = f"""
        SELECT l.contract, l.line, l.legal_entity, l.currency, l.account, sum(l.amount)
        FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE {_ACCRUALS.format(day="%(day)s", keys="%(keys)s")} GROUP BY 1, 2, 3, 4, 5
    """  # noqa: S608
    return read_frame(conn, query, {"day": day, "keys": list(contracts)}, ACCRUED_COLUMNS)
