"""Taking a set-up back, the last effect first: what may be undone now, and what every answer means."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, events, exceptions, flows, setup
from tieout.hub.actors import SYSTEM
from tieout.hub.exceptions import NewException
from tieout.hub.setup import Case
from tieout.hub.setup_effects import ERP_CUSTOMER, ERP_JOB, tell_the_crm
from tieout.store import canonical
from tieout.store import outbox as intents
from tieout.store import setup as store
from tieout.telemetry.failpoints import fp

FAILED = "compensation-failed"
_OF_FORWARD = ("rejected-by-target", "unknown-outcome", "id-reuse", "read-back-difference")


def begin(conn: Connection, case: Case, flow_id: str, why: str) -> list[dict[str, str]]:
    """The flow is being undone: its effects that are not undone yet, {step, intent}, the last one first."""
    if flows.state(conn, flow_id) != "compensating":
        setup.close_findings(conn, case)
    flows.compensating(conn, flow_id, why)
    steps = flows.show(conn, flow_id)["steps"]
    return [
        {"step": row["step"], "intent": row["detail"]["intent"]}
        for row in reversed(steps)
        if row["state"] != "undone" and row["detail"].get("intent")
    ]


def kept_because(conn: Connection, case: Case, flow_id: str, step: str, intent: str) -> str | None:
    """Why an effect stays for good: a customer that others use, or that this flow did not make."""
    if step != ERP_CUSTOMER:
        return None
    store.lock(conn, f"customer/{setup.customer_key(case)}")
    if str(intents.read(conn, [intent])[intent]["flow_id"]) != flow_id:
        return "another contract made it"
    customer, entity = str(case.contract["customer"]), str(case.contract["legal_entity"])
    others = store.contracts_of_customer(conn, customer, entity) - {case.key}
    return f"used by {', '.join(sorted(others))}" if others else None


def held_up(conn: Connection, case: Case, flow_id: str, step: str) -> bool:
    """Whether the ERP still needs the record, since money of the contract is not billed or not collected.

    A person bills and collects (or writes off) and replays; the amount stands on the open exception.
    """
    if step not in (ERP_JOB, ERP_CUSTOMER):
        return False
    amount, documents = store.open_money(conn, case.key)
    if not amount and not documents:
        return False
    cause = (
        f"{case.project} stays active in {case.targets.erp}: contract {case.key} still has {amount:f}"
        f" {case.contract['currency']} to bill or to collect ({documents} unpaid invoices)."
        " Bill, collect or credit it, then replay."
    )
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                FAILED, case.project, cause, case.key, case.contract["legal_entity"], amount,
                case.contract["currency"], {"work": case.work, "step": step, "group": "money is still open"},
            )
        ],
    )  # fmt: skip
    flows.wait(conn, flow_id, f"compensation failed: {step} is still needed")
    return True


def settle(
    conn: Connection, case: Case, flow_id: str, step: str, intent: str, detail: dict[str, Any]
) -> None:
    """An effect is undone, or stays for a reason that is noted. The link stays: the record still exists there."""
    row = intents.read(conn, [intent])[intent]
    for kind in intents.open_exception_kinds(conn, row, _OF_FORWARD):
        exceptions.resolve(conn, kind, [row["key"]], "it was taken back")
    flows.mark(conn, flow_id, step, "undone", {"intent": intent, **detail})
    fp("setup.undone")


def end(conn: Connection, case: Case, flow_id: str) -> None:
    """Everything that can be undone is. The closing is announced here unless it was read before.

    No record of a project is taken in meanwhile, so that one of the two sees the other's announcement.
    """
    canonical.lock_types(conn, ["project"])
    held = canonical.current(conn, "project", [case.project]).get(case.project)
    exceptions.resolve(conn, FAILED, [case.project], "everything is undone")
    flows.compensated(conn, flow_id)
    if held is None or held["state"] != "closed":
        data = {"key": case.project, "contract": case.key, "cancelled": True}
        event = events.NewEvent(events.PROJECT_CLOSED, case.project, case.contract["legal_entity"], data)
        events.emit(conn, [event])
    audit.record(conn, SYSTEM, "cancel", "project", case.project, entity=case.contract["legal_entity"],
                 detail={"contract": case.key})  # fmt: skip
    tell_the_crm(conn, case)
