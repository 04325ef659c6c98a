"""The protocol of one delivery, as short transactions around calls: count, call, record.

An attempt is counted and committed before its call. Whatever was sent without proof stays `unknown`: it is looked up,
and sent again only when the target can no longer apply the earlier call and its look-up can no longer lag behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import Connection

from tieout.connectors.kit.interface import (
    AuthFailed,
    Command,
    Conflict,
    Connector,
    ConnectorError,
    Difference,
    Drift,
    RateLimited,
    Receipt,
    Rejected,
    Retryable,
    UnknownOutcome,
)
from tieout.connectors.kit.manifest import Manifest, Write
from tieout.hub import audit, complaints
from tieout.hub.actors import SYSTEM
from tieout.hub.connections import answered
from tieout.hub.refusals import NotFound
from tieout.store import clock, connections
from tieout.store import outbox as store
from tieout.telemetry.failpoints import fp

Action = Literal["send", "look_up", "read_back"]
MOST_ATTEMPTS = 10
HOURLY = timedelta(hours=1)
PAUSE = timedelta(minutes=15)
_FIRST, _LONGEST = 5, 900
_OUTCOMES: tuple[tuple[type[ConnectorError], str], ...] = (
    (RateLimited, "rate_limited"), (Retryable, "retryable"), (Conflict, "conflict"), (Rejected, "rejected"),
    (AuthFailed, "auth"), (UnknownOutcome, "unknown"), (Drift, "drift"),
)  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """Where an intent stands: done | pending | unknown | rejected | cancelled; `due_at` = when to go on."""

    intent: str
    state: str
    due_at: datetime | None = None
    target_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Call:
    """One call that was counted and may now be made."""

    attempt: int
    action: Action
    intent: dict[str, Any]

    @property
    def command(self) -> Command:
        """The frozen command."""
        return command_of(self.intent)


def command_of(row: dict[str, Any]) -> Command:
    """The frozen command of an intent."""
    return Command(row["operation"], row["external_key"], bytes(row["body"]))


def manifest_of(connector: Connector) -> Manifest:
    """What the connector declares about itself."""
    return cast(Manifest, getattr(connector, "manifest"))  # noqa: B009 - every connector carries it


def write_of(connector: Connector, operation: str) -> Write | None:
    """What the connector declares about an operation; None: it has none of that name (apply refuses it)."""
    return manifest_of(connector).writes.get(operation)


def standing(row: dict[str, Any]) -> Delivery:
    """The delivery of an intent as it stands in the table."""
    is_open = row["state"] in store.OPEN
    said = (row["error"] or {}).get("message")
    return Delivery(str(row["id"]), row["state"], row["due_at"] if is_open else None, row["target_id"], said)


def locked(conn: Connection, intent_id: str) -> dict[str, Any]:
    """One intent, held until the transaction ends."""
    rows = store.lock(conn, [intent_id])
    if not rows:
        raise NotFound(f"There is no intent {intent_id}.")
    return rows[0]


# --- before the call ---------------------------------------------------------------------------------------------


def begin(
    conn: Connection, connector: Connector, intent_id: str, action: Action | None = None
) -> Call | Delivery:
    """Count the next call of an intent, or say why none may be made now. `action` goes on within one pass."""
    row = locked(conn, intent_id)
    if row["state"] not in store.OPEN:
        return standing(row)
    moment = clock.now(conn)
    if row["due_at"] > moment:
        return standing(row)
    waits = _waits_for_order(conn, row, moment) or _waits_for_connection(conn, row["connection"], moment)
    if waits is not None:
        return _put_off(conn, row, waits)
    chosen = action or _first_action(conn, connector, row)
    if chosen == "send" and row["cancel_reason"]:
        return _end(conn, row, "cancelled", {"message": row["cancel_reason"]})
    return count_calls(conn, [row], chosen, moment, new_pass=action is None)[0]


def begin_together(
    conn: Connection, connector: Connector, ids: Sequence[str]
) -> tuple[list[Call], dict[str, Delivery]]:
    """Count one call for several fresh intents of one operation; those that may not go now, as they stand."""
    moment = clock.now(conn)
    rows, ended = [], {}
    for row in store.lock(conn, ids):
        fresh = row["state"] == "pending" and row["attempts"] == 0 and row["due_at"] <= moment
        waits = _waits_for_order(conn, row, moment) if fresh else None
        if not fresh or waits is not None:
            ended[str(row["id"])] = _put_off(conn, row, waits) if waits else standing(row)
        else:
            rows.append(row)
    until = _waits_for_connection(conn, rows[0]["connection"], moment) if rows else None
    if until is not None:
        return [], ended | {str(row["id"]): _put_off(conn, row, until) for row in rows}
    return count_calls(conn, rows, "send", moment) if rows else [], ended


def count_calls(
    conn: Connection,
    rows: Sequence[dict[str, Any]],
    action: Action,
    moment: datetime,
    *,
    new_pass: bool = True,
) -> list[Call]:
    """Write the attempts of one call for these intents of one connection."""
    name = rows[0]["connection"]
    numbers = store.add_attempts(conn, name, [str(row["id"]) for row in rows], action, moment)
    for row in rows:
        row["attempts"] += 1 if new_pass else 0
        values: dict[str, Any] = {"attempts": row["attempts"]}
        if action == "look_up":
            values["looked_up"] = row["looked_up"] + 1
        if action == "send" and row["first_sent_at"] is None:
            values["first_sent_at"] = moment
        store.change(conn, row["id"], values)
    fp("outbox.counting")
    return [Call(numbers[str(row["id"])], action, row) for row in rows]


def _first_action(conn: Connection, connector: Connector, row: dict[str, Any]) -> Action:
    write = write_of(connector, row["operation"])
    natural = write is not None and write.idempotency == "natural"
    return "send" if row["attempts"] == 0 or natural else "look_up"


def _waits_for_order(conn: Connection, row: dict[str, Any], moment: datetime) -> datetime | None:
    """Revisions of a key go out in order; one that a later revision has overtaken is not sent any more."""
    waits = None
    for other in store.other_revisions(conn, row):
        if other["revision"] < row["revision"] and other["state"] in store.OPEN:
            waits = max(other["due_at"], moment + timedelta(seconds=_FIRST), waits or moment)
        overtaken = other["revision"] > row["revision"] and other["state"] == "done"
        if overtaken and store.last_uncertain(conn, row["id"]) is None:
            why = f"superseded by revision {other['revision']}"
            _end(conn, row, "cancelled", {"message": why})
            return moment
    return waits


def _waits_for_connection(conn: Connection, name: str, moment: datetime) -> datetime | None:
    """The moment before which the connection may not be called; None: now."""
    held = store.lock_connection(conn, name)
    if held is None:
        raise NotFound(f"There is no connection {name}.")
    if not held["enabled"]:
        return moment + PAUSE
    if held["blocked_until"] is not None and held["blocked_until"] > moment:
        return cast(datetime, held["blocked_until"])
    minute = timedelta(minutes=1)
    calls, first = store.calls_since(conn, name, moment - minute)
    if calls >= held["budget_per_minute"]:
        return (first or moment) + minute
    return None


def may_call(conn: Connection, name: str) -> datetime | None:
    """None when the connection may be called now (it stays locked for the count), else from when on."""
    return _waits_for_connection(conn, name, clock.now(conn))


def _put_off(conn: Connection, row: dict[str, Any], until: datetime) -> Delivery:
    if row["state"] in store.OPEN and until > row["due_at"]:
        store.change(conn, row["id"], {"due_at": until})
        row["due_at"] = until
    return standing(row)


# --- after the call ----------------------------------------------------------------------------------------------


def record_send(
    conn: Connection, connector: Connector, call: Call, said: Receipt | ConnectorError
) -> Delivery:
    """What became of sent bytes."""
    row = locked(conn, str(call.intent["id"]))
    if isinstance(said, Receipt):
        said = _checked(conn, connector, row, said)
    _close_attempt(conn, call, said)
    fp("outbox.recording")
    if isinstance(said, Receipt):
        return _applied(conn, row, said)
    if _is_stale(conn, row, call):
        return standing(row)
    if isinstance(said, Rejected):
        error = _as_json(said)
        complaints.rejected(conn, row, error)
        return _end(conn, row, "rejected", error)
    if isinstance(said, AuthFailed | RateLimited):
        return _connection_refuses(conn, row, said, "pending")
    proves_nothing = not isinstance(said, Retryable | Conflict)
    return _try_again(conn, connector, row, said, "unknown" if proves_nothing else "pending")


def record_look_up(
    conn: Connection, connector: Connector, call: Call, said: Receipt | ConnectorError | None
) -> Delivery | Receipt | None:
    """The receipt that was found (prove it next), None when the bytes may be sent, or where the intent stands."""
    row = locked(conn, str(call.intent["id"]))
    if isinstance(said, Receipt):
        said = _checked(conn, connector, row, said)
    _close_attempt(conn, call, said)
    fp("outbox.recording")
    if _is_stale(conn, row, call):
        return standing(row)
    if isinstance(said, Receipt):
        return said
    if isinstance(said, ConnectorError):
        return _look_up_failed(conn, connector, row, said)
    return _absent(conn, connector, row)


def record_found(
    conn: Connection,
    connector: Connector,
    call: Call,
    receipt: Receipt,
    said: Sequence[Difference] | ConnectorError,
) -> Delivery | None:
    """Adopt a record that was found under our key when it holds what we sent; None: it is older, send the new values."""
    row = locked(conn, str(call.intent["id"]))
    failed = isinstance(said, ConnectorError)
    _close_attempt(conn, call, cast(ConnectorError, said) if failed else receipt)
    fp("outbox.recording")
    if _is_stale(conn, row, call):
        return standing(row)
    if isinstance(said, ConnectorError):
        return _look_up_failed(conn, connector, row, said)
    if not said:
        return _applied(conn, row, receipt)
    if _sets_values(conn, row):
        return _absent(conn, connector, row)
    if row["cancel_reason"]:
        return _applied(conn, row, receipt)
    ours = store.last_uncertain(conn, row["id"]) is not None
    error = complaints.differs(
        conn, row, receipt.target_id, said, "read-back-difference" if ours else "id-reuse"
    )
    return _end(conn, row, "rejected", error)


def call_off(conn: Connection, row: dict[str, Any], reason: str) -> Delivery:
    """Never send this again; ended at once unless something may have arrived."""
    if row["state"] not in (*store.OPEN, "rejected"):
        return standing(row)
    if store.last_uncertain(conn, row["id"]) is None:
        return _end(conn, row, "cancelled", {"message": reason})
    values = {"cancel_reason": row["cancel_reason"] or reason}
    if row["state"] == "rejected":
        values |= {"state": "unknown", "due_at": clock.now(conn)}
    store.change(conn, row["id"], values)
    row.update(values)
    return standing(row)


def note_failure(conn: Connection, call: Call, error: ConnectorError) -> datetime:
    """A reading call failed: note it and tell from when on it may be repeated."""
    _close_attempt(conn, call, error)
    moment = clock.now(conn)
    if isinstance(error, AuthFailed | RateLimited):
        return _block(conn, call.intent, error, moment)
    return moment + timedelta(seconds=error.after_seconds or 60)


def note_read_back(conn: Connection, call: Call, found: Sequence[Difference]) -> None:
    """A read-back was answered: proven, or a difference that a person must see."""
    row = locked(conn, str(call.intent["id"]))
    store.end_attempt(conn, call.attempt, "differs" if found else "proven", None, None)
    if found:
        complaints.differs(conn, row, row["target_id"], found, "read-back-difference")
        return
    store.change(conn, row["id"], {"read_back_at": clock.now(conn)})
    complaints.settle(conn, row, ("read-back-difference",), "the target holds what was sent")


def _checked(
    conn: Connection, connector: Connector, row: dict[str, Any], receipt: Receipt
) -> Receipt | ConnectorError:
    """A receipt counts only when it speaks of our record (an answer may belong to another request)."""
    if receipt.external_key != row["external_key"]:
        return UnknownOutcome(f"the answer is about {receipt.external_key[:100]}", "wrong-record")
    if not receipt.target_id.strip() or len(receipt.target_id) > 200:
        return UnknownOutcome("the answer carries no usable id", "no-id")
    write = write_of(connector, row["operation"])
    if write is not None and write.idempotency != "natural":
        holder = store.holder_of(conn, row, receipt.target_id)
        if holder is not None:
            return UnknownOutcome(f"the answer carries the id of {holder}", "wrong-record")
    return receipt


def _close_attempt(conn: Connection, call: Call, said: Receipt | ConnectorError | None) -> None:
    if isinstance(said, ConnectorError):
        outcome = next((name for kind, name in _OUTCOMES if isinstance(said, kind)), "unknown")
        store.end_attempt(
            conn, call.attempt, outcome, audit.plain(said.code), audit.plain(said.message[:500])
        )
        return
    reading = "absent" if said is None else "found"
    store.end_attempt(conn, call.attempt, "ok" if call.action == "send" else reading, None, None)


def _is_stale(conn: Connection, row: dict[str, Any], call: Call) -> bool:
    """Someone else went on meanwhile: without a receipt in hand we have nothing to add."""
    return row["state"] not in store.OPEN or store.last_attempt(conn, row["id"]) != call.attempt


def _sets_values(conn: Connection, row: dict[str, Any]) -> bool:
    """Whether the record may hold older values of ours or another's, which this intent is there to replace."""
    if row["context"].get("updates"):
        return True
    return any(
        other["revision"] < row["revision"] and other["state"] == "done"
        for other in store.other_revisions(conn, row)
    )


