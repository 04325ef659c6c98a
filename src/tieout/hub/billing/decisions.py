"""What people decide about a draft: approve, reject, void. Never the preparer alone, never about another version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, events
from tieout.hub.actors import Actor, allowing_role, allows, require
from tieout.hub.billing.documents import (
    NAMES,
    check_version,
    find,
    name_of,
    reference_of,
    same_person,
)
from tieout.hub.billing.drafts import end_drafts
from tieout.hub.refusals import Conflict, Forbidden, Invalid
from tieout.store import billing_events, clock
from tieout.store import invoices as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

OPEN = ("draft", "approved")
NOT_YOURS = "TIE-203"


def approve(conn: Connection, ref: str, actor: Actor, reason: str = "", version: int | None = None) -> int:
    """Approve exactly what the draft says now; its version afterwards. The same click twice is one decision."""
    row = locked(conn, ref, actor)
    role = allowing_role(actor, f"{NAMES[row['kind']]}:approve")
    if _approved_just_now(row, actor, version):
        return int(row["version"])
    check_version(row, version)
    if row["state"] != "draft":
        raise Conflict(f"{name_of(row)} is {row['state']}: only a draft is approved. Nothing was written.")
    refuse_stale(row)
    refuse_preparer(row, actor, "approve")
    moment = clock.now(conn)
    store.insert_approval(conn, _decision(row, actor, role, "approved", reason, moment))
    fp("billing.approve.recorded")
    values = {"state": "approved", "approver": actor.name, "approved_hash": row["content_hash"],
              "approved_at": moment}  # fmt: skip
    store.change(conn, row["id"], values, moment)
    fp("billing.approve.changed")
    said = {"kind": row["kind"], "contract": row["contract"], "gross_amount": row["gross_amount"],
            "currency": row["currency"]}  # fmt: skip
    events.emit(
        conn, [events.NewEvent(events.INVOICE_APPROVED, reference_of(row), row["legal_entity"], said)]
    )
    _record(conn, actor, "approve", row, reason, {"role": role, **said})
    return int(row["version"]) + 1


def _approved_just_now(row: Mapping[str, Any], actor: Actor, version: int | None) -> bool:
    mine = row["state"] == "approved" and row["approver"] == actor.name
    return mine and (version is None or row["version"] - 1 <= version <= row["version"])


def reject(conn: Connection, ref: str, actor: Actor, reason: str = "", version: int | None = None) -> int:
    """Send a draft back: it is void with the reason, and what it held is billable again; the new version."""
    row = locked(conn, ref, actor)
    role = allowing_role(actor, f"{NAMES[row['kind']]}:approve")
    if not reason.strip():
        raise Invalid("A rejection needs a reason.", fields={"reason": "empty"})
    _must_be_open(row, version, "rejected")
    refuse_preparer(row, actor, "reject")
    moment = clock.now(conn)
    store.insert_approval(conn, _decision(row, actor, role, "rejected", reason, moment))
    fp("billing.reject.recorded")
    end_drafts(conn, [row], reason, moment)
    _record(conn, actor, "reject", row, reason, {"role": role})
    return int(row["version"]) + 1


def void(conn: Connection, ref: str, actor: Actor, reason: str = "", version: int | None = None) -> int:
    """End a draft that is not released; what it held is billable again; the new version."""
    row = locked(conn, ref, actor)
    name = NAMES[row["kind"]]
    prepare = f"{name}:draft" if row["kind"] == "invoice" else f"{name}:request"
    if not allows(actor, f"{name}:approve"):
        require(actor, prepare)
    _must_be_open(row, version, "voided")
    end_drafts(conn, [row], reason or "voided", clock.now(conn))
    _record(conn, actor, "void", row, reason, {})
    return int(row["version"]) + 1


def locked(conn: Connection, ref: str, actor: Actor) -> dict[str, Any]:
    """The document, under the locks of its contracts and those of what it credits.

    So rating, drafting and decisions never cross.
    """
    seen = find(conn, ref, actor)
    named = [store.contracts_of(conn, one) for one in (seen["id"], seen["credits"]) if one]
    billing_events.lock_contracts(conn, {contract for contracts in named for contract in contracts})
    return find(conn, reference_of(seen), actor, lock=True)


def refuse_stale(row: Mapping[str, Any]) -> None:
    """A draft whose sources changed goes no further."""
    if row["stale_reason"] is not None:
        raise Conflict(
            f"{name_of(row)} is stale: {row['stale_reason']}. Nothing was written.",
            code="TIE-206",
            remedy="Run billing again for the contract: the draft is redone from what holds now.",
        )


def refuse_preparer(row: Mapping[str, Any], actor: Actor, verb: str) -> None:
    """Who prepared a document decides nothing about it, whatever roles came later."""
    if same_person(row["preparer"], actor.name):
        raise Forbidden(
            f"{actor.name} prepared {name_of(row)} and may not {verb} it. Nothing was written.",
            code=NOT_YOURS,
            remedy="Ask another person with a role that may.",
        )


def _must_be_open(row: Mapping[str, Any], version: int | None, what: str) -> None:
    check_version(row, version)
    if row["state"] not in OPEN:
        remedy = "A released invoice is cancelled only by a credit note." if row["number"] else ""
        raise Conflict(
            f"{name_of(row)} is {row['state']} and cannot be {what}. Nothing was written.", remedy=remedy
        )


def _decision(
    row: Mapping[str, Any], actor: Actor, role: str, decision: str, reason: str, moment: datetime
) -> dict[str, Any]:
    return {
        "id": new_id(moment), "type": row["kind"], "key": reference_of(row), "content_hash": row["content_hash"],
        "preparer": row["preparer"], "approver": actor.name, "role": role, "decision": decision,
        "reason": reason or None, "recorded_at": moment,
    }  # fmt: skip


def _record(
    conn: Connection,
    actor: Actor,
    action: str,
    row: Mapping[str, Any],
    reason: str,
    detail: Mapping[str, Any],
) -> None:
    audit.record(conn, actor, action, row["kind"], reference_of(row), entity=row["legal_entity"],
                 reason=reason or None, digest=bytes.fromhex(row["content_hash"]), detail=detail)  # fmt: skip
