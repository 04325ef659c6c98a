"""Costs: what was worked, bought and paid, as frames; what is booked of it; whom a changed fact concerns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal

import polars as pl
from sqlalchemy import Connection, text

from tieout.store.copying import copy_frame, read_frame

_S, _D, _I, _H, _M = pl.String, pl.Date, pl.Int64, pl.Decimal(20, 6), pl.Decimal(20, 4)
HOUR_COLUMNS = {
    "entry": _S, "version": _I, "contract": _S, "line": _S, "project": _S, "worker": _S, "entity": _S, "work_date": _D,
    "worked_hours": _H, "salaried": pl.Boolean, "weekly_capacity": _H,
}  # fmt: skip
RATE_COLUMNS = {
    "worker": _S, "rate": pl.Decimal(20, 6), "currency": _S, "burden": pl.Decimal(9, 6), "effective_from": _D,
    "effective_to": _D, "heard": _I,
}  # fmt: skip
PURCHASE_COLUMNS = {
    "entry": _S, "version": _I, "contract": _S, "line": _S, "project": _S, "paid_by": _S, "work_date": _D, "amount": _M,
    "currency": _S, "tax_amount": _M,
}  # fmt: skip
PAYROLL_COLUMNS = {
    "payroll": _S, "worker": _S, "entity": _S, "period": _S, "amount": _M, "currency": _S,
}  # fmt: skip
BOOKED_COLUMNS = {
    "source": _S, "version": _I, "kind": _S, "contract": _S, "line": _S, "project": _S, "worker": _S, "entity": _S,
    "event_date": _D, "hours": _H, "amount": _M, "currency": _S,
}  # fmt: skip
TRANSFER_COLUMNS = {
    "transfer": _S, "source": _S, "version": _I, "kind": _S, "contract": _S, "line": _S, "worker": _S, "supplier": _S,
    "buyer": _S, "event_date": _D, "booking_date": _D, "hours": _H, "cost_amount": _M, "margin": pl.Decimal(9, 6),
    "amount": _M, "currency": _S,
}  # fmt: skip
COST_TO_DATE_COLUMNS = {"contract": _S, "line": _S, "day": _D, "currency": _S, "cost": _M}

GROUP_ACCOUNTS = ("labor_cost", "expense_cost", "subcontract_cost", "contract_cost_amortisation")
"""Accounts that hold what contracts cost the group."""
WORK_ACCOUNTS = ("labor_cost", "expense_cost", "subcontract_cost", "intercompany_cost")
"""Accounts that hold what the work of a contract cost in one entity's book: its own, and what other entities charge it."""


def labor_is_costed(conn: Connection) -> bool:
    """Whether any cost rate was ever stated; until then hours cost nothing and nobody is told of it."""
    return bool(conn.execute(text("SELECT EXISTS (SELECT FROM cost_rate)")).scalar_one())


def anything_costs(conn: Connection) -> bool:
    """Whether there is anything of which a cost follows: a cost rate, subcontract work, or an expense."""
    query = text(
        "SELECT EXISTS (SELECT FROM cost_rate) OR EXISTS (SELECT FROM subcontract) OR EXISTS (SELECT FROM expense)"
    )
    return bool(conn.execute(query).scalar_one())


# --- whom a changed fact concerns ------------------------------------------------------------------------------


def contracts_around(conn: Connection, days: Collection[tuple[str, date]]) -> set[str]:
    """Contracts on which these workers have time in the week of their day, whatever the weekday it begins on."""
    if not days:
        return set()
    workers, dates = zip(*sorted(days), strict=True)
    query = text(
        "SELECT DISTINCT p.contract FROM unnest(CAST(:workers AS text[]), CAST(:days AS date[])) AS d(worker, day)"
        " JOIN time_entry e ON e.worker = d.worker AND e.work_date BETWEEN d.day - 6 AND d.day + 6"
        " AND e.superseded_at IS NULL"
        " JOIN project p ON p.key = e.project AND p.superseded_at IS NULL WHERE p.contract IS NOT NULL"
    )
    return set(conn.execute(query, {"workers": list(workers), "days": list(dates)}).scalars())


