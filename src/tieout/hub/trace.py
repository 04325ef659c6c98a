"""The trace of a record: from the source documents that stated it to the records it became in other systems.

Backwards from the record to everything it rests on, forwards to everything that came of it; then, for all of these, the
rate of each amount and the document of each fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tieout.hub.actors import SYSTEM, Actor, allows
from tieout.hub.refusals import NotFound
from tieout.store import exceptions
from tieout.store import trace as store

MOST_NODES = 2000
_PAY = frozenset({"cost_entry", "transfer_entry", "payroll"})
"""Types whose amounts tell what a person is paid."""

Place = tuple[str, str]
"""Type and identity of one node."""


@dataclass
class _Walk:
    conn: Connection
    nodes: set[Place] = field(default_factory=set)
    edges: dict[tuple[Place, Place], str] = field(default_factory=dict)
    truncated: bool = False

    def follow(self, starts: Iterable[Place], links: Sequence[store.Link], *, forward: bool) -> None:
        """Everything that can be reached in one direction, set by set, until nothing is new or too much is."""
        seen: set[Place] = set(starts)
        frontier = set(seen)
        self.nodes |= seen
        while frontier and not self.truncated:
            reached = {place for link in links for place in self.step(link, frontier, forward)}
            frontier = reached - seen
            seen |= frontier

    def step(self, link: store.Link, frontier: set[Place], forward: bool) -> set[Place]:
        """What one kind of edge reaches from these nodes."""
        own = link.source if forward else link.target
        ids = [ident for type, ident in frontier if type == own]
        if not ids:
            return set()
        reached = set()
        for a, b in store.edges(self.conn, link, ids, forward=forward, limit=MOST_NODES + 1):
            pair = ((link.source, a), (link.target, b))
            place = pair[1] if forward else pair[0]
            if place not in self.nodes and len(self.nodes) >= MOST_NODES:
                self.truncated = True
                break
            self.nodes.add(place)
            self.edges[pair] = link.via
            reached.add(place)
        return reached


def trace(conn: Connection, key: str, actor: Actor = SYSTEM) -> dict[str, Any]:
    """`{"nodes", "edges"}` as in `tieout trace --json`, and `truncated: true` when there is more than is shown.

    `key`: an invoice's number or draft reference, NUMBER/LINE, the key of a time entry, expense, contract, project,
    opportunity, customer, payment, subcontract work, payroll or ERP document, a journal as TYPE:CAUSE, or the id of an
    exception. What people cost is shown to who may see it.
    """
    starts = store.named(conn, key) or _of_exception(conn, key, actor)
    visible = _facts(conn, set(starts), actor)
    if not visible:
        raise NotFound(
            f"There is no record {key} to trace.",
            remedy="Name an invoice, NUMBER/LINE, time entry, contract, project, opportunity or exception.",
        )
    walk = _Walk(conn)
    walk.follow(visible, store.LINKS, forward=False)
    walk.follow(visible, store.LINKS, forward=True)
    for link in store.ORIGINS:
        walk.step(link, set(walk.nodes), forward=False)
    shown = _facts(conn, walk.nodes, actor)
    edges = [
        {"from": _id(a), "to": _id(b), "via": via}
        for (a, b), via in sorted(walk.edges.items())
        if a in shown and b in shown
    ]
    answer: dict[str, Any] = {"nodes": [shown[place] for place in sorted(shown)], "edges": edges}
    return answer | {"truncated": True} if walk.truncated else answer


def _of_exception(conn: Connection, key: str, actor: Actor) -> list[Place]:
    try:
        rows = exceptions.read(conn, [str(UUID(key))])
    except ValueError:
        return []
    if not rows or not actor.sees(rows[0]["legal_entity"]):
        return []
    row = rows[0]
    starts = store.named(conn, row["key"])
    if row["evidence"].get("intent"):
        starts.append(("intent", str(row["evidence"]["intent"])))
    return starts or (store.named(conn, row["contract"]) if row["contract"] else [])


def _facts(conn: Connection, places: set[Place], actor: Actor) -> dict[Place, dict[str, Any]]:
    """The nodes that the actor may see."""
    by_type: dict[str, list[str]] = {}
    sees_pay = actor == SYSTEM or allows(actor, "compensation:read")
    for type, ident in places:
        if sees_pay or type not in _PAY:
            by_type.setdefault(type, []).append(ident)
    shown = {}
    for type, ids in by_type.items():
        for row in store.facts(conn, type, ids):
            if actor.sees(row["entity"]):
                place = (type, row["ident"])
                names = ("key", "at", "amount", "currency")
                shown[place] = {"id": _id(place), "type": _shown_as(type), "system": row["system"]} | {
                    n: row[n] for n in names
                }
    return shown


def _id(place: Place) -> str:
    return f"{_shown_as(place[0])}:{place[1]}"


def _shown_as(type: str) -> str:
    """The type of a node as interfaces name it: the ERP's document is the record that became of ours there."""
    return "target_record" if type == "erp_document" else type
