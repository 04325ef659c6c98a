"""What a flow across systems has done: one row per flow and step, so that a re-run skips what is done.

`detail["legal_entity"]` of a flow decides who may see it. A flow that ended stays ended; only a done one may still be
compensated. A step that is done stays done until it is undone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.audit import plain
from tieout.hub.exceptions import Page
from tieout.hub.refusals import Invalid, NotFound
from tieout.store import clock
from tieout.store import flows as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

STEP_STATES = ("done", "waiting", "failed", "undone")
_FILTERS = {"kind", "key", "state"}
_SHOWN = 500
_NEXT = {
    "running": {"running", "waiting", "done", "failed", "compensating"},
    "waiting": {"running", "waiting", "done", "failed", "compensating"},
    "compensating": {"compensating", "compensated", "failed"},
    "done": {"done", "compensating"},
    "failed": {"failed"},
    "compensated": {"compensated"},
}


class FlowEnded(RuntimeError):
    """A flow that ended was asked to go on: the caller did not look at its state, or another run ended it first."""


def open_flow(conn: Connection, kind: str, key: str, detail: Mapping[str, Any] | None = None) -> str:
    """The flow of this kind and key, made if there is none; a waiting one runs again, an ended one stays ended."""
    moment = clock.now(conn)
    flow_id = store.open_flow(
        conn,
        {
            "id": new_id(moment), "kind": kind, "key": key, "state": "running", "detail": plain(detail or {}),
            "started_at": moment, "updated_at": moment,
        },
    )  # fmt: skip
    fp("flows.opened")
    return flow_id


def state(conn: Connection, flow_id: str) -> str:
    """running | waiting | done | compensating | compensated | failed."""
    return str(_read(conn, flow_id, SYSTEM)["state"])


def done(conn: Connection, flow_id: str, step: str) -> dict[str, Any] | None:
    """What a done step noted; None while it is not done (or was undone)."""
    return steps_done(conn, flow_id).get(step)


def steps_done(conn: Connection, flow_id: str) -> dict[str, dict[str, Any]]:
    """Detail of every done step, in order."""
    return {row["step"]: row["detail"] for row in store.steps(conn, flow_id) if row["state"] == "done"}


def mark(
    conn: Connection, flow_id: str, step: str, state: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Note a step as done, waiting, failed or undone; each note counts as an attempt, a done step keeps its first."""
    if state not in STEP_STATES:
        raise ValueError(f"a step is never {state!r}")
    row = _locked(conn, flow_id)
    if row["state"] in ("failed", "compensated"):
        raise FlowEnded(f"{row['kind']} of {row['key']} is {row['state']}: {step} cannot become {state}")
    moment = clock.now(conn)
    store.mark(conn, flow_id, step, state, plain(detail or {}), moment)
    store.set_state(conn, flow_id, {"updated_at": moment})
    fp("flows.marked")


def wait(conn: Connection, flow_id: str, waiting_for: str) -> None:
    """The flow waits; a compensating one goes on compensating. `waiting_for` is a short sentence for a person."""
    compensates = _locked(conn, flow_id)["state"] == "compensating"
    _move(conn, flow_id, "compensating" if compensates else "waiting", waiting_for)


def finish(conn: Connection, flow_id: str) -> None:
    """Every step is done."""
    _move(conn, flow_id, "done")


def fail(conn: Connection, flow_id: str, why: str) -> None:
    """The flow ends without its result; `why` says what a person should know."""
    _move(conn, flow_id, "failed", why)


def compensating(conn: Connection, flow_id: str, why: str | None = None) -> None:
    """What was done is being undone."""
    _move(conn, flow_id, "compensating", why)


def compensated(conn: Connection, flow_id: str) -> None:
    """All that can be undone is undone."""
    _move(conn, flow_id, "compensated")


def _move(conn: Connection, flow_id: str, state: str, waiting_for: str | None = None) -> None:
    row = _locked(conn, flow_id)
    if state not in _NEXT[row["state"]]:
        raise FlowEnded(f"{row['kind']} of {row['key']} is {row['state']} and cannot become {state}")
    if (row["state"], row["waiting_for"]) != (state, waiting_for):
        store.set_state(
            conn, flow_id, {"state": state, "waiting_for": waiting_for, "updated_at": clock.now(conn)}
        )
    fp(f"flows.{state}")


def _locked(conn: Connection, flow_id: str) -> dict[str, Any]:
    row = store.lock(conn, flow_id)
    if row is None:
        raise NotFound(f"There is no flow {flow_id}.")
    return row


def listed(
    conn: Connection,
    filters: Mapping[str, Any] | None = None,
    cursor: str | None = None,
    limit: int = 100,
    actor: Actor = SYSTEM,
) -> Page:
    """Flows that the actor may see, the last changed first; filters: kind, key, state."""
    chosen = {name: value for name, value in (filters or {}).items() if value not in (None, "")}
    if set(chosen) - _FILTERS:
        wrong = sorted(set(chosen) - _FILTERS)
        raise Invalid(f"Flows cannot be filtered by {', '.join(wrong)}.",
                      fields=dict.fromkeys(wrong, "unknown filter"))  # fmt: skip
    size = max(1, min(limit, _SHOWN))
    after = _decode(cursor) if cursor else None
    rows = store.listed(conn, filters=chosen, entities=actor.entities, after=after, limit=size + 1)
    return Page(rows[:size], _encode(rows[size - 1]) if len(rows) > size else None)


def show(conn: Connection, flow_id: str, actor: Actor = SYSTEM) -> dict[str, Any]:
    """One flow with its `steps` in order."""
    return {**_read(conn, flow_id, actor), "steps": store.steps(conn, flow_id)}


def _read(conn: Connection, flow_id: str, actor: Actor) -> dict[str, Any]:
    row = store.read(conn, flow_id, actor.entities) if _is_id(flow_id) else None
    if row is None:
        raise NotFound(f"There is no flow {flow_id}.", remedy="List them with `tieout flows list`.")
    return row


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _encode(row: Mapping[str, Any]) -> str:
    text = json.dumps([row["updated_at"].isoformat(), str(row["id"])])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        changed, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return datetime.fromisoformat(changed), str(UUID(last))
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "unreadable"}) from error
