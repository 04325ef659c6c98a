"""What follows from what became true: each event's work, requested in the transaction that applied the facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection

from tieout.hub import events as e
from tieout.hub import work
from tieout.hub.billing import e_invoices
from tieout.hub.events import NewEvent
from tieout.store import affected, canonical, costing, exceptions, exchange

_SET_UP = frozenset({e.CONTRACT_SIGNED, e.CONTRACT_AMENDED, e.CONTRACT_TERMINATED})
_RATE = frozenset(
    {
        e.CONTRACT_SIGNED,
        e.CONTRACT_AMENDED,
        e.CONTRACT_TERMINATED,
        e.TIMESHEET_APPROVED,
        e.TIMESHEET_CORRECTED,
        e.EXPENSE_APPROVED,
        e.EXPENSE_CORRECTED,
        e.PURCHASE_HEARD,
        e.PERFORMANCE_HEARD,
    }
)
_OF_WORKER = frozenset({e.WORKER_HIRED, e.WORKER_CHANGED, e.WORKER_LEFT})
_OF_PROJECT = frozenset({e.PROJECT_CHANGED, e.PROJECT_CLOSED})
_COST_OF_CONTRACT = frozenset({e.TIME_RECORDED, e.PURCHASE_HEARD, e.CONTRACT_SIGNED, e.CONTRACT_AMENDED})
_COST = _COST_OF_CONTRACT | _OF_PROJECT | {e.WORKER_TERMS_HEARD, e.PAYROLL_HEARD, e.LEGAL_ENTITY_CHANGED}
_OF_ENTITY = frozenset({e.PERIOD_CLOSED, e.PERIOD_REOPENED, e.LEGAL_ENTITY_CHANGED})


def react(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Request the work that these events mean, each piece once; time of no contract is rated as `unassigned`."""
    subjects: dict[str, set[str]] = defaultdict(set)
    for event in events:
        subjects[event.type].add(event.subject)
    if subjects[e.CUSTOMER_CHANGED] or subjects[e.LEGAL_ENTITY_CHANGED]:
        named = not subjects[e.LEGAL_ENTITY_CHANGED]
        e_invoices.recheck(conn, subjects[e.CUSTOMER_CHANGED] if named else None)
    work.request_all(
        conn,
        _set_ups(conn, subjects, events)
        | _ratings(conn, subjects, events)
        | _costings(conn, subjects, events)
        | _settlements(subjects)
        | _exchanged(conn, events),
    )


def _of(subjects: dict[str, set[str]], types: frozenset[str]) -> set[str]:
    return set().union(*(subjects[type] for type in types if type in subjects))


def _set_ups(
    conn: Connection, subjects: dict[str, set[str]], events: Sequence[NewEvent]
) -> set[tuple[str, str]]:
    """Signed, amended, terminated contracts, those of a deal that was won, lost or changed, and set-ups that waited
    for a fact that may have come now.
    """
    entities = {event.legal_entity for event in events if event.type in _OF_ENTITY and event.legal_entity}
    contracts = _of(subjects, _SET_UP)
    contracts |= affected.contracts_naming(conn, subjects[e.OPPORTUNITY_CHANGED])
    contracts |= {
        name for event in events if event.type == e.OPPORTUNITY_CHANGED for name in event.data["contracts"]
    }
    contracts |= affected.waiting_setups(conn, subjects[e.CUSTOMER_CHANGED], entities)
    return {("setup", contract) for contract in contracts}


def _ratings(
    conn: Connection, subjects: dict[str, set[str]], events: Sequence[NewEvent]
) -> set[tuple[str, str]]:
    """Contracts whose time, expenses, deliveries, terms, people, projects or tasks changed."""
    projects = _of(subjects, _OF_PROJECT)
    projects |= {
        str(event.data["project"])
        for event in events
        if event.type == e.TASK_CHANGED and event.data["project"]
    }
    contracts = _of(subjects, _RATE)
    contracts |= {found[0] for found in canonical.contracts_of_projects(conn, projects).values() if found[0]}
    contracts |= affected.contracts_of_workers(conn, _of(subjects, _OF_WORKER))
    return {("rate", contract) for contract in contracts}


def _costings(
    conn: Connection, subjects: dict[str, set[str]], events: Sequence[NewEvent]
) -> set[tuple[str, str]]:
    """Contracts whose time, purchases, people or terms changed, and those whose people share a week with changed time;
    workers whose payroll or hours changed. Nothing where nothing has a cost.
    """
    heard = _of(subjects, _COST)
    if not heard or not costing.anything_costs(conn):
        return set()
    days = {day for event in events if event.type == e.TIME_RECORDED for day in event.data["days"]}
    workers = subjects[e.WORKER_TERMS_HEARD] | {worker for worker, _ in days}
    contracts = _of(subjects, _COST_OF_CONTRACT) - {e.UNASSIGNED}
    contracts |= costing.contracts_around(conn, days)
    contracts |= affected.contracts_of_workers(conn, subjects[e.WORKER_TERMS_HEARD])
    projects = canonical.contracts_of_projects(conn, _of(subjects, _OF_PROJECT))
    contracts |= {found[0] for found in projects.values() if found[0]}
    paid = subjects[e.PAYROLL_HEARD] | costing.paid_workers(conn, workers)
    pieces = {("cost", contract) for contract in contracts} | {("payroll", worker) for worker in paid}
    return pieces | _waiting_for_entities(conn, subjects[e.LEGAL_ENTITY_CHANGED])


def _waiting_for_entities(conn: Connection, entities: set[str]) -> set[tuple[str, str]]:
    """What could not be booked for want of an exchange rate, once an entity may have another currency."""
    waiting = exceptions.open_of(conn, "missing-cost-fx") if entities else []
    return {(row["evidence"]["work"]["kind"], row["evidence"]["work"]["key"]) for row in waiting}


def _exchanged(conn: Connection, events: Sequence[NewEvent]) -> set[tuple[str, str]]:
    """Contracts in a currency of which a rate was heard, and what waited for one."""
    pairs = [event.data["pair"] for event in events if event.type == e.EXCHANGE_RATE_HEARD]
    if not pairs:
        return set()
    contracts = exchange.foreign_contracts(conn, {currency for pair in pairs for currency in pair})
    unbooked = [*exceptions.open_of(conn, "missing-fx"), *exceptions.open_of(conn, "missing-cost-fx")]
    work = (row["evidence"].get("work") for row in unbooked)
    waiting = {(piece["kind"], piece["key"]) for piece in work if piece}
    return waiting | {("rate", contract) for contract in contracts}


def _settlements(subjects: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {("settle", document) for document in subjects[e.ERP_DOCUMENT_CHANGED]}
