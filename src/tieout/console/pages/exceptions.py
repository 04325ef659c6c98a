"""Exceptions: what is stuck, what does it cost, how do I fix it? Groups by cause; evidence beside the remedies."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from nicegui import ui
from sqlalchemy import Connection

from tieout.console import downloads, theme, words
from tieout.console.guard import guarded
from tieout.console.session import Database
from tieout.console.tables import PAGE, Column, PagedTable
from tieout.hub import exceptions, inbox_evidence
from tieout.hub.actors import ROLES, Actor, allows
from tieout.hub.exceptions import Page
from tieout.hub.refusals import NotFound

COLUMNS = [
    Column("key", "key"),
    Column("kind", "what"),
    Column("severity", "severity", wide=True),
    Column("state", "state"),
    Column("owner", "owner", lambda r: r["owner"].replace("_", " ")),
    Column("contract", "contract", wide=True),
    Column("amount", "at stake", money=True),
    Column("age_days", "days", number=True),
]
EXPORTED = ("key", "kind", "severity", "state", "owner", "contract", "entity", "amount", "currency", "opened_at",
            "age_days", "cause", "id")  # fmt: skip


def add(database: Database) -> None:
    """Register the page."""

    @ui.page("/exceptions")
    @guarded(database)
    async def show(
        actor: Actor, kind: str = "", owner: str = "", contract: str = "", all: str = "", id: str = ""
    ) -> None:
        chosen = {"kind": kind, "owner": owner, "contract": contract, "all": all}
        await Desk(database, actor, chosen).draw(id)


class Desk:
    """One person's view of the desk."""

    def __init__(self, database: Database, actor: Actor, filters: dict[str, str]) -> None:
        self.database, self.actor, self.filters = database, actor, filters
        self.opened = ""

    async def draw(self, id: str) -> None:
        """Draw the whole page; the exception `id` opens beside the list."""
        with ui.right_drawer(value=False).classes("t-side").props("width=480 overlay bordered") as self.side:
            pass
        with theme.frame(self.actor, "Exceptions"):
            with ui.element("div").classes("t-row"):
                ui.label("Exceptions").props("role=heading aria-level=1").style(
                    "font-size:20px;font-weight:600"
                )
                ui.space()
                self._filter("owner", {"": "every owner", **{role: role.replace("_", " ") for role in ROLES}})
                self._filter("all", {"": "open", "true": "open and closed"})
                ui.button("CSV", on_click=self._export).props(
                    "outline icon=download aria-label='Download as CSV'"
                )
            self.groups = ui.element("div").classes("t-row")
            self.table = PagedTable(
                COLUMNS, self._load, key="id", open=self._open, nothing="Nothing is stuck here."
            )
            await self._refresh()
            if id:
                await self._open({"id": id})
            ui.timer(4.0, self._refresh)

    def _filter(self, name: str, options: dict[str, str]) -> None:
        async def choose(event: Any) -> None:
            self.filters[name] = event.value
            self._remember()
            await self.table.restart()
            await self._refresh()

        ui.select(options, value=self.filters[name] or "", on_change=choose).props(
            f"dense outlined options-dense aria-label={name}"
        ).style("min-width:160px")

    def _remember(self) -> None:
        theme.remember("/exceptions", {**self.filters, "id": self.opened})

    async def _export(self) -> None:
        await downloads.offer(self._load, EXPORTED, "exceptions")

    async def _load(self, cursor: str | None) -> Page:
        ask = partial(
            exceptions.listed, filters=dict(self.filters), cursor=cursor, limit=PAGE, actor=self.actor,
            with_state=True,
        )  # fmt: skip
        return await self.database.read(lambda conn: ask(conn))

    async def _refresh(self) -> None:
        groups = await self.database.read(lambda conn: exceptions.group_by_cause(conn, actor=self.actor))
        await self.table.refresh()
        shown = json.dumps([self.filters["kind"], groups], default=str)
        if shown != getattr(self, "_groups_shown", None):
            self._groups_shown = shown
            self._draw_groups(groups)

    def _draw_groups(self, groups: list[dict[str, Any]]) -> None:
        kinds: dict[str, list[dict[str, Any]]] = {}
        for group in groups:
            kinds.setdefault(group["kind"], []).append(group)
        self.groups.clear()
        with self.groups:
            self._kind("", "all", groups)
            for kind, rows in kinds.items():
                self._kind(kind, kind, rows)

    def _kind(self, kind: str, name: str, rows: list[dict[str, Any]]) -> None:
        async def choose() -> None:
            self.filters["kind"] = kind
            self._remember()
            await self.table.restart()
            await self._refresh()

        money = words.totals([row for row in rows if row["amount"]], nothing="")
        text = f"{name} {sum(row['open'] for row in rows):,}{' · ' if money else ''}{money}"
        look = "unelevated" if self.filters["kind"] == kind else "outline"
        ui.button(text, on_click=choose).props(f"{look} dense no-caps padding='4px 8px'")

    async def _open(self, row: dict[str, Any]) -> None:
        try:
            exception = await self.database.read(
                lambda conn: exceptions.show(conn, row["id"], actor=self.actor)
            )
        except NotFound as missing:
            ui.notify(str(missing), type="negative")
            return
        evidence = await self.database.read(lambda conn: inbox_evidence.gather(conn, exception, self.actor))
        self.opened = str(exception["id"])
        self._remember()
        self.side.clear()
        self.side.show()
        with self.side:
            self._detail(exception, evidence)

    def _close(self) -> None:
        self.side.hide()
        self.opened = ""
        self._remember()

    def _detail(self, exception: dict[str, Any], evidence: dict[str, Any]) -> None:
        with ui.element("div").classes("t-row"):
            ui.label(exception["kind"]).props("role=heading aria-level=2").style(
                "font-size:16px;font-weight:600"
            )
            theme.state(exception["state"])
            ui.space()
            ui.button(icon="close", on_click=self._close).props("flat dense round aria-label=Close")
        ui.label(exception["cause"])
        theme.facts(
            [
                ("key", exception["key"]),
                ("at stake", words.money(exception["amount"], exception["currency"])),
                ("owner", exception["owner"].replace("_", " ")),
                ("contract", exception["contract"]),
                ("open since", f"{words.moment(exception['opened_at'])} ({exception['age_days']} days)"),
                (
                    "closed",
                    exception["resolution"] and f"{exception['closed_by']}: {exception['resolution']}",
                ),
            ]
        )
        ui.label("What you can do").props("role=heading aria-level=2").style("font-weight:600")
        with ui.element("div").classes("t-list"):
            for remedy in exception["remedies"]:
                ui.label(f"– {remedy}")
        if exception["state"] not in exceptions.CLOSED:
            self._actions(exception)
        for name, text in evidence.items():
            ui.label(name).props("role=heading aria-level=2").style("font-weight:600")
            ui.label(text).classes("t-pre")
        with ui.element("div").classes("t-row"):
            if exception["contract"]:
                ui.link("Contract", f"/contracts/{exception['contract']}").classes("t-link")
            ui.link("Trace", f"/trace/{exception['key']}").classes("t-link")

    def _actions(self, exception: dict[str, Any]) -> None:
        with ui.element("div").classes("t-row"):
            if allows(self.actor, "exceptions:replay"):
                ui.button("Run again", on_click=partial(self._replay, exception, False)).props(
                    "unelevated dense"
                )
                ui.button("Run all alike", on_click=partial(self._replay, exception, True)).props(
                    "outline dense"
                )
            if allows(self.actor, "exceptions:fix"):
                ui.button("Note a fix", on_click=partial(self._ask, exception, "fix")).props("outline dense")
            if allows(self.actor, "exceptions:waive"):
                ui.button("Waive", on_click=partial(self._ask, exception, "waive")).props("outline dense")
            if allows(self.actor, "exceptions:assign"):
                ui.button("Assign", on_click=partial(self._ask, exception, "assign")).props("outline dense")

    async def _ask(self, exception: dict[str, Any], verb: str) -> None:
        titles = {
            "fix": ("Note a fix", "What did you correct, and where? It closes when the work succeeds."),
            "waive": (
                "Waive",
                "Why may this be closed without a correction? It is recorded under your name.",
            ),
            "assign": ("Assign", "To a role or a person's address."),
        }
        title, help_text = titles[verb]
        act = {"fix": exceptions.fix, "waive": exceptions.waive, "assign": exceptions.assign}[verb]
        with ui.dialog() as dialog, ui.card().style("min-width:420px"):
            ui.label(title).style("font-weight:600")
            ui.label(help_text).classes("t-quiet")
            text = ui.input(label="Text").props("outlined dense autofocus").classes("w-full")
            with ui.element("div").classes("t-row"):
                ui.button(title, on_click=lambda: dialog.submit(text.value)).props("unelevated dense")
                ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat dense")
        said = await dialog
        if said is not None:
            await self._done(
                lambda conn: act(conn, exception["id"], said, self.actor), exception, f"{title}: done."
            )

    async def _replay(self, exception: dict[str, Any], alike: bool) -> None:
        ids = (
            await self.database.read(lambda conn: _alike(conn, exception, self.actor))
            if alike
            else [exception["id"]]
        )
        done, plans = await self.database.act(
            lambda conn: exceptions.replay(conn, ids, self.actor, dry_run=True)
        )
        if not done:
            ui.notify(plans, type="negative")
            return
        facts, sent = sum(len(p.inbox) for p in plans), sum(len(p.intents) for p in plans)
        work = len({w for p in plans for w in p.work})
        with ui.dialog() as dialog, ui.card():
            ui.label(f"Run {words.count(len(plans), 'exception')} again").style("font-weight:600")
            ui.label(
                f"Takes in {words.count(facts, 'fact')} anew, looks up and sends {words.count(sent, 'command')}, wakes "
                f"{words.count(work, 'piece')} of work. What is done already is not done twice."
            )
            with ui.element("div").classes("t-row"):
                ui.button("Run again", on_click=lambda: dialog.submit(True)).props("unelevated dense")
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat dense")
        if await dialog:
            await self._done(
                lambda conn: exceptions.replay(conn, ids, self.actor), exception, "It runs again."
            )

    async def _done(self, command: Any, exception: dict[str, Any], text: str) -> None:
        done, said = await self.database.act(command)
        ui.notify(text if done else said, type="positive" if done else "negative")
        if done:
            await self._refresh()
            await self._open(exception)


def _alike(conn: Connection, exception: dict[str, Any], actor: Actor) -> list[str]:
    """Open exceptions of the same kind and cause."""
    group = exception["evidence"].get("group")
    rows = exceptions.listed(conn, {"kind": exception["kind"]}, limit=500, actor=actor).rows
    if group is None:
        return [row["id"] for row in rows]
    return [
        row["id"]
        for row in rows
        if exceptions.show(conn, row["id"], actor=actor)["evidence"].get("group") == group
    ]
