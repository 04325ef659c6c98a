"""Billing: what can go out? Runs, drafts with their checks, approval by a second person, release, credit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from nicegui import ui
from sqlalchemy import Connection

from tieout.console import downloads, theme, words
from tieout.console.guard import guarded
from tieout.console.session import Database
from tieout.console.tables import PAGE, Column, PagedTable, plain_table
from tieout.hub import billing
from tieout.hub.actors import Actor, allows
from tieout.hub.exceptions import Page
from tieout.hub.refusals import Refusal
from tieout.store import clock

STATES = {
    "": "all", "draft": "to approve", "approved": "to release", "released": "released, not posted",
    "posted": "posted", "part_paid": "part paid", "paid": "paid", "credited": "credited", "void": "void",
}  # fmt: skip
COLUMNS = [
    Column("shown", "document", lambda r: r["number"] or r["reference"]),
    Column("kind", "what", lambda r: r["kind"].replace("_", " "), wide=True),
    Column("state", "state", lambda r: "stale" if r["stale"] else r["state"]),
    Column("contract", "contract"),
    Column("customer", "customer", wide=True),
    Column("through", "work through", lambda r: words.day(r["through"])),
    Column("issue_date", "issued", lambda r: words.day(r["issue_date"]), wide=True),
    Column("net_amount", "net", money=True),
    Column("gross_amount", "gross", money=True),
    Column("preparer", "prepared by", lambda r: words.person(r["preparer"]), wide=True),
]
EXPORTED = ("number", "reference", "kind", "state", "contract", "customer", "through", "issue_date", "due_date",
            "currency", "net_amount", "tax_amount", "gross_amount", "preparer", "approver")  # fmt: skip


def add(database: Database) -> None:
    """Register the page."""

    @ui.page("/billing")
    @guarded(database)
    async def show(actor: Actor, state: str = "", contract: str = "", document: str = "") -> None:
        await Billing(database, actor, state if state in STATES else "", contract).draw(document)


class Billing:
    """One person's view of what can go out."""

    def __init__(self, database: Database, actor: Actor, state: str, contract: str) -> None:
        self.database, self.actor, self.state, self.contract, self.search = (
            database,
            actor,
            state,
            contract,
            "",
        )
        self.opened = ""

    async def draw(self, document: str) -> None:
        """Draw the whole page; `document` opens beside it."""
        self.side = ui.right_drawer(value=False).classes("t-side").props("width=560 overlay bordered")
        with theme.frame(self.actor, "Billing"):
            with ui.element("div").classes("t-row"):
                ui.label("Billing").props("role=heading aria-level=1").style("font-size:20px;font-weight:600")
                ui.space()
                ui.input(placeholder="number, contract, customer", on_change=self._searched).props(
                    "dense outlined debounce=300 aria-label=Search clearable"
                ).style("min-width:260px")
                ui.button("CSV", on_click=self._export).props(
                    "outline icon=download aria-label='Download as CSV'"
                )
                if allows(self.actor, "invoices:draft"):
                    ui.button("Run billing", on_click=self._ask_run).props("unelevated icon=play_arrow")
            self.tabs = ui.element("div").classes("t-row")
            self._draw_tabs()
            self.actions = ui.element("div").classes("t-row").style("min-height:32px")
            self.table = PagedTable(
                COLUMNS, self._load, key="reference", open=self._open, choose=True, on_choose=self._draw_actions,
                nothing="Nothing here. Run billing to draft what is due.",
            )  # fmt: skip
            self._draw_actions([])
            await self.table.refresh()
            if document:
                await self._open({"reference": document})
            ui.timer(4.0, self.table.refresh)

    async def _load(self, cursor: str | None) -> Page:
        filters = {"state": self.state, "contract": self.contract, "search": self.search}
        ask = partial(billing.listed, filters=filters, cursor=cursor, limit=PAGE, actor=self.actor)
        return await self.database.read(lambda conn: ask(conn))

    def _draw_tabs(self) -> None:
        self.tabs.clear()
        with self.tabs:
            for state, name in STATES.items():
                look = "unelevated" if state == self.state else "outline"
                ui.button(name, on_click=partial(self._choose_state, state)).props(
                    f"{look} dense padding='4px 8px'"
                )

    async def _choose_state(self, state: str) -> None:
        self.state = state
        self._remember()
        self._draw_tabs()
        self._draw_actions([])
        await self.table.restart()

    def _remember(self) -> None:
        theme.remember("/billing", {"state": self.state, "contract": self.contract, "document": self.opened})

    async def _export(self) -> None:
        await downloads.offer(self._load, EXPORTED, "billing")

    async def _searched(self, event: Any) -> None:
        self.search = event.value or ""
        await self.table.restart()

    # --- several at once -------------------------------------------------------------------------------------

    def _draw_actions(self, rows: Sequence[dict[str, Any]]) -> None:
        drafts = [row for row in rows if row["state"] == "draft"]
        approved = [row for row in rows if row["state"] == "approved"]
        self.actions.clear()
        with self.actions:
            if drafts and allows(self.actor, "invoices:approve"):
                text = f"Approve {words.count(len(drafts), 'draft')}, {words.totals(drafts, 'gross_amount')}"
                ui.button(text, on_click=partial(self._decide_all, drafts, "approve")).props(
                    "unelevated dense"
                )
            if approved and allows(self.actor, "invoices:release"):
                text = f"Release {words.count(len(approved), 'document')}, {words.totals(approved, 'gross_amount')}"
                ui.button(text, on_click=partial(self._decide_all, approved, "release")).props(
                    "unelevated dense"
                )
            if not rows:
                ui.label("Tick documents to decide about several, or open one.").classes("t-quiet")

    async def _decide_all(self, rows: Sequence[dict[str, Any]], verb: str) -> None:
        undone = (
            "Approval can be taken back by rejecting."
            if verb == "approve"
            else "A release cannot be undone, only credited."
        )
        if not await self._confirm(f"{verb.title()} {words.count(len(rows), 'document')}",
                                   f"{words.totals(rows, 'gross_amount')} gross. {undone}", verb.title()):  # fmt: skip
            return
        failed = []
        for row in rows:
            done, said = await self.database.act(
                partial(_decide, row["reference"], self.actor, verb, row["version"], "")
            )
            if not done:
                failed.append(said)
        ui.notify(
            f"{verb.title()}: {len(rows) - len(failed)} done.", type="positive" if not failed else "warning"
        )
        for said in failed[:3]:
            ui.notify(said, type="negative", multi_line=True)
        self._draw_actions([])
        await self.table.restart()

    async def _confirm(self, title: str, text: str, action: str) -> bool:
        with ui.dialog() as dialog, ui.card():
            ui.label(title).style("font-weight:600")
            ui.label(text)
            with ui.element("div").classes("t-row"):
                ui.button(action, on_click=lambda: dialog.submit(True)).props("unelevated dense").mark(
                    "confirm"
                )
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat dense")
        return bool(await dialog)

    async def _ask_run(self) -> None:
        today = await self.database.read(clock.now)
        with ui.dialog() as dialog, ui.card().style("min-width:360px"):
            ui.label("Run billing").style("font-weight:600")
            ui.label(
                "Drafts everything approved and due on or before this day; you are the preparer."
            ).classes("t-quiet")
            through = ui.input("Work through", value=today.date().isoformat()).props(
                "outlined dense type=date"
            )
            with ui.element("div").classes("t-row"):
                ui.button("Run", on_click=lambda: dialog.submit(through.value)).props("unelevated dense")
                ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat dense")
        chosen = await dialog
        if not chosen:
            return
        try:
            day = date.fromisoformat(chosen)
        except ValueError:
            ui.notify(f"{chosen} is no date.", type="negative")
            return
        done, run_id = await self.database.act(lambda conn: billing.start_run(conn, self.actor, day))
        if not done:
            ui.notify(run_id, type="negative")
            return
        note = ui.notification("Billing runs …", spinner=True, timeout=None)

        async def watch() -> None:
            status = await self.database.read(lambda conn: billing.run_status(conn, run_id, self.actor))
            note.message = f"Billing: {status['contracts_done']} of {status['contracts']} contracts"
            if status["state"] != "running":
                timer.deactivate()
                note.spinner, note.timeout = False, 5
                await self._choose_state("draft")

        timer = ui.timer(0.5, watch)

    # --- one document ----------------------------------------------------------------------------------------

    async def _open(self, row: dict[str, Any]) -> None:
        try:
            found = await self.database.read(lambda conn: billing.show(conn, row["reference"], self.actor))
        except Refusal as refused:
            ui.notify(str(refused), type="negative")
            return
        self.opened = found["number"] or found["reference"]
        self._remember()
        self.side.clear()
        self.side.show()
        with self.side:
            self._head(found)
            self._document_actions(found)
            self._lines(found)
            self._around(found)

    def _close(self) -> None:
        self.side.hide()
        self.opened = ""
        self._remember()

    def _head(self, found: dict[str, Any]) -> None:
        with ui.element("div").classes("t-row"):
            ui.label(found["number"] or found["reference"]).props("role=heading aria-level=2").style(
                "font-size:16px;font-weight:600"
            )
            theme.state("stale" if found["stale"] else found["state"])
            ui.space()
            ui.button(icon="close", on_click=self._close).props("flat dense round aria-label=Close")
        theme.facts(
            [
                ("contract", found["contract"]),
                ("customer", found["customer"]),
                ("work through", words.day(found["through"])),
                (
                    "issued, due",
                    found["issue_date"]
                    and f"{words.day(found['issue_date'])}, {words.day(found['due_date'])}",
                ),
                ("purchase order", found["purchase_order"]),
                ("net", words.money(found["net_amount"], found["currency"])),
                ("tax", words.money(found["tax_amount"], found["currency"])),
                ("gross", words.money(found["gross_amount"], found["currency"])),
                (
                    "retained",
                    found["retained_amount"] and words.money(found["retained_amount"], found["currency"]),
                ),
                ("open", found["number"] and words.money(found["open_amount"], found["currency"])),
                ("prepared by", found["preparer"]),
                ("approved by", found["approver"]),
                ("credits", found["credits"]),
                ("why", found["reason"] or found["void_reason"] or found["stale_reason"]),
            ]
        )
        with ui.element("div").classes("t-list"):
            for check in found["checks"]:
                with ui.element("div").classes("t-row"):
                    theme.state("ok" if check["ok"] else "attention")
                    ui.label(f"{check['check'].replace('_', ' ')}: {check['detail']}")

    def _document_actions(self, found: dict[str, Any]) -> None:
        with ui.element("div").classes("t-row"):
            if found["state"] == "draft" and allows(self.actor, "invoices:approve"):
                ui.button("Approve", on_click=partial(self._decide, found, "approve")).props(
                    "unelevated dense"
                )
            if found["state"] in ("draft", "approved") and allows(self.actor, "invoices:approve"):
                ui.button("Reject", on_click=partial(self._with_reason, found, "reject")).props(
                    "outline dense"
                )
            if found["state"] in ("draft", "approved") and allows(self.actor, "invoices:draft"):
                ui.button("Void", on_click=partial(self._with_reason, found, "void")).props("outline dense")
            if found["state"] == "approved" and allows(self.actor, "invoices:release"):
                text = f"Release, {words.money(found['gross_amount'], found['currency'])}"
                ui.button(text, on_click=partial(self._decide, found, "release")).props("unelevated dense")
            if found["number"] and found["kind"] == "invoice" and allows(self.actor, "credit-notes:request"):
                ui.button("Credit", on_click=partial(self._ask_credit, found)).props("outline dense")
            ui.button("Backup sheet", on_click=partial(self._download, found)).props(
                "outline dense icon=download"
            )
            ui.link("Trace", f"/trace/{found['number'] or found['reference']}").classes("t-link")

    def _lines(self, found: dict[str, Any]) -> None:
        for line in billing.told_by_contract(found["lines"]):
            with ui.element("section").classes("t-card"):
                ui.label(line["description"]).style("font-weight:600")
                price = words.money(line["unit_price"])
                ui.label(
                    f"{words.hours(line['quantity'])} h × {price} = {words.money(line['net_amount'], found['currency'])}"
                )
                plain_table(
                    [
                        Column("entry", "entry"),
                        Column("work_date", "day", lambda r: words.day(r["work_date"])),
                        Column("worker", "worker"),
                        Column("quantity", "hours", lambda r: words.hours(r["quantity"]), number=True),
                        Column("amount", "amount", lambda r: words.money(r["amount"]), number=True),
                    ],
                    line["events"][:200],
                )
                if len(line["events"]) > 200:
                    ui.label(f"and {len(line['events']) - 200} more in the backup sheet").classes("t-quiet")
                if line["events"]:
                    ui.label(f"Why this price: {_trail(line['events'][0])}").classes("t-quiet")

    def _around(self, found: dict[str, Any]) -> None:
        for approval in found["approvals"]:
            role = approval["role"].replace("_", " ")
            ui.label(
                f"{approval['decision']} by {approval['approver']} as {role}, {words.moment(approval['recorded_at'])}"
            )
        for intent in found["intents"]:
            said = f"{intent['connection']}: {intent['state']}"
            ui.label(f"{said}, record {intent['target_id']}" if intent["target_id"] else said)
        for payment in found["payments"]:
            ui.label(
                f"paid {words.money(payment['amount'], found['currency'])} on {words.day(payment['paid_on'])}"
            )
        for note in found["credit_notes"]:
            ui.label(
                f"credit note {note['number'] or note['reference']}: {words.money(note['gross_amount'])}, {note['state']}"
            )

    async def _decide(self, found: dict[str, Any], verb: str, reason: str = "") -> None:
        if verb == "release" and not await self._confirm(
            f"Release {found['reference']}",
            f"It gets its number and goes to the ERP: {words.money(found['gross_amount'], found['currency'])} gross. "
            "It cannot be undone, only credited.", "Release",
        ):  # fmt: skip
            return
        done, said = await self.database.act(
            partial(_decide, found["reference"], self.actor, verb, found["version"], reason)
        )
        ui.notify(
            f"{verb.title()}: done." if done else said,
            type="positive" if done else "negative",
            multi_line=True,
        )
        await self.table.refresh()
        await self._open(found)

    async def _with_reason(self, found: dict[str, Any], verb: str) -> None:
        with ui.dialog() as dialog, ui.card().style("min-width:420px"):
            ui.label(f"{verb.title()} {found['reference']}").style("font-weight:600")
            ui.label("Its hours become billable again.").classes("t-quiet")
            reason = ui.input("Reason").props("outlined dense autofocus").classes("w-full")
            with ui.element("div").classes("t-row"):
                ui.button(verb.title(), on_click=lambda: dialog.submit(reason.value)).props(
                    "unelevated dense"
                )
                ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat dense")
        said = await dialog
        if said is not None:
            await self._decide(found, verb, said)

    async def _ask_credit(self, found: dict[str, Any]) -> None:
        with ui.dialog() as dialog, ui.card().style("min-width:460px"):
            ui.label(f"Credit {found['number']}").style("font-weight:600")
            ui.label(
                f"{words.money(found['open_amount'], found['currency'])} is open. Another person approves the credit."
            )
            what = ui.select(
                {"whole": "the whole invoice", "items": "hours of entries", "amount": "an amount, net"},
                value="whole",
            )
            what.props("outlined dense").classes("w-full")
            items = (
                ui.input("Entries and hours, e.g. 501=3, 502=1.5").props("outlined dense").classes("w-full")
            )
            items.bind_visibility_from(what, "value", value="items")
            amount = ui.input("Amount").props("outlined dense").classes("w-full")
            amount.bind_visibility_from(what, "value", value="amount")
            kind = ui.select({"correction": "correction (no effect on revenue)", "concession": "concession (the price falls)",
                              "cancellation": "cancellation"}, value="correction").props("outlined dense").classes("w-full")  # fmt: skip
            rebill = ui.checkbox("bill the credited hours again")
            reason = ui.input("Reason").props("outlined dense").classes("w-full")
            with ui.element("div").classes("t-row"):
                ui.button("Prepare credit note", on_click=lambda: dialog.submit(True)).props(
                    "unelevated dense"
                )
                ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat dense")
        if not await dialog:
            return
        try:
            wanted = {
                "items": _items(items.value) if what.value == "items" else None,
                "amount": Decimal(amount.value.replace(",", "")) if what.value == "amount" else None,
                "whole": what.value == "whole",
            }
        except (ValueError, InvalidOperation):
            ui.notify("Write entries as ID=HOURS, amounts as 1234.50.", type="negative")
            return
        done, said = await self.database.act(
            lambda conn: billing.request_credit(
                conn,
                self.actor,
                found["number"],
                **wanted,
                kind=kind.value,
                reason=reason.value,
                rebill=rebill.value,
            )
        )
        ui.notify(
            f"Credit note {said} waits for approval." if done else said,
            type="positive" if done else "negative",
        )
        await self.table.refresh()
        if done:
            await self._open({"reference": said})

    async def _download(self, found: dict[str, Any]) -> None:
        rows = await self.database.read(
            lambda conn: billing.backup_sheet(conn, found["reference"], self.actor)
        )
        ui.download.content(
            downloads.as_csv(rows), f"{found['number'] or found['reference']}-hours.csv", "text/csv"
        )


def _decide(ref: str, actor: Actor, verb: str, version: int, reason: str, conn: Connection) -> Any:
    if verb == "release":
        return billing.release(conn, ref, actor, version)
    verbs: dict[str, Callable[..., Any]] = {
        "approve": billing.approve,
        "reject": billing.reject,
        "void": billing.void,
    }
    return verbs[verb](conn, ref, actor, reason, version)


def _items(text: str) -> list[dict[str, Any]]:
    found = []
    for part in text.split(","):
        entry, _, hours = part.strip().partition("=")
        if not entry or not hours:
            raise ValueError(text)
        found.append({"id": entry.strip(), "hours": Decimal(hours.strip()), "amount": None})
    return found


def _trail(event: dict[str, Any]) -> str:
    trail = event.get("trail")
    if not isinstance(trail, dict):
        return words.money(event.get("price"))
    matched = ", ".join(f"{name} {value}" for name, value in (trail.get("matched") or {}).items())
    return f"card {trail.get('card')}, matched {matched or 'every entry'}, from {(trail.get('rate') or {}).get('from')}"
