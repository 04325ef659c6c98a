"""Which contracts a changed fact concerns, and what was said of it before; one statement per kind of fact."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, or_, select, text, union

from tieout.store.tables import contract, expense, flow, project, time_entry


def contracts_of_workers(conn: Connection, workers: Collection[str]) -> set[str]:
    """Contracts on whose projects these workers have time or expenses; what is of no contract gives none."""
    if not workers:
        return set()
    queries = [
        select(project.c.contract)
        .join(work, work.c.project == project.c.key)
        .where(
            work.c.worker.in_(list(workers)),
            work.c.superseded_at.is_(None),
            project.c.superseded_at.is_(None),
            project.c.contract.is_not(None),
        )
        for work in (time_entry, expense)
    ]
    return set(conn.execute(union(*queries)).scalars())


def contracts_naming(conn: Connection, opportunities: Collection[str]) -> set[str]:
    """Contracts that name one of these opportunities."""
    query = select(contract.c.key).where(
        contract.c.opportunity.in_(list(opportunities)), contract.c.superseded_at.is_(None)
    )
    return set(conn.execute(query).scalars()) if opportunities else set()


def waiting_among(conn: Connection, contracts: Collection[str]) -> set[str]:
    """Those of these contracts whose project set-up waits for something."""
    query = select(flow.c.key).where(
        flow.c.kind == "project_setup", flow.c.state == "waiting", flow.c.key.in_(list(contracts))
    )
    return set(conn.execute(query).scalars()) if contracts else set()


def waiting_setups(conn: Connection, customers: Collection[str], entities: Collection[str]) -> set[str]:
    """Contracts of these customers or legal entities whose project set-up waits for something."""
    if not customers and not entities:
        return set()
    query = (
        select(contract.c.key)
        .join(flow, flow.c.key == contract.c.key)
        .where(
            flow.c.kind == "project_setup",
            flow.c.state == "waiting",
            contract.c.superseded_at.is_(None),
            or_(contract.c.customer.in_(list(customers)), contract.c.legal_entity.in_(list(entities))),
        )
    )
    return set(conn.execute(query).scalars())


_CLOSINGS = text(
    """
    WITH closing AS (
        SELECT key, count(*) AS times
        FROM (SELECT key, state, lag(state) OVER (PARTITION BY key ORDER BY version) AS before
              FROM project WHERE key = ANY(:projects)) AS version
        WHERE state = 'closed' AND before IS DISTINCT FROM 'closed' GROUP BY key
    )
    SELECT key FROM closing WHERE times <= (SELECT count(*) FROM event WHERE subject = key AND type = :type)
    """
)


def closings_announced(conn: Connection, projects: Collection[str], type: str) -> set[str]:
    """Those of these projects for which each closing that was read, the last one too, has its event of this type."""
    told = {"projects": list(projects), "type": type}
    return set(conn.execute(_CLOSINGS, told).scalars()) if projects else set()
