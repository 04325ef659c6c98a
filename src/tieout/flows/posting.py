"""Posting: a released invoice or credit note becomes one approved document of the ERP, proven by reading it back.

The key is its number. Nothing here changes number or date: what the ERP refuses stays released, with an exception.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tieout import bootstrap
from tieout.domain.setup.erp import Question
from tieout.flows.durable import Later, environment, step, transaction, workflow
from tieout.hub import flows, outbox, setup
from tieout.hub.billing import posting
from tieout.hub.outbox import NotNow
from tieout.store import clock
from tieout.telemetry.failpoints import fp

FLOWS = {"invoice": "invoice_posting", "credit_note": "credit_posting"}
AGAIN = timedelta(minutes=5)


@workflow("post", queue="flows")
def post(number: str) -> Later | None:
    """Ask what the ERP needs, freeze the command, deliver, read back, note it as posted."""
    begun = begin(number)
    if begun["phase"] == "over":
        return None
    if begun["phase"] == "later":
        return _later(begun)
    intent = begun["intent"]
    if intent is None:
        said = ask(begun["erp"], begun["asked"])
        if "later" in said:
            return _later(said)
        intent = prepare(number, begun["flow"], said["answers"])
        if intent is None:
            return None
    said = deliver(intent)
    if said["state"] == "done":
        settle(number, begun["flow"], intent)
        return None
    note(number, begun["flow"], intent, said)
    return _later(said) if "later" in said else None


def _later(said: dict[str, Any]) -> Later:
    return Later(datetime.fromisoformat(said["later"]), str(said["why"]))


def _case(conn: Connection, number: str) -> posting.Case:
    return posting.read(conn, number, bootstrap.connector_names())


@transaction
def begin(conn: Connection, number: str) -> dict[str, Any]:
    """Whether there is something to do, the open command if there is one, and what to ask the ERP."""
    case = _case(conn, number)
    if case.erp is None or case.row["posted_at"] is not None:
        return {"phase": "over"}
    if not posting.original_posted(conn, case):
        moment = clock.now(conn) + AGAIN
        return {"phase": "later", "later": moment.isoformat(), "why": "its invoice is not posted yet"}
    detail = {"legal_entity": case.row["legal_entity"], "contract": case.row["contract"]}
    flow_id = flows.open_flow(conn, FLOWS[case.row["kind"]], number, detail)
    last = posting.intent_of(conn, case)
    is_open = last is not None and last["state"] not in ("rejected", "cancelled")
    return {
        "phase": "post", "flow": flow_id, "erp": case.erp,
        "intent": str(last["id"]) if is_open and last is not None else None,
        "asked": [] if is_open else posting.questions(conn, case),
    }  # fmt: skip


@step
def ask(erp: str, asked: list[list[str]]) -> dict[str, Any]:
    """Look up what the document refers to, the period again: it may have been closed since the release."""
    try:
        answers = setup.ask(environment(), erp, [Question(*one) for one in asked])
    except NotNow as error:
        return {"later": error.due_at.isoformat(), "why": error.why}
    fp("posting.asked")
    return {
        "answers": {
            name: None if held is None else {"id": str(held["id"]), "open": held.get("open", True)}
            for name, held in answers.items()
        }
    }


@transaction
def prepare(conn: Connection, number: str, flow_id: str, answers: dict[str, Any]) -> str | None:
    """The frozen command; None when something is missing there or a person must act on a refusal first."""
    case = _case(conn, number)
    causes = posting.missing(conn, case, answers)
    if posting.closed(answers):
        causes.append(f"the period of {case.row['issue_date']} is closed in {case.erp}")
    if causes:
        posting.refuse(conn, case, causes, period_closed=posting.closed(answers))
        flows.wait(conn, flow_id, "; ".join(causes)[:300])
        return None
    intent = posting.prepare(conn, case, answers, flow_id)
    if intent is not None:
        flows.mark(conn, flow_id, "sent", "waiting", {"intent": intent})
    fp("posting.prepared")
    return intent


@step
def deliver(intent: str) -> dict[str, Any]:
    """Deliver and read back: number, total, currency, period, approval. `done` is proven."""
    fp("posting.delivering")
    stands = outbox.deliver(environment(), intent)
    said: dict[str, Any] = {"state": stands.state, "why": stands.error or stands.state}
    if stands.state != "done":
        return said | ({"later": stands.due_at.isoformat()} if stands.due_at else {})
    try:
        found = outbox.prove(environment(), intent)
    except NotNow as error:
        return {"state": "unproven", "later": error.due_at.isoformat(), "why": error.why}
    fp("posting.proven")
    if found:
        return {"state": "differs", "why": f"{found[0].field} is held otherwise"}
    return said | {"target": stands.target_id}


@transaction
def settle(conn: Connection, number: str, flow_id: str, intent: str) -> None:
    """Posted: link, state, event, audit."""
    stands = outbox.read(conn, [intent])[intent]
    posting.settle(conn, _case(conn, number), str(stands.target_id))
    if flows.state(conn, flow_id) != "done":
        flows.mark(conn, flow_id, "sent", "done", {"intent": intent, "target": stands.target_id})
        flows.finish(conn, flow_id)


@transaction
def note(conn: Connection, number: str, flow_id: str, intent: str, said: dict[str, Any]) -> None:
    """What the flow waits for; a refusal is `unposted` with the money of the document."""
    if said["state"] == "rejected":
        posting.refuse(conn, _case(conn, number), [str(said["why"])], intent=intent)
    flows.wait(conn, flow_id, str(said["why"])[:300])
