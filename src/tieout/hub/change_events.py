"""Which events a page of canonical changes means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from tieout.hub import events as e
from tieout.hub.events import NewEvent
from tieout.hub.merging import Changed
from tieout.store import affected, canonical, costing

Contracts = Mapping[str, tuple[str | None, str | None]]
"""(contract, legal entity) of each project."""
_WORK = ("time_entry", "expense", "subcontract")
_SIGNED = frozenset({"signed", "active", "suspended"})
_NOT_TERMS = frozenset({"state", "signed_on", "region"})


def events_of(
    conn: Connection, changes: Sequence[Changed], fresh_terms: set[str]
) -> tuple[list[NewEvent], list[NewEvent]]:
    """Events to store, and the internal ones that only the caller reacts to.

    `fresh_terms` are contracts of which a version was heard for the first time, maybe an older one.
    """
    stored = _announced_once(conn, [event for change in changes for event in _simple(change)])
    stored += _late_terms(conn, changes, fresh_terms)
    stored += [event for change in changes if change.type == "milestone" for event in _milestone(change)]
    contracts = _contracts_of(conn, changes)
    for type in _APPROVED:
        stored += _approvals(contracts, [change for change in changes if change.type == type])
    work = [change for change in changes if change.type in _WORK]
    costs = bool(work) and costing.anything_costs(conn)
    return stored, [*_internal(changes), *(_work_done(contracts, work) if costs else ())]


def _simple(change: Changed) -> list[NewEvent]:
    judge = _JUDGES.get(change.type)
    return [_event(type, change) for type in judge(change)] if judge else []


def _announced_once(conn: Connection, events: list[NewEvent]) -> list[NewEvent]:
    """The read of a closing that the cancellation of its set-up announced before is a mere change."""
    closed = {event.subject for event in events if event.type == e.PROJECT_CLOSED}
    before = affected.closings_announced(conn, closed, e.PROJECT_CLOSED)
    is_repeat = [event.type == e.PROJECT_CLOSED and event.subject in before for event in events]
    return [
        replace(event, type=e.PROJECT_CHANGED) if repeats else event
        for event, repeats in zip(events, is_repeat, strict=True)
    ]


def _event(type: str, change: Changed) -> NewEvent:
    entity = change.after.get("legal_entity")
    state = {"state": change.after["state"]} if "state" in change.after else {}
    return NewEvent(type, change.key, entity, {"key": change.key, **state})


def _was(change: Changed, field: str) -> object:
    return None if change.before is None else change.before.get(field)


def _opportunity(change: Changed) -> list[str]:
    ready = change.after.get("state") == "contracted" and change.after.get("contract") is not None
    before = _was(change, "state") == "contracted" and _was(change, "contract") is not None
    return [e.OPPORTUNITY_CONTRACTED] if ready and not before else []


def _contract(change: Changed) -> list[str]:
    state, before = change.after.get("state"), _was(change, "state")
    if state == "terminated":
        return [e.CONTRACT_TERMINATED] if before != "terminated" and change.before is not None else []
    if state not in _SIGNED:
        return []
    if before not in _SIGNED:
        return [e.CONTRACT_SIGNED]
    terms = [name for name in canonical.fields_of("contract") if name not in _NOT_TERMS]
    return [e.CONTRACT_AMENDED] if any(_was(change, name) != change.after.get(name) for name in terms) else []


def _worker(change: Changed) -> list[str]:
    if change.before is None:
        return [e.WORKER_HIRED]
    left = change.after.get("left_on") is not None and change.before.get("left_on") is None
    return [e.WORKER_LEFT if left else e.WORKER_CHANGED]


def _period(change: Changed) -> list[str]:
    state, before = change.after.get("state"), _was(change, "state")
    if state == "closed" and before != "closed":
        return [e.PERIOD_CLOSED]
    return [e.PERIOD_REOPENED] if state == "open" and before == "closed" else []


def _project(change: Changed) -> list[str]:
    closed = change.after.get("state") == "closed" and _was(change, "state") != "closed"
    return [e.PROJECT_CLOSED if closed else e.PROJECT_CHANGED]


_JUDGES = {
    "opportunity": _opportunity,
    "contract": _contract,
    "worker": _worker,
    "period": _period,
    "project": _project,
    "customer": lambda change: [e.CUSTOMER_CHANGED],
}
_PERFORMANCE = frozenset(
    {"milestone", "usage_reading", "delivery", "progress", "variable_estimate", "deposit", "contract_cost"}
)
"""What was delivered or measured of a contract line, and estimated of, asked for or paid for a contract."""
_APPROVED = {
    "time_entry": (e.TIMESHEET_APPROVED, e.TIMESHEET_CORRECTED),
    "expense": (e.EXPENSE_APPROVED, e.EXPENSE_CORRECTED),
}
"""What it means that such a record was approved, and that an approved one changed."""
_NAMED = {
    e.TIMESHEET_APPROVED: "entries", e.TIMESHEET_CORRECTED: "entries", e.EXPENSE_APPROVED: "expenses",
    e.EXPENSE_CORRECTED: "expenses",
}  # fmt: skip
_REACHED = {"completed": e.MILESTONE_COMPLETED, "accepted": e.MILESTONE_ACCEPTED}


def _milestone(change: Changed) -> list[NewEvent]:
    state = change.after.get("state")
    if state not in _REACHED or state == _was(change, "state"):
        return []
    named = {name: change.after.get(name) for name in ("line", "milestone", "day")}
    data = {"key": change.key, **named}
    return [
        NewEvent(_REACHED[str(state)], str(change.after["contract"]), change.after.get("legal_entity"), data)
    ]


def _late_terms(conn: Connection, changes: Sequence[Changed], fresh_terms: set[str]) -> list[NewEvent]:
    """A version heard late changes what held in the past, though the current record stays as it is."""
    changed = {change.key for change in changes if change.type == "contract"}
    held = canonical.current(conn, "contract", fresh_terms - changed)
    return [
        NewEvent(
            e.CONTRACT_AMENDED, key, row["legal_entity"], {"key": key, "state": row["state"], "late": True}
        )
        for key, row in sorted(held.items())
        if row["state"] in _SIGNED
    ]


def _contracts_of(conn: Connection, changes: Sequence[Changed]) -> Contracts:
    """Contract and legal entity of every project on which work was or is now."""
    work = (change for change in changes if change.type in _WORK)
    projects = {p for change in work for p in (_was(change, "project"), change.after.get("project")) if p}
    return canonical.contracts_of_projects(conn, {str(p) for p in projects})


def _work_done(contracts: Contracts, changes: Sequence[Changed]) -> Iterable[NewEvent]:
    """One event per contract of which time was recorded, changed or withdrawn, with the workers' days, and one per
    contract for which something was bought."""
    days: dict[str, set[tuple[object, object]]] = {}
    bought: dict[str, None] = {}
    for change in changes:
        for said in (change.before, change.after):
            if said is None:
                continue
            contract = contracts.get(str(said.get("project")), (None, None))[0]
            if change.type == "time_entry":
                days.setdefault(contract or e.UNASSIGNED, set()).add(
                    (said.get("worker"), said.get("work_date"))
                )
            elif contract is not None:
                bought[contract] = None
    yield from (
        NewEvent(e.TIME_RECORDED, contract, None, {"days": found}) for contract, found in days.items()
    )
    yield from (NewEvent(e.PURCHASE_HEARD, contract, None, {}) for contract in bought)


def _approvals(contracts: Contracts, changes: Sequence[Changed]) -> list[NewEvent]:
    """Of time entries, or of expenses, one event per kind and contract.

    One is corrected when an earlier version of it was approved.
    """
    found: dict[tuple[str, str], list[str]] = {}
    entities: dict[str, str | None] = {}
    for change in changes:
        for type, project in _heard(change):
            contract, entity = contracts.get(str(project), (None, None))
            subject = contract or e.UNASSIGNED
            entities[subject] = entity
            entries = found.setdefault((type, subject), [])
            if change.key not in entries:
                entries.append(change.key)
    return [
        NewEvent(type, subject, entities[subject], {_NAMED[type]: sorted(entries)})
        for (type, subject), entries in sorted(found.items())
    ]


def _heard(change: Changed) -> list[tuple[str, object]]:
    project = change.after.get("project")
    approved, corrected = _APPROVED[change.type]
    if _was(change, "approved_at") is not None:
        places = dict.fromkeys((_was(change, "project"), project))
        return [(corrected, place) for place in places]
    return [(approved, project)] if change.after.get("state") == "approved" else []


def _internal(changes: Iterable[Changed]) -> Iterable[NewEvent]:
    for change in changes:
        entity = change.after.get("legal_entity")
        if change.type == "project_task":
            yield NewEvent(e.TASK_CHANGED, change.key, entity, {"project": change.after.get("project")})
        elif change.type in _PERFORMANCE:
            for contract in {_was(change, "contract"), change.after.get("contract")} - {None}:
                yield NewEvent(e.PERFORMANCE_HEARD, str(contract), entity, {"key": change.key})
        elif change.type == "opportunity":
            contracts = {str(key) for key in (_was(change, "contract"), change.after.get("contract")) if key}
            yield NewEvent(e.OPPORTUNITY_CHANGED, change.key, entity, {"contracts": sorted(contracts)})
        elif change.type == "legal_entity":
            yield NewEvent(e.LEGAL_ENTITY_CHANGED, change.key, change.key, {})
        elif change.type == "exchange_rate":
            yield NewEvent(
                e.EXCHANGE_RATE_HEARD,
                change.key,
                None,
                {"pair": [change.after["base"], change.after["quote"]]},
            )
        elif change.type == "payroll":
            for worker in sorted({str(w) for w in (_was(change, "worker"), change.after.get("worker")) if w}):
                yield NewEvent(e.PAYROLL_HEARD, worker, entity, {})
        elif change.type == "erp_document":
            yield NewEvent(e.ERP_DOCUMENT_CHANGED, change.key, entity, {"number": change.after.get("number")})
        elif change.type == "payment":
            named = {*change.after.get("applications", {}), *(change.before or {}).get("applications", {})}
            for document in sorted(named):
                yield NewEvent(e.ERP_DOCUMENT_CHANGED, document, entity, {"payment": change.key})
