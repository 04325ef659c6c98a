"""The exceptions of the outbox: what a target refused, changed or left open, with the money at stake."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.connectors.kit.interface import ConnectorError, Difference
from tieout.hub import events, exceptions
from tieout.hub.exceptions import NewException
from tieout.store import clock, connections
from tieout.store import outbox as store

OF_DELIVERY = ("rejected-by-target", "unknown-outcome", "id-reuse", "compensation-failed")
_SHOWN_BYTES = 4000
_CREDENTIAL, _BUDGET = "credential: ", "budget spent since "
NOTED = (_CREDENTIAL, _BUDGET)
"""How the state of a connection begins whose trouble ends with the next call that succeeds."""
LASTING = timedelta(minutes=15)


def rejected(conn: Connection, row: Mapping[str, Any], error: Mapping[str, Any]) -> None:
    """The target understood and refused."""
    where = f" ({error['field']})" if error["field"] else ""
    undo = "could not be undone" if row["compensates"] else "was not written"
    cause = f"{row['connection']} refused {row['operation']} of {row['key']}: {error['message']}{where}. It {undo}."
    kind = "compensation-failed" if row["compensates"] else "rejected-by-target"
    _open(conn, row, kind, cause, {"code": error["code"], "field": error["field"], "group": error["message"]})


def unknown(conn: Connection, row: Mapping[str, Any], why: str) -> None:
    """It is not known whether the target holds the record; it is still looked up every hour."""
    cause = (
        f"{row['operation']} of {row['key']} in {row['connection']} has no proven outcome"
        f" after {row['attempts']} attempts: {why}"
    )
    _open(conn, row, "unknown-outcome", cause, {"external_key": row["external_key"]})


def differs(
    conn: Connection, row: Mapping[str, Any], target_id: str | None, found: Sequence[Difference], kind: str
) -> dict[str, Any]:
    """The target's record under our key holds something else; nothing is overwritten. The error to keep."""
    named = "; ".join(f"{d.field}: sent {d.sent}, held {d.held}" for d in found[:10])
    cause = f"{row['connection']} holds {row['key']} (id {target_id}) otherwise than it was sent: {named}"
    evidence = {
        "target_id": target_id,
        "sent": bytes(row["body"])[:_SHOWN_BYTES].decode("utf-8", "replace"),
        "differences": [{"field": d.field, "sent": d.sent, "held": d.held} for d in found],
    }
    _open(conn, row, kind, cause, evidence)
    return {"kind": "Difference", "message": cause[:500], "code": kind, "field": found[0].field}


def settle(conn: Connection, row: Mapping[str, Any], kinds: Collection[str], resolution: str) -> None:
    """Close what was open because of this operation on this key."""
    for kind in store.open_exception_kinds(conn, row, kinds):
        exceptions.resolve(conn, kind, [row["key"]], resolution)


def credential(conn: Connection, name: str, error: ConnectorError) -> None:
    """A connection cannot sign in: its work waits, a person renews the credential.

    The connection's row first, then its exception, as everywhere: two that meet cannot wait for each other.
    """
    if connections.set_state(conn, name, "attention", f"{_CREDENTIAL}{error.message[:300]}"):
        events.emit(conn, [events.NewEvent(events.SYNC_FAILED, name, None, {"code": error.code})])
    cause = f"{name} refused our credential: {error.message}"
    exceptions.open_exceptions(
        conn, [NewException("credential", name, cause, evidence={"connection": name, "code": error.code})]
    )


def budget(conn: Connection, name: str, until: datetime, why: str) -> None:
    """A connection says that its budget is spent: no call before `until`. Noted, as it passes by itself; a person hears
    of it when it lasts: from the first refusal to the next allowed call a quarter of an hour or more.
    """
    moment, held = clock.now(conn), connections.read(conn, name)
    if held is None:
        return
    detail = str(held["state_detail"] or "")
    since = datetime.fromisoformat(detail.removeprefix(_BUDGET)) if detail.startswith(_BUDGET) else moment
    if held["state"] == "ok" and not detail:
        connections.set_state(conn, name, "ok", f"{_BUDGET}{moment.isoformat()}")
    if until - since < LASTING:
        return
    cause = (
        f"{name} has refused calls since {since:%Y-%m-%d %H:%M} UTC because its budget is spent; the next is allowed at"
        f" {until:%Y-%m-%d %H:%M} UTC: {why[:300]}"
    )
    exceptions.open_exceptions(
        conn, [NewException("budget-exhausted", name, cause, evidence={"connection": name, "group": name})]
    )


def _open(conn: Connection, row: Mapping[str, Any], kind: str, cause: str, more: Mapping[str, Any]) -> None:
    context = row["context"]
    evidence = {
        "intent": str(row["id"]), "connection": row["connection"], "operation": row["operation"],
        "revision": row["revision"], **more,
    }  # fmt: skip
    if context.get("work"):
        evidence["work"] = context["work"]
    amount = context.get("amount")
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                kind, row["key"], cause, context.get("contract"), context.get("legal_entity"),
                None if amount is None else Decimal(amount), context.get("currency"), evidence,
            )
        ],
    )  # fmt: skip
