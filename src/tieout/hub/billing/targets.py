"""What a person means who holds or writes something: an entry of time, or a line of a contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from tieout.hub import canonical
from tieout.hub.actors import Actor, require
from tieout.hub.contract_lines import LINE
from tieout.hub.refusals import Invalid, NotFound
from tieout.store import billing_events
from tieout.store import holds as store

SCOPE = "invoices:draft"
Place = tuple[str, str, str | None]
"""Contract, line, and the entry (null: all of the line)."""


def meant(conn: Connection, actor: Actor, entry: str | None, contract: str | None, line: str | None) -> Place:
    """The place, under the lock of its contract; the actor may prepare billing there.

    Raises Invalid unless either an entry or a contract is named, NotFound for what is not there or not the actor's.
    """
    if (entry is None) == (contract is None):
        raise Invalid("Name an entry, or a contract and its line.", fields={"entry": "or contract"})
    require(actor, SCOPE)
    found: Place | None = (str(contract), line or LINE, None)
    if entry is not None:
        rated = store.place_of(conn, entry)
        found = None if rated is None else (*rated, entry)
    if found is None:
        raise NotFound(f"There is no rated entry {entry}.")
    terms = canonical.current(conn, "contract", [found[0]]).get(found[0])
    if terms is None or not actor.sees(terms["legal_entity"]) or not store.has_line(conn, found[0], found[1]):
        raise NotFound(f"There is no line {found[1]} of contract {found[0]}.")
    billing_events.lock_contracts(conn, [found[0]])
    return found


def visible(conn: Connection, actor: Actor, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose `contract` is of a legal entity that the actor sees."""
    terms = canonical.current(conn, "contract", sorted({row["contract"] for row in rows}))
    return [row for row in rows if actor.sees((terms.get(row["contract"]) or {}).get("legal_entity"))]
