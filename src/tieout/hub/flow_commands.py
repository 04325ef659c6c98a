"""What a person may ask of a flow: do its work again, or take back what it did."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, exceptions, flows, work
from tieout.hub.actors import SYSTEM, Actor, require
from tieout.hub.refusals import Conflict, Invalid
from tieout.hub.setup import FLOW as SETUP
from tieout.hub.setup import OF_SETUP
from tieout.telemetry.failpoints import fp

WORK = {SETUP: "setup", "invoice_posting": "post", "credit_posting": "post"}
"""Kind of flow -> the kind of work that carries it on."""

_ENDED = ("failed", "compensated")


def retry(conn: Connection, flow_id: str, actor: Actor) -> dict[str, Any]:
    """Ask for the flow's work again: it skips what is done and goes on; the flow as it stands.

    A done flow is looked at again (a later amendment is carried out); an ended one stays ended.
    """
    require(actor, "flows:retry")
    row = flows.show(conn, flow_id, actor)
    if row["state"] in _ENDED:
        raise Conflict(f"{row['kind']} of {row['key']} is {row['state']}: it does not go on.")
    work.request(conn, WORK[row["kind"]], row["key"])
    _record(conn, actor, "replay", row, None)
    return row


def compensate(conn: Connection, flow_id: str, reason: str, actor: Actor) -> dict[str, Any]:
    """Take back what a project set-up did, the last effect first; the flow as it stands.

    For good: a contract whose set-up was taken back is not set up again. What an invoice did is taken back by a credit
    note only.
    """
    require(actor, "flows:cancel")
    if not reason.strip():
        raise Invalid("Taking back needs a reason.", fields={"reason": "empty"})
    row = flows.show(conn, flow_id, actor)
    if row["kind"] != SETUP:
        raise Conflict(
            f"{row['kind']} of {row['key']} cannot be compensated: what was released is undone by a credit note.",
            remedy=f"Ask for one with `tieout bill credit {row['key']}`.",
        )
    if row["state"] in _ENDED:
        raise Conflict(f"{row['kind']} of {row['key']} is {row['state']}: there is nothing to take back.")
    if row["state"] != "compensating":
        flows.compensating(conn, str(row["id"]), reason)
        for kind in OF_SETUP:
            exceptions.resolve(conn, kind, [row["key"]], "the set-up is taken back", actor)
    fp("flows.compensation.asked")
    work.request(conn, WORK[row["kind"]], row["key"])
    _record(conn, actor, "compensate", row, reason)
    return flows.show(conn, flow_id, SYSTEM)


def _record(conn: Connection, actor: Actor, action: str, row: dict[str, Any], reason: str | None) -> None:
    audit.record(conn, actor, action, "flow", row["key"], entity=row["detail"].get("legal_entity"), reason=reason,
                 detail={"flow": row["id"], "kind": row["kind"], "state": row["state"]})  # fmt: skip
