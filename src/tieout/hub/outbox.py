"""The outbox: every outgoing command is a committed intent with frozen bytes before any call is made.

`deliver` makes at most one live record per intent: it counts before it calls, looks up before it sends again, and takes
only evidence (a receipt about our key, or a record found and read back) for an end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from tieout.connectors.kit.interface import (
    Connector,
    ConnectorError,
    Difference,
    Receipt,
    UnknownOutcome,
)
from tieout.hub import audit, delivery
from tieout.hub.actors import SYSTEM
from tieout.hub.delivery import Call, Delivery
from tieout.hub.refusals import NotFound
from tieout.store import clock
from tieout.store import outbox as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

__all__ = [
    "ChangedBytes", "Delivery", "NewIntent", "NotNow", "Outside", "cancel", "deliver", "deliver_batch", "overdue",
    "prove", "put", "read", "undo",
]  # fmt: skip


class Outside(Protocol):
    """Where connectors come from; `engine` opens the short transactions around their calls."""

    @property
    def engine(self) -> Engine: ...

    def connector(self, name: str) -> Connector: ...


@dataclass(frozen=True)
class NewIntent:
    """One command to be carried out once: `body` is what every attempt sends, `external_key` what the target keeps.

    `updates` says that the target's record may exist with other values, which this command is there to replace; without
    it a record that holds something else is never overwritten. `contract`, `legal_entity`, `amount` and `currency` say
    what an exception is about, `work` (kind, key) is requested when such an exception is replayed.
    """

    connection: str
    operation: str
    type: str
    key: str
    revision: int
    external_key: str
    body: bytes
    flow_id: str | None = None
    compensates: str | None = None
    contract: str | None = None
    legal_entity: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    work: tuple[str, str] | None = None
    updates: bool = False
    deadline_seconds: int = 86_400


class ChangedBytes(RuntimeError):
    """The same revision was asked for with other content: what is frozen stays frozen, a change is a new revision."""


class NotNow(Exception):
    """A reading call cannot be made or was not answered; ask again at `due_at`."""

    def __init__(self, due_at: datetime, why: str) -> None:
        super().__init__(why)
        self.due_at, self.why = due_at, why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.due_at, self.why)


def put(conn: Connection, intents: Sequence[NewIntent]) -> list[str]:
    """Freeze intents in the transaction of their cause; their ids, the same ones when they are there already."""
    moment = clock.now(conn)
    rows = [_row(one, moment) for one in intents]
    identities = [_identity(row) for row in rows]
    unique = dict(reversed(list(zip(identities, rows, strict=True))))
    added = store.add(conn, [unique[identity] for identity in sorted(unique)])
    held = store.by_identity(conn, unique)
    for identity, row in zip(identities, rows, strict=True):
        kept = held[identity]
        if (kept["digest"], kept["external_key"]) != (row["digest"], row["external_key"]):
            raise ChangedBytes(
                f"{row['operation']} of {row['key']} revision {row['revision']} for {row['connection']} is frozen"
                " with other content: a change needs a new revision"
            )
    if added:
        fresh = [row for row in unique.values() if row["id"] in added]
        key = fresh[0]["key"] if len(fresh) == 1 else f"{len(fresh)} intents"
        audit.record(conn, SYSTEM, "request", "intent", key, rows=len(fresh),
                     digest=audit.digest_of([[*_identity(r), r["digest"]] for r in fresh]))  # fmt: skip
    fp("outbox.put")
    return [held[identity]["id"] for identity in identities]


def _row(one: NewIntent, moment: datetime) -> dict[str, Any]:
    context = {
        "contract": one.contract, "legal_entity": one.legal_entity, "currency": one.currency,
        "amount": None if one.amount is None else format(one.amount, "f"), "updates": one.updates or None,
        "work": None if one.work is None else {"kind": one.work[0], "key": one.work[1]},
    }  # fmt: skip
    return {
        "id": new_id(moment), "connection": one.connection, "operation": one.operation, "type": one.type,
        "key": one.key, "revision": one.revision, "external_key": one.external_key, "body": one.body,
        "digest": hashlib.sha256(one.body).digest(), "compensates": one.compensates, "flow_id": one.flow_id,
        "state": "pending", "due_at": moment, "recorded_at": moment,
        "deadline": moment + timedelta(seconds=one.deadline_seconds),
        "context": {name: value for name, value in context.items() if value is not None},
    }  # fmt: skip


def _identity(row: Mapping[str, Any]) -> tuple[str, str, str, int]:
    return row["connection"], row["operation"], row["key"], row["revision"]


def read(conn: Connection, ids: Collection[str]) -> dict[str, Delivery]:
    """Where intents stand."""
    return {one: delivery.standing(row) for one, row in store.read(conn, ids).items()}


def overdue(conn: Connection, seconds: int = 300, limit: int = 500) -> list[str]:
    """Open intents that no one has gone on with although they have been due for that long: for the sweeper."""
    return store.due(conn, clock.now(conn), timedelta(seconds=seconds), limit)


def deliver(outside: Outside, intent_id: str) -> Delivery:
    """Bring one intent as far as it goes now: look up what may be there, else send the frozen bytes."""
    connector = _connector(outside, intent_id)
    with outside.engine.begin() as conn:
        call = delivery.begin(conn, connector, intent_id)
    if isinstance(call, Delivery):
        return call
    if call.action == "look_up":
        stands = _look_up(outside, connector, call)
        if stands is not None:
            return stands
        with outside.engine.begin() as conn:
            call = delivery.begin(conn, connector, intent_id, "send")
        if isinstance(call, Delivery):
            return call
    fp("outbox.counted")
    said = _send(connector, call)
    fp("outbox.sent")
    with outside.engine.begin() as conn:
        stands = delivery.record_send(conn, connector, call, said)
    fp("outbox.recorded")
    return stands


def _send(connector: Connector, call: Call) -> Receipt | ConnectorError:
    try:
        return connector.apply(call.command)
    except ConnectorError as error:
        return error


def _look_up(outside: Outside, connector: Connector, call: Call) -> Delivery | None:
    """Where the intent stands after looking up (and reading back what was found); None: send it."""
    fp("outbox.counted")
    said: Receipt | ConnectorError | None
    try:
        said = connector.lookup(call.intent["operation"], call.intent["external_key"])
    except ConnectorError as error:
        said = error
    fp("outbox.looked_up")
    with outside.engine.begin() as conn:
        stands = delivery.record_look_up(conn, connector, call, said)
        if not isinstance(stands, Receipt):
            return stands
        proof = delivery.begin(conn, connector, str(call.intent["id"]), "read_back")
    if isinstance(proof, Delivery):
        return proof
    fp("outbox.found")
    found: Sequence[Difference] | ConnectorError
    try:
        found = connector.read_back(proof.command, stands)
    except ConnectorError as error:
        found = error
    with outside.engine.begin() as conn:
        return delivery.record_found(conn, connector, proof, stands, found)


def _connector(outside: Outside, intent_id: str) -> Connector:
    with outside.engine.begin() as conn:
        row = store.read(conn, [intent_id]).get(intent_id)
    if row is None:
        raise NotFound(f"There is no intent {intent_id}.")
    return outside.connector(row["connection"])


# --- batches -----------------------------------------------------------------------------------------------------


def deliver_batch(outside: Outside, ids: Sequence[str]) -> dict[str, Delivery]:
    """Deliver intents of one connection and operation: fresh ones together, others singly (they are looked up)."""
    with outside.engine.begin() as conn:
        rows = store.read(conn, ids)
    if len(rows) != len(set(ids)):
        raise NotFound("One of the intents does not exist.")
    if len({(row["connection"], row["operation"]) for row in rows.values()}) > 1:
        raise ValueError("a batch is of one connection and one operation")
    if not rows:
        return {}
    first = next(iter(rows.values()))
    connector = outside.connector(first["connection"])
    write = delivery.write_of(connector, first["operation"])
    size = delivery.manifest_of(connector).batch.size if write is not None and write.batch else 1
    together = _fresh(rows, ids) if size > 1 else []
    ended = {one: deliver(outside, one) for one in dict.fromkeys(ids) if one not in together}
    for start in range(0, len(together), size):
        ended |= _send_together(outside, connector, together[start : start + size])
    return ended


def _fresh(rows: Mapping[str, Mapping[str, Any]], ids: Iterable[str]) -> list[str]:
    """Never attempted, one per external key: a result is matched by that key."""
    keys: set[str] = set()
    fresh = []
    for one in dict.fromkeys(ids):
        row = rows[one]
        if row["attempts"] == 0 and row["state"] == "pending" and row["external_key"] not in keys:
            keys.add(row["external_key"])
            fresh.append(one)
    return fresh


def _send_together(outside: Outside, connector: Connector, ids: Sequence[str]) -> dict[str, Delivery]:
    with outside.engine.begin() as conn:
        calls, ended = delivery.begin_together(conn, connector, ids)
    if not calls:
        return ended
    fp("outbox.counted")
    said = _results(connector, calls)
    fp("outbox.sent")
    with outside.engine.begin() as conn:
        store.lock(conn, [str(call.intent["id"]) for call in calls])
        for call in calls:
            one = str(call.intent["id"])
            ended[one] = delivery.record_send(conn, connector, call, said[call.intent["external_key"]])
    fp("outbox.recorded")
    return ended


def _results(connector: Connector, calls: Sequence[Call]) -> dict[str, Receipt | ConnectorError]:
    """The result of each external key; one that is missing, doubled or says nothing proves nothing."""
    keys = [call.intent["external_key"] for call in calls]
    try:
        rows = connector.apply_batch(calls[0].intent["operation"], [call.command for call in calls])
    except ConnectorError as error:
        return dict.fromkeys(keys, error)
    said: dict[str, Receipt | ConnectorError] = {}
    for row in rows:
        answer = row.receipt or row.error or UnknownOutcome("the answer says nothing of this row")
        double = row.external_key in said
        said[row.external_key] = UnknownOutcome("two answers for one row") if double else answer
    return {key: said.get(key, UnknownOutcome("the answer left this row out")) for key in keys}


# --- proof, cancellation, undoing --------------------------------------------------------------------------------


def prove(outside: Outside, intent_id: str, *, force: bool = False) -> list[Difference]:
    """Compare what the target holds with what was sent; empty = proven (and not asked again unless forced).

    A difference opens `read-back-difference` and leaves the intent unproven; raises NotNow when the target cannot be asked.
    """
    with outside.engine.begin() as conn:
        row = delivery.locked(conn, intent_id)
        if row["state"] != "done":
            raise ValueError(f"intent {intent_id} is {row['state']}: only what is done can be proven")
        if row["read_back_at"] is not None and not force:
            return []
        waits = delivery.may_call(conn, row["connection"])
        if waits is not None:
            raise NotNow(waits, f"{row['connection']} may not be called yet")
        call = delivery.count_calls(conn, [row], "read_back", clock.now(conn), new_pass=False)[0]
    connector = outside.connector(row["connection"])
    receipt = Receipt(row["target_id"], row["external_key"], row["receipt"] or {})
    try:
        found = list(connector.read_back(call.command, receipt))
    except ConnectorError as error:
        with outside.engine.begin() as conn:
            due_at = delivery.note_failure(conn, call, error)
        raise NotNow(due_at, error.message) from error
    with outside.engine.begin() as conn:
        delivery.note_read_back(conn, call, found)
    return found


def cancel(conn: Connection, ids: Collection[str], reason: str) -> dict[str, Delivery]:
    """Never send these again: at once where nothing can have arrived, else as soon as a look-up has proven it.

    One that turns out to have arrived becomes done; the caller then undoes it.
    """
    ended = {}
    for row in store.lock(conn, ids):
        ended[str(row["id"])] = delivery.call_off(conn, row, reason)
    fp("outbox.cancelled")
    return ended


def undo(outside: Outside, intent_id: str, flow_id: str | None = None) -> Delivery | None:
    """Take back what an intent did: called off when it never arrived, else by its declared inverse as an own intent.

    None: the connector has no inverse and the caller decides. `done` or `cancelled` mean undone; `rejected` with an open
    `compensation-failed` means a person must; `pending` and `unknown` mean: again at `due_at`.
    """
    with outside.engine.begin() as conn:
        stands = cancel(conn, [intent_id], "its flow is undone").get(intent_id)
    if stands is None:
        raise NotFound(f"There is no intent {intent_id}.")
    if stands.state in store.OPEN:
        stands = deliver(outside, intent_id)
    if stands.state != "done":
        return stands
    counter = _counter_intent(outside, intent_id, flow_id)
    return None if counter is None else deliver(outside, counter)


def _counter_intent(outside: Outside, intent_id: str, flow_id: str | None) -> str | None:
    with outside.engine.begin() as conn:
        row = delivery.locked(conn, intent_id)
        made = store.compensation_of(conn, intent_id)
        if made is not None:
            return made
        receipt = Receipt(row["target_id"], row["external_key"], row["receipt"] or {})
        command = outside.connector(row["connection"]).inverse(delivery.command_of(row), receipt)
        if command is None:
            return None
        context = row["context"]
        work = context.get("work")
        amount = context.get("amount")
        counter = NewIntent(
            row["connection"], command.operation, row["type"], row["key"],
            store.next_revision(conn, row["connection"], command.operation, row["key"]),
            command.external_key, command.body, flow_id, intent_id, context.get("contract"),
            context.get("legal_entity"), None if amount is None else Decimal(amount), context.get("currency"),
            (work["kind"], work["key"]) if work else None, updates=True,
        )  # fmt: skip
        return put(conn, [counter])[0]
