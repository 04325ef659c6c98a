"""The effects of a project set-up, one after the other: each an intent, and what its receipt means for our own records.

A step that has its intent keeps it: the bytes stay frozen while it is open. Only a command that was refused, called off
or undone gets a new revision, and the billing profile whenever the contract says something new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tieout.domain.setup.erp import Answers
from tieout.hub import audit, canonical, crosswalk, events, flows, outbox, work
from tieout.hub.actors import SYSTEM
from tieout.hub.outbox import NewIntent
from tieout.hub.settings import load_settings
from tieout.hub.setup import FLOW, UPSERT_CUSTOMER, WORK, Case, customer_key, external_key
from tieout.store import clock
from tieout.store import outbox as intents
from tieout.store import setup as store
from tieout.telemetry.failpoints import fp

REQUESTED, CHECKED, ACTIVATED = "requested", "checked", "activated"
ERP_CUSTOMER, ERP_JOB = "erp_customer", "erp_job"
PSA_PROJECT, PSA_PROFILE, PSA_ACTIVE = "psa_project", "psa_billing_profile", "psa_active"
IN_ORDER = (ERP_CUSTOMER, ERP_JOB, PSA_PROJECT, PSA_PROFILE, PSA_ACTIVE)
FALLBACK_TASK = "Delivery"
GROUP = "project.finance"
"""The part of a project that Tieout decides: its contract and since when it is active."""


@dataclass(frozen=True)
class Effect:
    """One command: which target, operation and canonical type, and the vendor's object that it makes (if any)."""

    step: str
    target: str
    operation: str
    type: str
    object: str | None = None


EFFECTS = {
    effect.step: effect
    for effect in (
        Effect(ERP_CUSTOMER, "erp", UPSERT_CUSTOMER, "customer", "customer"),
        Effect(ERP_JOB, "erp", "upsert_job", "project", "job"),
        Effect(PSA_PROJECT, "psa", "create_project", "project", "workspace"),
        Effect(PSA_PROFILE, "psa", "set_billing_profile", "project"),
        Effect(PSA_ACTIVE, "psa", "set_project_status", "project"),
    )
}


def request_project(conn: Connection, case: Case, flow_id: str) -> None:
    """Say once that a project is wanted."""
    if flows.done(conn, flow_id, REQUESTED) is not None:
        return
    _emit(conn, events.PROJECT_REQUESTED, case)
    flows.mark(conn, flow_id, REQUESTED, "done", {"project": case.project})


def prepare(conn: Connection, case: Case, flow_id: str, step: str, answers: Answers) -> str | None:
    """The intent to deliver next for this step; None when it has nothing (more) to send."""
    effect = EFFECTS[step]
    connection = _connection(case, effect)
    if connection is None:
        return None
    is_done = flows.done(conn, flow_id, step) is not None
    if is_done and step != PSA_PROFILE:
        return None
    if step == ERP_CUSTOMER and _adopt(conn, case, flow_id, connection, answers):
        return None
    body = load_settings(conn, connection).mappings.outbound(effect.operation).render(
        _context(conn, case, effect, connection, answers)
    )  # fmt: skip
    intent = _intent(conn, case, flow_id, effect, connection, body)
    if intent is None:
        return None
    flows.mark(conn, flow_id, _noted(conn, step, intent), "waiting", {"intent": intent})
    fp("setup.prepared")
    return intent


def settle(conn: Connection, case: Case, flow_id: str, step: str, intent: str) -> None:
    """The target holds it: link its id to our number, and note the step."""
    effect = EFFECTS[step]
    row = intents.read(conn, [intent])[intent]
    target_id = str(row["target_id"])
    if effect.object is not None:
        key = str(case.contract["customer"]) if step == ERP_CUSTOMER else case.project
        crosswalk.link(conn, row["connection"], effect.object, effect.type, {target_id: key})
    if step == PSA_PROJECT:
        _own_record(conn, case, {"contract": case.key, "legal_entity": case.contract["legal_entity"]})
        work.request(conn, "sync", f"{row['connection']}/{effect.object}")
    if step == ERP_CUSTOMER:
        _wake_others(conn, case)
    flows.mark(conn, flow_id, _noted(conn, step, intent), "done", {"intent": intent, "target": target_id})
    fp("setup.settled")


def activate(conn: Connection, case: Case, flow_id: str) -> None:
    """Active in every system: note since when, tell the CRM, price the time that waited."""
    known = store.projects_of(conn, case.key)
    moment = clock.now(conn)
    held = canonical.current(conn, "project", known)
    fresh = {key: {"activated_at": moment} for key in known if held[key]["activated_at"] is None}
    canonical.write(conn, "project", fresh, GROUP, f"{FLOW} {case.key}")
    audit.record(conn, SYSTEM, "activate", "project", case.project, rows=len(fresh),
                 entity=case.contract["legal_entity"], detail={"contract": case.key, "projects": known})  # fmt: skip
    if known:
        _emit(conn, events.PROJECT_ACTIVATED, case)
    flows.mark(conn, flow_id, ACTIVATED, "done", {"at": moment})
    flows.finish(conn, flow_id)
    work.request(conn, "rate", case.key)
    tell_the_crm(conn, case)


def tell_the_crm(conn: Connection, case: Case) -> None:
    """Ask for the status of its opportunity to be written back."""
    if case.targets.crm is not None:
        work.request(conn, "status_back", case.targets.crm)


