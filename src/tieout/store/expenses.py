"""What rating reads of expenses and of subcontract work that is billed: the current version of each and what is around it."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
from sqlalchemy import Connection

from tieout.store.copying import read_frame

_S, _D, _M, _B = pl.String, pl.Date, pl.Decimal(20, 4), pl.Boolean
EXPENSE_COLUMNS = {
    "entry": _S, "version": pl.Int64, "kind": _S, "contract": _S, "line": _S, "project": _S, "project_state": _S,
    "task": _S, "task_state": _S, "worker": _S, "worker_left": _D, "paid_by": _S, "category": _S, "nature": _S,
    "work_date": _D, "amount": _M, "currency": _S, "tax_amount": _M, "billable": _B, "state": _S, "released": _B,
    "recorded_at": pl.Datetime("us", "UTC"),
}  # fmt: skip

_SPENT = """
    (SELECT key, version, 'expense' AS kind, project, task, worker, legal_entity, category, nature, expense_date AS day,
            amount, currency, tax_amount, billable, state, recorded_at FROM expense WHERE superseded_at IS NULL
     UNION ALL SELECT key, version, 'subcontract', project, NULL, NULL, legal_entity, NULL, NULL, work_date,
            amount, currency, tax_amount, true, 'approved', recorded_at FROM subcontract
     WHERE superseded_at IS NULL AND billable)
"""
_SELECT = f"""
    SELECT e.key, e.version, e.kind, p.contract, NULL, e.project, p.state, e.task, t.state, e.worker, w.left_on,
           coalesce(e.legal_entity, c.legal_entity), e.category, e.nature, e.day, e.amount, e.currency,
           e.tax_amount, e.billable, e.state,
           EXISTS (SELECT FROM billing_event b JOIN billing_balance x ON x.event = b.id
                   WHERE b.entry = e.key AND b.source_kind = e.kind
                   HAVING sum(x.billed_amount - x.credited_amount) <> 0),
           (extract(epoch FROM e.recorded_at) * 1000000)::bigint
    FROM {_SPENT} e
    LEFT JOIN project p ON p.key = e.project AND p.superseded_at IS NULL
    LEFT JOIN project_task t ON t.key = e.task AND t.superseded_at IS NULL
    LEFT JOIN worker w ON w.key = e.worker AND w.superseded_at IS NULL
    LEFT JOIN contract c ON c.key = p.contract AND c.superseded_at IS NULL
"""  # noqa: S608


def expenses_of(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Current expenses of the contracts' projects, and those that their stored events name (EXPENSE_COLUMNS).

    Who states no legal entity spent it for the contract's; `released`: a released invoice holds it.
    """
    query = f"""
        {_SELECT} WHERE p.contract = ANY(%(contracts)s) OR (e.key, e.kind) IN (
            SELECT entry, source_kind FROM billing_event WHERE contract = ANY(%(contracts)s)
            AND source_kind IN ('expense', 'subcontract'))
        ORDER BY e.key
    """  # noqa: S608
    return read_frame(conn, query, {"contracts": list(contracts)}, EXPENSE_COLUMNS)


def unassigned_expenses(conn: Connection) -> pl.DataFrame:
    """Current expenses that belong to no contract."""
    query = f"{_SELECT} WHERE p.contract IS NULL ORDER BY e.key"
    return read_frame(conn, query, {}, EXPENSE_COLUMNS)