def paid_workers(conn: Connection, workers: Collection[str]) -> set[str]:
    """Those of these workers of whom payroll was heard."""
    if not workers:
        return set()
    query = text("SELECT DISTINCT worker FROM payroll WHERE superseded_at IS NULL AND worker = ANY(:workers)")
    return set(conn.execute(query, {"workers": list(workers)}).scalars())


def widened(conn: Connection, contracts: Collection[str]) -> set[str]:
    """The contracts, and those that hold booked cost of work whose project is theirs now."""
    query = text(
        "SELECT unnest(CAST(:keys AS text[])) UNION SELECT c.contract FROM project p"
        " JOIN (SELECT 'labor' AS kind, key, project FROM time_entry WHERE superseded_at IS NULL"
        " UNION ALL SELECT 'subcontract', key, project FROM subcontract WHERE superseded_at IS NULL"
        " UNION ALL SELECT 'expense', key, project FROM expense WHERE superseded_at IS NULL) w ON w.project = p.key"
        " JOIN cost_entry c ON c.source = w.key AND c.kind = w.kind"
        " WHERE p.contract = ANY(:keys) AND p.superseded_at IS NULL AND c.contract <> p.contract"
    )
    return set(conn.execute(query, {"keys": list(contracts)}).scalars())


# --- facts -----------------------------------------------------------------------------------------------------

_HOURS = """
    SELECT e.key, e.version, p.contract, CASE WHEN p.contract IS NOT NULL THEN '1' END, e.project, e.worker,
           coalesce(t.legal_entity, c.legal_entity), e.work_date, coalesce(e.worked_hours, 0), t.salaried,
           t.weekly_capacity
    FROM weeks w
    JOIN time_entry e ON e.worker = w.worker AND e.work_date BETWEEN w.monday AND w.monday + 6
        AND e.superseded_at IS NULL AND e.state <> 'withdrawn'
    LEFT JOIN project p ON p.key = e.project AND p.superseded_at IS NULL
    LEFT JOIN contract c ON c.key = p.contract AND c.superseded_at IS NULL
    LEFT JOIN LATERAL (
        SELECT s.legal_entity, s.salaried, s.weekly_capacity FROM worker_terms s
        WHERE s.worker = e.worker AND s.effective_from <= e.work_date
        ORDER BY s.source_version COLLATE "C" DESC LIMIT 1
    ) t ON true
"""
_FIRST_DAY = "CAST(%(anchor)s AS date) + (({day} - CAST(%(anchor)s AS date)) / 7) * 7"


def hours_of_contracts(conn: Connection, contracts: Collection[str], anchor: date) -> pl.DataFrame:
    """Recorded time of whole weeks (HOUR_COLUMNS): of everyone who worked on the contracts, whatever else they did.

    Weeks begin on the weekday of `anchor`, a day before all others. Withdrawn time is no time. Who has no stated
    employer works for the contract's legal entity.
    """
    query = f"""
        WITH weeks AS MATERIALIZED (
            SELECT DISTINCT e.worker, {_FIRST_DAY.format(day="e.work_date")} AS monday
            FROM project p JOIN time_entry e ON e.project = p.key AND e.superseded_at IS NULL
            WHERE p.contract = ANY(%(contracts)s) AND p.superseded_at IS NULL AND e.state <> 'withdrawn'
        ) {_HOURS}
    """  # noqa: S608
    return read_frame(conn, query, {"contracts": list(contracts), "anchor": anchor}, HOUR_COLUMNS)


