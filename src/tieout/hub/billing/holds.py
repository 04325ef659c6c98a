"""Billing holds: a person keeps an entry or a whole line back from billing, with a reason, until somebody lets it go.

What is held is not billed and stays revenue (domain rules §2.9). A draft that holds it becomes stale.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, work
from tieout.hub.actors import Actor
from tieout.hub.billing.documents import may_read
from tieout.hub.billing.targets import Place, meant, visible
from tieout.hub.refusals import Invalid, NotFound
from tieout.store import clock
from tieout.store import holds as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp


def hold(
    conn: Connection, actor: Actor, reason: str, *, entry: str | None = None, contract: str | None = None,
    line: str | None = None,
) -> str:  # fmt: skip
    """Hold an entry, or a line of a contract; the id of the hold, that of the one there is when it is held already.

    Raises Invalid without a reason or a target, NotFound for an entry that was never rated or a line that is not there.
    """
    if not reason.strip():
        raise Invalid("A hold needs a reason.", fields={"reason": "missing"})
    where = meant(conn, actor, entry, contract, line)
    known = store.live(conn, *where)
    if known is not None:
        return known
    moment = clock.now(conn)
    row: dict[str, Any] = dict(zip(("contract", "line", "entry"), where, strict=True))
    hold_id = new_id(moment)
    store.add(conn, {**row, "id": hold_id, "reason": reason, "held_by": actor.name, "held_at": moment})
    _changed(conn, actor, "hold", where, reason)
    return hold_id


def unhold(
    conn: Connection, actor: Actor, *, entry: str | None = None, contract: str | None = None, line: str | None = None
) -> None:  # fmt: skip
    """Let an entry or a line go to billing again; NotFound when nobody holds exactly this."""
    where = meant(conn, actor, entry, contract, line)
    if not store.end(conn, *where, actor.name, clock.now(conn)):
        raise NotFound(f"Nobody holds {_named(where)}.")
    _changed(conn, actor, "unhold", where, "")


def held(conn: Connection, actor: Actor, contract: str | None = None) -> list[dict[str, Any]]:
    """Holds that stand, oldest first: {contract, line, entry, reason, held_by, held_at}."""
    may_read(actor)
    names = ("contract", "line", "entry", "reason", "held_by", "held_at")
    rows = visible(conn, actor, store.listed(conn, contract))
    return [{name: row[name] for name in names} for row in rows]


def _changed(conn: Connection, actor: Actor, action: str, where: Place, reason: str) -> None:
    contract, line, entry = where
    detail = {"line": line, "entry": entry}
    audit.record(conn, actor, action, "contract", contract, reason=reason, detail=detail)
    work.request(conn, "rate", contract)
    fp("billing.held")


def _named(where: Place) -> str:
    contract, line, entry = where
    return f"line {line} of contract {contract}" if entry is None else f"entry {entry}"