def _applied(conn: Connection, row: dict[str, Any], receipt: Receipt) -> Delivery:
    if row["state"] == "done":
        if row["target_id"] != receipt.target_id:
            complaints.unknown(conn, row, f"two answers name {row['target_id']} and {receipt.target_id}")
        return standing(row)
    moment = clock.now(conn)
    late = row["state"] == "cancelled"
    values = {
        "state": "done", "target_id": receipt.target_id, "receipt": audit.plain(receipt.detail), "error": None,
        "done_at": moment,
    }  # fmt: skip
    store.change(conn, row["id"], values)
    row.update(values)
    audit.record(conn, SYSTEM, "deliver", row["type"], row["key"], entity=row["context"].get("legal_entity"),
                 digest=bytes(row["digest"]), detail={"intent": row["id"], "target_id": receipt.target_id})  # fmt: skip
    complaints.settle(conn, row, complaints.OF_DELIVERY, "the target holds it")
    answered(conn, row["connection"])
    if late:
        complaints.unknown(conn, row, "the target applied it after it had been cancelled")
    return standing(row)


def _absent(conn: Connection, connector: Connector, row: dict[str, Any]) -> Delivery | None:
    """Nothing of ours is there: None when that is proven and the bytes may be sent."""
    sent_at = store.last_uncertain(conn, row["id"])
    write = write_of(connector, row["operation"])
    if sent_at is not None:
        seconds = manifest_of(connector).max_server_seconds + (write.lookup_lag_seconds if write else 0)
        settled_at = sent_at + timedelta(seconds=seconds)
        if clock.now(conn) < settled_at:
            return _later(conn, row, "unknown", settled_at, row["error"])
    if row["cancel_reason"]:
        return _end(conn, row, "cancelled", {"message": row["cancel_reason"]})
    if sent_at is not None and write is not None and write.idempotency == "none":
        complaints.unknown(conn, row, "nothing is found and a second sending could make a second record")
        return _later(conn, row, "unknown", clock.now(conn) + HOURLY, row["error"])
    return None