def _connection(case: Case, effect: Effect) -> str | None:
    return case.targets.erp if effect.target == "erp" else case.targets.psa


def _noted(conn: Connection, step: str, intent: str) -> str:
    """The step's name; later revisions of the billing profile are steps of their own."""
    revision = intents.read(conn, [intent])[intent]["revision"] if step == PSA_PROFILE else 1
    return step if revision == 1 else f"{step}/{revision}"


def _adopt(conn: Connection, case: Case, flow_id: str, erp: str, answers: Answers) -> bool:
    """Take over the customer that the ERP holds already in this legal entity, unless a command of ours made it."""
    store.lock(conn, f"customer/{customer_key(case)}")
    held = answers.get("customer")
    if held is None or store.last_intent(conn, erp, UPSERT_CUSTOMER, customer_key(case)) is not None:
        return False
    number, target_id = str(case.contract["customer"]), str(held["id"])
    crosswalk.link(conn, erp, "customer", "customer", {target_id: number})
    flows.mark(conn, flow_id, ERP_CUSTOMER, "done", {"adopted": target_id})
    return True


def _intent(
    conn: Connection, case: Case, flow_id: str, effect: Effect, connection: str, body: bytes
) -> str | None:
    """The open or refused command as it is, else the next revision; None when the target was told just this."""
    key = customer_key(case) if effect.step == ERP_CUSTOMER else case.project
    last = store.last_intent(conn, connection, effect.operation, key)
    if last is not None and not store.is_undone(conn, last["id"]):
        same = bytes(last["body"]) == body
        is_settled = effect.step == PSA_PROFILE and _is_noted_done(conn, flow_id, last["id"], effect.step)
        if last["state"] == "done" and same and is_settled:
            return None
        changed = last["state"] == "done" and is_settled
        again = last["state"] == "cancelled" or (last["state"] == "rejected" and not same)
        if not changed and not again:
            return str(last["id"])
    naming = {
        ERP_CUSTOMER: ("cust", str(case.contract["customer"]), str(case.contract["legal_entity"])),
        ERP_JOB: ("job", case.project),
    }.get(effect.step, (case.project,))
    new = NewIntent(
        connection, effect.operation, effect.type, key,
        intents.next_revision(conn, connection, effect.operation, key), external_key(*naming), body, flow_id,
        contract=case.key, legal_entity=case.contract["legal_entity"], amount=case.amount,
        currency=case.contract["currency"], work=(WORK, case.key),
        updates=effect.step in (PSA_PROFILE, PSA_ACTIVE),
    )  # fmt: skip
    return outbox.put(conn, [new])[0]


def _is_noted_done(conn: Connection, flow_id: str, intent: str, step: str) -> bool:
    return flows.done(conn, flow_id, _noted(conn, step, intent)) is not None


def _context(
    conn: Connection, case: Case, effect: Effect, connection: str, answers: Answers
) -> dict[str, Any]:
    """What the outbound mappings may name: the contract's and customer's facts, and ids of the target."""
    contract, customer = case.contract, case.customer or {}
    name = (case.opportunity or {}).get("name") or f"{customer.get('legal_name')} {case.key}"
    context = {
        **contract,
        "number": case.project,
        "contract": case.key,
        "title": name,
        "tasks": _tasks(conn, case),
        "status": "Active",
        "target": {
            "subsidiary": _id(answers, "subsidiary"), "currency": _id(answers, "currency"),
            "terms": _id(answers, "term"), "customer": _linked(conn, connection, "customer", contract["customer"]),
            "workspace": _linked(conn, connection, "workspace", case.project),
        },
    }  # fmt: skip
    if effect.step == ERP_CUSTOMER:
        context |= {**customer, "number": contract["customer"]}
    return context


def _tasks(conn: Connection, case: Case) -> list[str]:
    """One task per role of the primary quote; one for all work where nothing was quoted."""
    quoted = store.quoted_roles(conn, case.opportunity["key"]) if case.opportunity is not None else []
    return quoted or [FALLBACK_TASK]


def _id(answers: Answers, name: str) -> str | None:
    held = answers.get(name)
    return None if held is None else str(held["id"])


def _linked(conn: Connection, connection: str, object: str, key: Any) -> str | None:
    return crosswalk.source_ids_of(conn, connection, object, [str(key)]).get(str(key)) if key else None


def _own_record(conn: Connection, case: Case, fields: Mapping[str, Any]) -> None:
    canonical.write(conn, "project", {case.project: fields}, GROUP, f"{FLOW} {case.key}")
    audit.record(conn, SYSTEM, "link", "project", case.project, entity=case.contract["legal_entity"],
                 detail={"contract": case.key})  # fmt: skip


def _wake_others(conn: Connection, case: Case) -> None:
    """Set-ups of the same customer that waited for this very command go on."""
    others = store.waiting_for_customer(
        conn, str(case.contract["customer"]), str(case.contract["legal_entity"]), FLOW
    )
    for contract in sorted(others - {case.key}):
        work.request(conn, WORK, contract)


def _emit(conn: Connection, type: str, case: Case) -> None:
    data = {"key": case.project, "contract": case.key, "customer": case.contract["customer"]}
    events.emit(conn, [events.NewEvent(type, case.project, case.contract["legal_entity"], data)])