def hours_of_workers(conn: Connection, spans: Mapping[str, tuple[date, date]], anchor: date) -> pl.DataFrame:
    """Recorded time of workers (HOUR_COLUMNS) in all weeks that touch their span of days."""
    query = f"""
        WITH weeks AS MATERIALIZED (
            SELECT s.worker, CAST(g AS date) AS monday
            FROM unnest(%(workers)s::text[], %(firsts)s::date[], %(lasts)s::date[]) AS s(worker, first, last),
                 generate_series({_FIRST_DAY.format(day="s.first")}, s.last, interval '7 days') AS g
        ) {_HOURS}
    """  # noqa: S608
    firsts, lasts = ([span[place] for span in spans.values()] for place in (0, 1))
    told = {"workers": list(spans), "firsts": firsts, "lasts": lasts, "anchor": anchor}
    return read_frame(conn, query, told, HOUR_COLUMNS)


def rates_of(conn: Connection, workers: Collection[str]) -> pl.DataFrame:
    """Cost rates of the workers (RATE_COLUMNS), `heard` by the versions of their statements."""
    query = """
        SELECT worker, rate, currency, burden, effective_from, effective_to,
               dense_rank() OVER (PARTITION BY worker ORDER BY source_version COLLATE "C")
        FROM cost_rate WHERE worker = ANY(%(workers)s) ORDER BY worker, source_version, number
    """
    return read_frame(conn, query, {"workers": list(workers)}, RATE_COLUMNS)