def _look_up_failed(
    conn: Connection, connector: Connector, row: dict[str, Any], error: ConnectorError
) -> Delivery:
    if isinstance(error, AuthFailed | RateLimited):
        return _connection_refuses(conn, row, error, row["state"])
    if not isinstance(error, Conflict | Rejected):
        return _try_again(conn, connector, row, error, row["state"])
    said = _as_json(error)
    if isinstance(error, Rejected) and store.last_uncertain(conn, row["id"]) is None:
        complaints.rejected(conn, row, said)
        return _end(conn, row, "rejected", said)
    complaints.unknown(conn, row, f"the look-up says: {error.message}")
    return _later(conn, row, "unknown", clock.now(conn) + HOURLY, said)


def _connection_refuses(
    conn: Connection, row: dict[str, Any], error: AuthFailed | RateLimited, state: str
) -> Delivery:
    until = _block(conn, row, error, clock.now(conn))
    return _later(conn, row, state, until, _as_json(error))


def _block(conn: Connection, row: dict[str, Any], error: ConnectorError, moment: datetime) -> datetime:
    """No call of the whole connection for a while; a credential also needs a person."""
    if isinstance(error, AuthFailed):
        until = moment + PAUSE
        complaints.credential(conn, row["connection"], error)
    else:
        until = moment + timedelta(seconds=60 if error.after_seconds is None else max(1, error.after_seconds))
    connections.block(conn, row["connection"], until)
    if isinstance(error, RateLimited):
        complaints.budget(conn, row["connection"], until, error.message)
    return until


