"""Project set-up: a signed contract becomes a customer, a job and an active project, or one list of what is missing.

The key is the contract's number. The flow is run again by everything that may let it go on (a corrected contract or
customer, a won opportunity, a replay) and does only what our tables do not call done. A contract that ends takes its
set-up back, the last effect first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tieout import bootstrap
from tieout.domain.setup.erp import Question
from tieout.flows.durable import Later, environment, step, transaction, workflow
from tieout.hub import flows, outbox, setup, setup_effects, setup_undo
from tieout.hub.outbox import NotNow
from tieout.hub.setup import Case
from tieout.store import setup as store
from tieout.telemetry.failpoints import fp


class Pause(Exception):
    """The flow cannot go on now: `later` says when to try again, None that something else will wake it."""

    def __init__(self, later: Later | None) -> None:
        super().__init__(later)
        self.later = later


@workflow("setup", queue="flows")
def set_up_project(contract: str) -> Later | None:
    """Read, check everything at once, then customer, job, project, billing profile, active; or take it all back."""
    begun = begin(contract)
    try:
        if begun["phase"] == "set_up":
            answers = ask_the_erp(contract, begun)
            check_everything(contract, begun["flow"], answers)
            for effect in setup_effects.IN_ORDER:
                carry_out(contract, begun["flow"], effect, answers)
            activate(contract, begun["flow"])
        elif begun["phase"] == "amend":
            if check_amendment(contract) == 0:
                carry_out(contract, begun["flow"], setup_effects.PSA_PROFILE, {})
        elif begun["phase"] == "cancel":
            for undoing in start_taking_back(contract, begun["flow"]):
                take_back(contract, begun["flow"], undoing["step"], undoing["intent"])
            end_taking_back(contract, begun["flow"])
    except Pause as pause:
        return pause.later
    return None


def _case(conn: Connection, contract: str) -> Case:
    case = setup.read(conn, contract, bootstrap.connector_names())
    if case is None:
        raise LookupError(f"contract {contract} is gone, though contracts are never deleted")
    return case


@transaction
def begin(conn: Connection, contract: str) -> dict[str, Any]:
    """What has to be done, the flow's id, and what to ask the ERP."""
    case = setup.read(conn, contract, bootstrap.connector_names())
    known, state = store.state_of_flow(conn, setup.FLOW, contract)
    phase = setup.phase(case, state)
    if case is None or phase == "nothing":
        return {"phase": "nothing"}
    if phase != "set_up":
        return {"phase": phase, "flow": known}
    detail = {"legal_entity": case.contract["legal_entity"], "project": case.project}
    flow_id = flows.open_flow(conn, setup.FLOW, contract, detail)
    setup_effects.request_project(conn, case, flow_id)
    asked = [[one.name, one.kind, one.key] for one in setup.erp_questions(conn, case)]
    return {"phase": phase, "flow": flow_id, "erp": case.targets.erp, "asked": asked}


def ask_the_erp(contract: str, begun: dict[str, Any]) -> dict[str, Any]:
    """What the ERP has of what it needs first."""
    if not begun["asked"]:
        return {}
    said = ask(begun["erp"], begun["asked"])
    if "later" in said:
        pause(contract, begun["flow"], said)
    answers: dict[str, Any] = said["answers"]
    return answers


@step
def ask(erp: str, asked: list[list[str]]) -> dict[str, Any]:
    """Look the reference data up."""
    try:
        return {"answers": setup.ask(environment(), erp, [Question(*one) for one in asked])}
    except NotNow as error:
        return {"later": error.due_at.isoformat(), "why": error.why}


def check_everything(contract: str, flow_id: str, answers: dict[str, Any]) -> None:
    """Go on only when nothing is missing."""
    if judge(contract, flow_id, answers):
        raise Pause(None)


@transaction
def judge(conn: Connection, contract: str, flow_id: str, answers: dict[str, Any]) -> int:
    """How many findings there are; all of them stand on one exception, and the flow waits for them."""
    case = _case(conn, contract)
    found = setup.check(conn, case, answers)
    if found:
        flows.wait(conn, flow_id, f"incomplete set-up: {len(found)} finding{'s' if len(found) > 1 else ''}")
    else:
        flows.mark(conn, flow_id, setup_effects.CHECKED, "done")
    setup_effects.tell_the_crm(conn, case)
    return len(found)


@transaction
def check_amendment(conn: Connection, contract: str) -> int:
    """How many of the amended terms are impossible; then nothing is sent, and the correction asks for it again."""
    return len(setup.check_amendment(conn, _case(conn, contract)))


# --- one effect: intent, delivery, proof, our own records ------------------------------------------------------------


def carry_out(contract: str, flow_id: str, effect: str, answers: dict[str, Any]) -> None:
    """Bring one effect to its proven end, or pause."""
    intent = prepare(contract, flow_id, effect, answers)
    while intent is not None:
        said = deliver(intent)
        if said["state"] != "done":
            pause(contract, flow_id, said | {"step": effect})
        intent = settle(contract, flow_id, effect, intent, answers)


