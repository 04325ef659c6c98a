"""What the firm's people do in the systems, one function a verb. Each leaves what it could not do yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.sandbox.firm import receivables
from tieout.sandbox.firm.projects import NotYet, Projects
from tieout.sandbox.world import World

Left = Sequence[str]
"""Ids of entries that an action could not book yet; empty when it is done."""


@dataclass(frozen=True)
class Desk:
    """What people have before them."""

    world: World
    projects: Projects
    seed: int


def do(desk: Desk, system: str, verb: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Carry out an action, or what is left of it; NotYet when nothing of it can be done."""
    return _VERBS[verb](desk, system, payload, only)


def _save(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Enter a record, or change fields of one."""
    desk.world.put(system, payload["type"], payload["fields"], id=payload["id"])
    return ()


def _enter(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Enter a list of new records."""
    records = payload["records"]
    desk.world.put_many(system, payload["type"], records.values(), records)
    return ()


def _book(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Book a day's time. Entries of projects that do not exist yet are left."""
    ids, rows, left = [], [], []
    for row in payload["rows"]:
        if only is not None and row["id"] not in only:
            continue
        try:
            workspace, tasks = desk.projects.of(row["contract"]) if row["workspace"] is None else (None, [])
        except NotYet:
            left.append(row["id"])
            continue
        ids.append(row["id"])
        rows.append(
            {"workspace_id": workspace or row["workspace"], "story_id": tasks[row["task"] % len(tasks)] if tasks else None,
             "user_id": row["user"], "date_performed": row["day"], "time_in_minutes": row["minutes"],
             "billable": row["billable"], "approved": False, "notes": row["notes"], "role_id": row["role"],
             "currency": "USD", "invoice_id": None}
        )  # fmt: skip
    if ids:
        desk.world.put_many(system, "time_entry", rows, ids)
    return left


def _approve(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Approve everything up to a day, but for what the manager passes over: one list action a project.

    Kantata tells of the first entry of each list and says nothing of the others.
    """
    lists: dict[str, list[str]] = {}
    for entry in desk.world.find(system, "time_entry", approved=False):
        if entry.fields["date_performed"] <= payload["until"] and entry.id not in payload["passed_over"]:
            lists.setdefault(str(entry.fields["workspace_id"]), []).append(entry.id)
    for _, (told, *others) in sorted(lists.items()):
        desk.world.change_many(system, "time_entry", others, {"approved": True})
        desk.world.put(system, "time_entry", {"approved": True}, id=told)
    return ()


def _approve_late(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Approve single entries."""
    for entry in payload["ids"]:
        _change_entry(desk, system, entry, {"approved": True})
    return ()


def _correct(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Change the hours of an approved entry; how the webhook of it travels is part of the payload."""
    delivery = {name: payload[name] for name in ("silent", "hint_copies", "hint_delay") if name in payload}
    changed = {"time_in_minutes": payload["minutes"], "approved": True}
    _change_entry(desk, system, payload["id"], changed, **delivery)
    return ()


def _move(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Move entries to the project where they belong."""
    workspace, tasks = desk.projects.of(payload["contract"])
    for entry in payload["ids"]:
        _change_entry(
            desk, system, entry, {"workspace_id": workspace, "story_id": tasks[0] if tasks else None}
        )
    return ()


def _change_entry(desk: Desk, system: str, entry: str, fields: Mapping[str, Any], **delivery: Any) -> None:
    if desk.world.get(system, "time_entry", entry) is None:
        raise NotYet(f"entry {entry} is not booked")
    desk.world.put(system, "time_entry", fields, id=entry, **delivery)


def _collect(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Enter what customers have paid by today."""
    receivables.collect(desk.world, date.fromisoformat(payload["day"]), desk.seed)
    return ()


def _enter_invoice(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Enter an invoice by hand, without any key of another system."""
    amount = Decimal(payload["amount"])
    day = date.fromisoformat(payload["day"])
    receivables.enter_invoice(desk.world, payload["customer"], payload["document"], day, amount)
    return ()


def _fault(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """The vendor will misbehave: `kind` and its details as the world's faults have them."""
    told = dict(payload)
    desk.world.add_fault(system, told.pop("kind"), **told)
    return ()


def _note(desk: Desk, system: str, payload: Mapping[str, Any], only: Left | None) -> Left:
    """Nothing is done; something is said."""
    return ()


_VERBS: dict[str, Callable[[Desk, str, Mapping[str, Any], Left | None], Left]] = {
    "save": _save, "enter": _enter, "book": _book, "approve": _approve, "approve_late": _approve_late, "correct": _correct, "move": _move,
    "collect": _collect, "enter_invoice": _enter_invoice, "fault": _fault, "note": _note,
}  # fmt: skip
