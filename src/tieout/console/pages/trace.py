"""Trace: from any key to its sources and its effects, across systems."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from tieout.console import theme, words
from tieout.console.guard import guarded
from tieout.console.session import Database
from tieout.console.tables import Column, plain_table
from tieout.hub import trace
from tieout.hub.actors import Actor
from tieout.hub.refusals import Refusal


def add(database: Database) -> None:
    """Register the page."""

    @ui.page("/trace/{key:path}")
    @guarded(database)
    async def show(actor: Actor, key: str) -> None:
        with theme.frame(actor, "Trace"):
            ui.label(f"Trace of {key}").props("role=heading aria-level=1").style(
                "font-size:20px;font-weight:600"
            )
            try:
                found = await database.read(lambda conn: trace.trace(conn, key, actor))
            except Refusal as refused:
                theme.empty(str(refused))
                return
            _draw(found)


def _draw(found: dict[str, Any]) -> None:
    with ui.element("p").classes("t-quiet"):
        ui.label(f"{words.count(len(found['nodes']), 'record')}, from source documents to target records.")
    names = {node["id"]: f"{node['type'].replace('_', ' ')} {node['key']}" for node in found["nodes"]}
    into: dict[str, list[str]] = {}
    for edge in found["edges"]:
        into.setdefault(edge["to"], []).append(f"{names.get(edge['from'], edge['from'])} ({edge['via']})")
    plain_table(
        [
            Column("key", "key"),
            Column("type", "what", lambda r: r["type"].replace("_", " ")),
            Column("system", "system"),
            Column("at", "at", lambda r: words.moment(r["at"])),
            Column("amount", "amount", money=True),
            Column("from", "comes from", lambda r: _some(into.get(r["id"], [])), wrap=True),
        ],
        found["nodes"],
        "Nothing is known under this key.",
    )


def _some(names: list[str]) -> str:
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