def _try_again(
    conn: Connection, connector: Connector, row: dict[str, Any], error: ConnectorError, state: str
) -> Delivery:
    moment = clock.now(conn)
    said = _as_json(error)
    late = row["deadline"] is not None and moment > row["deadline"]
    if row["attempts"] > MOST_ATTEMPTS or late:
        complaints.unknown(conn, row, error.message)
        return _later(conn, row, state, moment + HOURLY, said)
    write = write_of(connector, row["operation"])
    seconds = max(1, error.after_seconds) if error.after_seconds is not None else _back_off(row)
    if state == "unknown" and write is not None:
        seconds = max(seconds, write.lookup_lag_seconds)
    return _later(conn, row, state, moment + timedelta(seconds=seconds), said)


def _back_off(row: dict[str, Any]) -> int:
    """5 s, 10 s, 20 s … 15 min, spread by a fifth so that what failed together does not come back together."""
    base = _FIRST * 2 ** min(max(row["attempts"], 1) - 1, 8)
    return int(min(_LONGEST, base + int(str(row["id"])[-4:], 16) % (base // 5 + 1)))


def _later(
    conn: Connection, row: dict[str, Any], state: str, due_at: datetime, error: dict[str, Any] | None
) -> Delivery:
    values = {"state": state, "due_at": due_at, "error": error}
    store.change(conn, row["id"], values)
    row.update(values)
    return standing(row)


def _end(conn: Connection, row: dict[str, Any], state: str, error: dict[str, Any]) -> Delivery:
    values = {"state": state, "error": error}
    store.change(conn, row["id"], values)
    row.update(values)
    audit.record(conn, SYSTEM, {"rejected": "refuse", "cancelled": "cancel"}[state], row["type"], row["key"],
                 entity=row["context"].get("legal_entity"), reason=error["message"],
                 detail={"intent": row["id"]})  # fmt: skip
    if state == "cancelled":
        complaints.settle(conn, row, complaints.OF_DELIVERY, error["message"])
    return standing(row)


def _as_json(error: ConnectorError) -> dict[str, Any]:
    said = {
        "kind": type(error).__name__,
        "message": error.message[:500],
        "code": error.code,
        "field": error.field_name,
    }
    return cast(dict[str, Any], audit.plain(said))
