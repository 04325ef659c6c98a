"""Billing runs: what is due up to a date, cut into partitions that the flows draft."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, canonical, work
from tieout.hub.actors import SYSTEM, Actor, require
from tieout.hub.billing import deposits, grouping
from tieout.hub.billing.documents import may_read
from tieout.hub.billing.drafts import draft, tally
from tieout.hub.refusals import NotFound
from tieout.store import billing_runs as store
from tieout.store import clock, invoices
from tieout.store.ids import is_id, new_id
from tieout.telemetry.failpoints import fp

CONTRACTS_A_PARTITION = 25


def start_run(
    conn: Connection,
    actor: Actor,
    through: date,
    contract: str | None = None,
    customer: str | None = None,
    entity: str | None = None,
    *,
    deposits_only: bool = False,
) -> str:
    """Draft everything due on or before `through`, of one contract, customer or legal entity, or of all; the run's id.

    `deposits_only`: nothing but what is asked for in advance.

    The actor is the preparer of every draft of the run. Work is requested per partition of contracts; a run that
    finds nothing due is done at once.
    """
    require(actor, "invoices:draft")
    moment = clock.now(conn)
    scope = {"contract": contract, "customer": customer, "entity": entity}
    sets = _with_mates(conn, store.contracts_due(conn, through, scope, actor.entities), actor)
    due = [contract for one in sets for contract in one]
    run_id = new_id(moment)
    row = {
        "id": run_id, "through": through, "scope": scope | ({deposits.PURPOSE: True} if deposits_only else {}), "preparer": actor.name, "started_at": moment,
        "state": "running" if due else "done", "finished_at": None if due else moment,
    }  # fmt: skip
    parts = [
        {"run": run_id, "contract": key, "partition": partition}
        for partition, keys in enumerate(_partitions(sets), 1)
        for key in keys
    ]
    store.insert_run(conn, row, parts)
    fp("billing.run.written")
    work.request_all(conn, {("bill", f"{run_id}/{part['partition']}") for part in parts})
    audit.record(conn, actor, "start", "billing_run", run_id, rows=len(due), entity=entity,
                 detail={"through": through, **scope, "contracts": len(due)})  # fmt: skip
    return run_id


def _with_mates(conn: Connection, due: Collection[str], actor: Actor) -> list[list[str]]:
    """The contracts of a run in sets that are drafted together: what is due, and what shares a draft with it or would.

    A draft that nobody approved is redone with what came due beside it.
    """
    terms = canonical.current(conn, "contract", due)
    billed = set().union(*(grouping.payers_together(one) for one in terms.values()))
    near = invoices.drafted_for(conn, {payer for _, payer in billed}) if billed else set()
    own = canonical.current(conn, "contract", near) if near else {}
    mates = {key for key, one in own.items() if grouping.payers_together(one) & billed}
    held = invoices.sharing_drafts(conn, {*due, *mates})
    terms |= canonical.current(conn, "contract", set(held) - terms.keys())
    asked = set(due)
    seen = [key for key in held if key in asked or actor.sees((terms.get(key) or {}).get("legal_entity"))]
    drafts = [row["contracts"] for row in invoices.live_drafts(conn, seen, lock=False)]
    return grouping.together({key: terms.get(key) or {} for key in seen}, drafts)


def _partitions(sets: Iterable[list[str]]) -> list[list[str]]:
    """Sets of contracts one after another, at least so many contracts to a partition while there are."""
    found: list[list[str]] = []
    for one in sets:
        if not found or len(found[-1]) >= CONTRACTS_A_PARTITION:
            found.append([])
        found[-1] += one
    return found


def draft_partition(conn: Connection, run_id: str, partition: int) -> int:
    """Draft what is not drafted yet of one partition; how many contracts."""
    contracts = store.undone(conn, run_id, partition)
    draft(conn, run_id, contracts)
    return len(contracts)


def undone(conn: Connection, run_id: str, partition: int) -> list[list[str]]:
    """Contracts of a partition that are still to be drafted, in sets of those that go together."""
    contracts = store.undone(conn, run_id, partition)
    terms = canonical.current(conn, "contract", contracts)
    drafts = [row["contracts"] for row in invoices.live_drafts(conn, contracts, lock=False)]
    return grouping.together({key: terms.get(key) or {} for key in contracts}, drafts)


def run_status(conn: Connection, run_id: str, actor: Actor = SYSTEM) -> dict[str, Any]:
    """How far a run is and what came of each contract that the actor may see."""
    may_read(actor)
    row = store.read_run(conn, run_id) if is_id(run_id) else None
    if row is None:
        raise NotFound(f"There is no billing run {run_id}.")
    parts = store.parts(conn, run_id)
    seen = [part for part in parts if part["outcome"] is None or actor.sees(part["outcome"].get("entity"))]
    done = [part["outcome"] for part in parts if part["outcome"] is not None]
    return {
        "id": run_id, "state": row["state"], "through": row["through"], "scope": row["scope"],
        "preparer": row["preparer"], "started_at": row["started_at"], "finished_at": row["finished_at"],
        "contracts": len(parts), "contracts_done": len(done), "counts": row["counts"] or tally(done),
        "parts": [{"contract": part["contract"], **(part["outcome"] or {"state": "waiting"})} for part in seen],
    }  # fmt: skip