def purchases_of(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Subcontract work of the contracts (PURCHASE_COLUMNS); who states no buyer bought for the contract's entity."""
    query = """
        SELECT s.key, s.version, p.contract, '1', s.project, coalesce(s.legal_entity, c.legal_entity), s.work_date,
               s.amount, s.currency, s.tax_amount
        FROM project p JOIN subcontract s ON s.project = p.key AND s.superseded_at IS NULL
        LEFT JOIN contract c ON c.key = p.contract AND c.superseded_at IS NULL
        WHERE p.contract = ANY(%(contracts)s) AND p.superseded_at IS NULL
    """
    return read_frame(conn, query, {"contracts": list(contracts)}, PURCHASE_COLUMNS)


def payroll_of(conn: Connection, workers: Collection[str]) -> pl.DataFrame:
    """Payroll of the workers (PAYROLL_COLUMNS); the entity is null where the payroll states no employer."""
    query = """
        SELECT key, worker, legal_entity, period, amount, currency FROM payroll
        WHERE superseded_at IS NULL AND worker = ANY(%(workers)s)
    """
    return read_frame(conn, query, {"workers": list(workers)}, PAYROLL_COLUMNS)


def employers_of(conn: Connection, workers: Collection[str]) -> dict[str, list[tuple[str | None, date]]]:
    """Each worker's statements of employment: legal entity and first day, the last statement first."""
    query = text(
        "SELECT worker, legal_entity, effective_from FROM worker_terms WHERE worker = ANY(:workers)"
        ' ORDER BY worker, source_version COLLATE "C" DESC'
    )
    found: dict[str, list[tuple[str | None, date]]] = {}
    for worker, entity, first in conn.execute(query, {"workers": list(workers)}):
        found.setdefault(worker, []).append((entity, first))
    return found


# --- what is booked --------------------------------------------------------------------------------------------


def booked_costs(conn: Connection, kinds: Collection[str], of: str, keys: Collection[str]) -> pl.DataFrame:
    """What is booked of these kinds of cost (BOOKED_COLUMNS), `of` these contracts or workers, summed by its terms."""
    query = f"""
        SELECT source, max(version), kind, contract, line, max(project), max(worker), legal_entity, event_date,
               sum(coalesce(hours, 0)), sum(amount), currency
        FROM cost_entry WHERE kind = ANY(%(kinds)s) AND {_of(of)} = ANY(%(keys)s)
        GROUP BY source, kind, contract, line, legal_entity, event_date, currency
        HAVING sum(amount) <> 0 OR sum(coalesce(hours, 0)) <> 0
    """  # noqa: S608
    return read_frame(conn, query, {"kinds": list(kinds), "keys": list(keys)}, BOOKED_COLUMNS)


def booked_transfers(
    conn: Connection, kinds: Collection[str], of: str, keys: Collection[str]
) -> pl.DataFrame:
    """What is booked of charges for these kinds of cost (TRANSFER_COLUMNS), summed by its terms."""
    query = f"""
        SELECT concat_ws(':', kind, source, max(version)), source, max(version), kind, contract, line, max(worker), supplier,
               buyer, event_date, NULL, sum(coalesce(hours, 0)), sum(cost_amount), max(margin), sum(amount), currency
        FROM transfer_entry WHERE kind = ANY(%(kinds)s) AND {_of(of)} = ANY(%(keys)s)
        GROUP BY source, kind, contract, line, supplier, buyer, event_date, currency
        HAVING sum(amount) <> 0 OR sum(cost_amount) <> 0
    """  # noqa: S608
    return read_frame(conn, query, {"kinds": list(kinds), "keys": list(keys)}, TRANSFER_COLUMNS)


def _of(column: str) -> str:
    return {"contract": "contract", "worker": "worker"}[column]


def contracts_with_variance(conn: Connection, workers: Collection[str]) -> set[str]:
    """Contracts on which payroll of these workers is booked."""
    query = text(
        "SELECT DISTINCT contract FROM cost_entry WHERE kind = 'variance' AND worker = ANY(:workers)"
    )
    return set(conn.execute(query, {"workers": list(workers)}).scalars())


def insert_cost_entries(conn: Connection, entries: pl.DataFrame) -> None:
    """Append what each source gave to a cost journal (columns of the table)."""
    copy_frame(conn, "cost_entry", entries)


def insert_transfer_entries(conn: Connection, entries: pl.DataFrame) -> None:
    """Append what each source gave to a transfer journal (columns of the table)."""
    copy_frame(conn, "transfer_entry", entries)


# --- figures ---------------------------------------------------------------------------------------------------


def cost_to_date(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Booked cost of each contract line at the end of each day on which some arose (COST_TO_DATE_COLUMNS), by day of work.

    In the book of the contract's own legal entity, in its currency: what others do for it costs what they charge. Cost
    that a line reports itself (`progress`) is not in it, nor what customers reimburse beside the price, as far as limits
    let it through: that is earned as it is incurred (domain rules §4).
    """
    query = """
        WITH reimbursed AS (
            SELECT b.contract, b.entry, b.source_kind, (array_agg(
                coalesce((b.trail->'limit'->>'within')::numeric / nullif((b.trail->'limit'->>'of')::numeric, 0), 1)
                ORDER BY b.sequence DESC) FILTER (WHERE b.kind = b.source_kind))[1] AS share
            FROM billing_event b JOIN billing_balance x ON x.event = b.id
            WHERE b.contract = ANY(%(contracts)s) AND b.source_kind IN ('expense', 'subcontract')
            GROUP BY 1, 2, 3 HAVING sum(b.amount - x.reversed_amount) <> 0
        ), bought AS (
            SELECT contract, line, legal_entity, source, kind, event_date, currency, amount FROM cost_entry
            WHERE contract = ANY(%(contracts)s)
            UNION ALL SELECT t.contract, t.line, t.buyer, t.source, t.kind, t.event_date, t.currency, t.amount * b.rate
            FROM transfer_entry t JOIN LATERAL (
                SELECT sum(functional_amount) / nullif(sum(amount), 0) AS rate FROM journal_line
                WHERE journal = t.journal AND legal_entity = t.buyer AND account = 'intercompany_cost'
            ) AS b ON true WHERE t.contract = ANY(%(contracts)s)
        ), parts AS (
            SELECT l.contract, l.line, l.legal_entity, j.event_date AS day, l.currency, l.functional_amount AS amount
            FROM journal_line l JOIN journal j ON j.id = l.journal
            WHERE l.contract = ANY(%(contracts)s) AND l.account = ANY(%(accounts)s)
            UNION ALL SELECT c.contract, c.line, c.legal_entity, c.event_date, c.currency, -round(c.amount * r.share, 4)
            FROM bought c JOIN reimbursed r ON r.contract = c.contract AND r.entry = c.source AND r.source_kind = c.kind
        )
        SELECT contract, line, day, currency, sum(amount) OVER (PARTITION BY contract, line, currency ORDER BY day)
        FROM (
            SELECT p.contract, p.line, p.day, coalesce(e.currency, p.currency) AS currency, sum(p.amount) AS amount FROM parts p
            JOIN contract c ON c.key = p.contract AND c.superseded_at IS NULL AND c.legal_entity = p.legal_entity
            LEFT JOIN legal_entity e ON e.key = p.legal_entity AND e.superseded_at IS NULL
            GROUP BY 1, 2, 3, 4
        ) AS days ORDER BY 1, 2, 4, 3
    """
    told = {"contracts": list(contracts), "accounts": list(WORK_ACCOUNTS)}
    return read_frame(conn, query, told, COST_TO_DATE_COLUMNS)


def cost(
    conn: Connection,
    *,
    contract: str | None,
    line: str | None,
    entity: str | None,
    at: date,
    since: date | None = None,
) -> Decimal:
    """Cost of contracts from `since` to `at`, in the currency of the books: what was booked, in one entity's book what others
    charge it too, without an entity what the work cost in the group. Where a line reports its cost to date, that is its cost.
    """
    accounts = [*GROUP_ACCOUNTS, *(["intercompany_cost"] if entity else [])]
    told = {"at": at, "since": since, "contract": contract, "line": line, "entity": entity}
    return Decimal(conn.execute(_COST, told | {"accounts": accounts}).scalar_one())


def cost_of_work(
    conn: Connection,
    *,
    contract: str | None,
    line: str | None,
    entity: str | None,
    worker: str | None,
    project: str | None,
    at: date,
    since: date | None = None,
) -> Decimal:
    """What the work of a worker, or on a project, cost its own entity, as booked from `since` to `at`."""
    told = {"at": at, "since": since, "contract": contract, "line": line, "entity": entity}
    return Decimal(conn.execute(_COST_OF_WORK, told | {"worker": worker, "project": project}).scalar_one())


_ASKED = """
    (CAST(:contract AS text) IS NULL OR l.contract = :contract) AND (CAST(:line AS text) IS NULL OR l.line = :line)
    AND (CAST(:entity AS text) IS NULL OR l.legal_entity = :entity)
"""
_BOOKED = f"""
    j.booking_date <= :at AND (CAST(:since AS date) IS NULL OR j.booking_date >= :since) AND l.contract IS NOT NULL
    AND {_ASKED}
"""
_COST = text(
    f"""
    WITH reports AS (
        SELECT p.contract, p.line, c.legal_entity, p.day, p.cost
        FROM progress p JOIN contract c ON c.key = p.contract AND c.superseded_at IS NULL
        WHERE p.superseded_at IS NULL AND p.cost IS NOT NULL AND p.day <= :at
    ), reported AS (
        SELECT l.cost - coalesce((SELECT b.cost FROM reports b WHERE (b.contract, b.line) = (l.contract, l.line)
                                  AND b.day < CAST(:since AS date) ORDER BY b.day DESC LIMIT 1), 0) AS amount
        FROM (SELECT DISTINCT ON (contract, line) * FROM reports ORDER BY contract, line, day DESC) AS l
        WHERE {_ASKED}
    ), booked AS (
        SELECT l.functional_amount AS amount FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE {_BOOKED} AND l.account = ANY(CAST(:accounts AS text[]))
        AND NOT EXISTS (SELECT FROM reports r WHERE (r.contract, r.line) = (l.contract, l.line))
    )
    SELECT coalesce((SELECT sum(amount) FROM reported), 0) + coalesce((SELECT sum(amount) FROM booked), 0)
    """  # noqa: S608 - no value stands in it
)
_COST_OF_WORK = text(
    f"""
    SELECT coalesce(sum(l.amount), 0) FROM cost_entry l JOIN journal j ON j.id = l.journal
    WHERE {_BOOKED} AND (CAST(:worker AS text) IS NULL OR l.worker = :worker)
    AND (CAST(:project AS text) IS NULL OR l.project = :project)
    """  # noqa: S608 - no value stands in it
)