@transaction
def prepare(
    conn: Connection, contract: str, flow_id: str, effect: str, answers: dict[str, Any]
) -> str | None:
    """The intent to deliver, frozen before any call; None when the target has been told."""
    return setup_effects.prepare(conn, _case(conn, contract), flow_id, effect, answers)


@step
def deliver(intent: str) -> dict[str, Any]:
    """Deliver it and read it back: `done` is proven, `differs` and `rejected` have their exception, others say when."""
    fp("setup.delivering")
    stands = outbox.deliver(environment(), intent)
    if stands.state != "done":
        return _as_json(stands)
    return _proven(intent, stands)


def _proven(intent: str, stands: outbox.Delivery) -> dict[str, Any]:
    try:
        found = outbox.prove(environment(), intent)
    except NotNow as error:
        return {"state": "unproven", "later": error.due_at.isoformat(), "why": error.why}
    fp("setup.proven")
    if not found:
        return _as_json(stands)
    return {"state": "differs", "why": f"{found[0].field} is held otherwise"}


def _as_json(stands: outbox.Delivery) -> dict[str, Any]:
    said: dict[str, Any] = {
        "state": stands.state,
        "intent": stands.intent,
        "why": stands.error or stands.state,
    }
    return said | ({"later": stands.due_at.isoformat()} if stands.due_at else {})


@transaction
def settle(
    conn: Connection, contract: str, flow_id: str, effect: str, intent: str, answers: dict[str, Any]
) -> str | None:
    """Link and note what the target holds; the next intent when the contract has said something new meanwhile."""
    case = _case(conn, contract)
    setup_effects.settle(conn, case, flow_id, effect, intent)
    return setup_effects.prepare(conn, case, flow_id, effect, answers)


@transaction
def activate(conn: Connection, contract: str, flow_id: str) -> None:
    """The project is active in every system."""
    setup_effects.activate(conn, _case(conn, contract), flow_id)


def pause(contract: str, flow_id: str, said: dict[str, Any]) -> None:
    """The flow waits: for a moment when there is one, else for what a person does about the exception."""
    note_wait(contract, flow_id, said)
    later = said.get("later")
    raise Pause(Later(datetime.fromisoformat(later), str(said["why"])) if later else None)


@transaction
def note_wait(conn: Connection, contract: str, flow_id: str, said: dict[str, Any]) -> None:
    """Say on the flow what it waits for; a project that is active stays done."""
    if flows.state(conn, flow_id) != "done":
        flows.wait(conn, flow_id, f"{said.get('step', 'check')} of {contract}: {said['why']}"[:300])


# --- taking back -----------------------------------------------------------------------------------------------------


@transaction
def start_taking_back(conn: Connection, contract: str, flow_id: str) -> list[dict[str, str]]:
    """What is to be undone, the last effect first."""
    return setup_undo.begin(conn, _case(conn, contract), flow_id, f"contract {contract} ended")


def take_back(contract: str, flow_id: str, effect: str, intent: str) -> None:
    """Undo one effect once, or note why it stays, or pause."""
    allowed = may_take_back(contract, flow_id, effect, intent)
    if allowed == "stays":
        return
    if allowed == "later":
        raise Pause(None)
    said = undo(intent)
    if said["state"] not in ("done", "cancelled", "kept", "never"):
        failed = "compensation failed: " if said["state"] == "rejected" else ""
        pause(contract, flow_id, said | {"step": effect, "why": f"{failed}{said['why']}"})
    note_undone(contract, flow_id, effect, intent, said["state"])


@transaction
def may_take_back(conn: Connection, contract: str, flow_id: str, effect: str, intent: str) -> str:
    """`now`; `stays` when others use it (noted at once); `later` while its money is open (with an exception)."""
    case = _case(conn, contract)
    if setup_undo.held_up(conn, case, flow_id, effect):
        return "later"
    reason = setup_undo.kept_because(conn, case, flow_id, effect, intent)
    if reason is None:
        return "now"
    setup_undo.settle(conn, case, flow_id, effect, intent, {"kept": reason})
    return "stays"


@step
def undo(intent: str) -> dict[str, Any]:
    """Call it off, or carry out its declared inverse: `never` arrived, `kept` where there is no inverse."""
    fp("setup.undoing")
    stands = outbox.undo(environment(), intent)
    if stands is None:
        return {"state": "kept"}
    if stands.intent == intent:
        return {"state": "never"} if stands.state in ("rejected", "cancelled") else _as_json(stands)
    return _proven(stands.intent, stands) if stands.state == "done" else _as_json(stands)


@transaction
def note_undone(conn: Connection, contract: str, flow_id: str, effect: str, intent: str, how: str) -> None:
    """The effect is undone."""
    setup_undo.settle(conn, _case(conn, contract), flow_id, effect, intent, {"undone": how})


@transaction
def end_taking_back(conn: Connection, contract: str, flow_id: str) -> None:
    """Nothing of the set-up stands any more."""
    setup_undo.end(conn, _case(conn, contract), flow_id)
