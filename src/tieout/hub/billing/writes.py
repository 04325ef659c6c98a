"""Write-downs, write-ups and write-offs before billing: the value to bill changes, revenue with it; the hours stay.

Who proposes gives a reason; above the firm's limit another person approves (domain rules §2.10). A decision about a line is
shared over its open entries when it is made, so that what is billed later does not move it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import OPEN_VALUE, WRITES, conform, frame
from tieout.domain.rating.writes import NEEDS_APPROVAL, WriteResult, apply_writes
from tieout.hub import audit, policies, work
from tieout.hub.actors import Actor, require
from tieout.hub.billing.documents import may_read, same_person
from tieout.hub.billing.targets import meant, visible
from tieout.hub.refusals import Forbidden, Invalid, NotFound
from tieout.store import billing_events, clock
from tieout.store import writes as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

KINDS = ("down", "off", "up")
_SHOWN = (
    "write",
    "kind",
    "contract",
    "line",
    "entry",
    "amount",
    "reason",
    "proposer",
    "approver",
    "effective_at",
)


def write(
    conn: Connection, actor: Actor, kind: str, amount: Decimal, reason: str, *, entry: str | None = None,
    contract: str | None = None, line: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Take an amount (in the contract's currency) off what is open of an entry or a line, or add it; {write, waits, entries}.

    `kind` down, off or up. `waits`: another person has to approve it. Raises Invalid where nothing is open, where it is more
    than is open, or without a reason.
    """
    if kind not in KINDS:
        raise Invalid(f"{kind} is none of {', '.join(KINDS)}.", fields={"kind": "unknown"})
    where = meant(conn, actor, entry, contract, line)
    moment = clock.now(conn)
    limit = policies.load(conn).write_limit
    open_now = _open_value(conn, where[0])
    asked = {
        "write": "1", "kind": kind, "contract": where[0], "line": where[1], "entry": where[2], "amount": amount,
        "day": moment.date(), "reason": reason, "proposer": actor.name, "approver": None,
    }  # fmt: skip
    found, waits = _judged(open_now, asked, limit)
    decision = new_id(moment)
    rows = [
        {
            "id": new_id(moment), "write": decision, "kind": kind, "contract": where[0], "line": where[1],
            "entry": row["entry"], "amount": abs(row["amount"]), "reason": reason, "proposer": actor.name, "proposed_at": moment,
            "effective_at": None if waits else moment,
        }
        for row in found.written.group_by("entry").agg(pl.col("amount").sum()).sort("entry").iter_rows(named=True)
    ]  # fmt: skip
    store.add(conn, rows)
    detail = {"write": decision, "amount": amount, "entries": len(rows)}
    audit.record(conn, actor, f"write {kind}", "contract", where[0], reason=reason, detail=detail)
    if not waits:
        work.request(conn, "rate", where[0])
    fp("billing.written")
    return {"write": decision, "waits": waits, "entries": [row["entry"] for row in rows]}


def approve_write(conn: Connection, actor: Actor, write: str) -> None:
    """Let a decision take effect that waits for another person; twice is once."""
    require(actor, "invoices:approve")
    rows = _shares(conn, actor, write)
    if same_person(actor.name, rows[0]["proposer"]):
        raise Forbidden("Who proposes a write does not approve it. Nothing was written.",
                        remedy="Ask another person who approves invoices.")  # fmt: skip
    if rows[0]["effective_at"] is not None:
        return
    billing_events.lock_contracts(conn, [rows[0]["contract"]])
    store.approve(conn, write, actor.name, clock.now(conn))
    audit.record(conn, actor, "approve write", "contract", rows[0]["contract"], detail={"write": write})
    work.request(conn, "rate", rows[0]["contract"])
    fp("billing.written")


def written(
    conn: Connection, actor: Actor, contract: str | None = None, *, waiting: bool = False
) -> list[dict[str, Any]]:
    """Shares of decisions, oldest first: {write, kind, contract, line, entry, amount, reason, proposer, approver,
    effective_at (null: waits)}."""
    may_read(actor)
    rows = visible(conn, actor, store.listed(conn, contract, waiting=waiting))
    return [{name: row[name] for name in _SHOWN} for row in rows]


def _shares(conn: Connection, actor: Actor, write: str) -> list[dict[str, Any]]:
    rows = visible(conn, actor, store.read(conn, write))
    if not rows:
        raise NotFound(f"There is no write {write}.")
    return rows


def _open_value(conn: Connection, contract: str) -> pl.DataFrame:
    """What of each event of a contract is neither billed nor kept out nor written off (OPEN_VALUE)."""
    events = billing_events.events_of(conn, [contract])
    left = [billing_events.left(measure, "held") for measure in ("quantity", "amount")]
    value = events.with_columns(*left, revenue_method=pl.lit("as_invoiced"))
    return conform("open value", value, OPEN_VALUE)


def _judged(open_now: pl.DataFrame, asked: Mapping[str, Any], limit: Decimal) -> tuple[WriteResult, bool]:
    """The shares of what is asked, and whether it waits for another person; Invalid when it cannot be done."""
    result = apply_writes(open_now, frame([asked], WRITES), limit=limit)
    if result.refused.is_empty():
        return result, False
    refusal = result.refused.row(0, named=True)
    if refusal["code"] != NEEDS_APPROVAL:
        raise Invalid(f"It cannot be written {asked['kind']}: {refusal['detail']}. Nothing was written.",
                      fields={"amount": refusal["code"]})  # fmt: skip
    approved = frame([{**asked, "approver": "another person"}], WRITES)
    return apply_writes(open_now, approved, limit=limit), True
