"""Today: what needs me? Exceptions with their money, drafts to decide, systems that do not answer."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from sqlalchemy import Connection

from tieout.console import theme, words
from tieout.console.guard import guarded
from tieout.console.session import Database
from tieout.console.tables import Column, plain_table
from tieout.hub import billing, exceptions
from tieout.hub.actors import Actor, allows
from tieout.store import reading as store
from tieout.store import status

REFRESH_SECONDS = 3.0


def add(database: Database) -> None:
    """Register the page."""

    @ui.page("/")
    @guarded(database)
    async def today(actor: Actor) -> None:
        with theme.frame(actor, "Today"):
            ui.label("Today").props("role=heading aria-level=1").style("font-size:20px;font-weight:600")
            place = ui.column().classes("w-full").style("gap:16px;align-items:stretch")
            held: dict[str, Any] = {}

            async def show() -> None:
                found = await database.read(lambda conn: _gather(conn, actor))
                if found != held.get("found"):
                    held["found"] = found
                    place.clear()
                    with place:
                        _draw(found)

            await show()
            ui.timer(REFRESH_SECONDS, show)


def _gather(conn: Connection, actor: Actor) -> dict[str, Any]:
    groups = exceptions.group_by_cause(conn, actor=actor)
    found: dict[str, Any] = {
        "groups": groups,
        "mine": exceptions.listed(conn, limit=8, actor=actor).rows,
        "connections": status.connections(conn),
        "inbox": status.inbox_counts(conn),
        "outbox": status.outbox_counts(conn),
    }
    if allows(actor, "invoices:read"):
        for state in ("draft", "approved", "released"):
            found[state] = billing.listed(conn, {"state": state}, None, limit=200, actor=actor).rows
    if allows(actor, "financial-status:read"):
        found["firm"] = _firm(store.balances_by_account(conn, actor.entities))
    return found


def _firm(balances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unbilled and receivable of the whole firm, by currency."""
    rows: dict[str, dict[str, Any]] = {}
    for one in balances:
        if one["account"] in ("unbilled_receivable", "receivable"):
            rows.setdefault(one["currency"], {"unbilled_receivable": 0, "receivable": 0})[one["account"]] = (
                one["amount"]
            )
    return [{"currency": currency, **row} for currency, row in sorted(rows.items())]


def _draw(found: dict[str, Any]) -> None:
    with ui.element("div").classes("t-strip"):
        opened = sum(group["open"] for group in found["groups"])
        _figure("/exceptions", f"{opened:,}", "open exceptions", f"{words.totals(found['groups'])} at stake")
        if "draft" in found:
            _figure(
                "/billing?state=draft",
                f"{len(found['draft']):,}",
                "drafts to approve",
                words.totals(found["draft"], "gross_amount"),
            )
            _figure("/billing?state=approved", f"{len(found['approved']):,}", "approved, to release",
                    words.totals(found["approved"], "gross_amount"))  # fmt: skip
            _figure("/billing?state=released", f"{len(found['released']):,}", "released, not posted",
                    words.totals(found["released"], "gross_amount"))  # fmt: skip
        for row in found.get("firm", []):
            _figure("/contracts", words.money(row["unbilled_receivable"]), f"unbilled, {row['currency']}",
                    f"{words.money(row['receivable'])} receivable")  # fmt: skip
    with ui.element("div").classes("t-grid first"):
        with ui.element("section").classes("t-card"):
            ui.label("What is stuck, most money first").props("role=heading aria-level=2").style(
                "font-weight:600"
            )
            plain_table(
                [
                    Column("key", "key", link=lambda r: f"/exceptions?id={r['id']}"),
                    Column("kind", "what"),
                    Column("owner", "owner", lambda r: r["owner"].replace("_", " "), wrap=True),
                    Column("amount", "at stake", money=True),
                    Column("age_days", "days", number=True),
                ],
                found["mine"],
                "Nothing is stuck.",
            )
            ui.link("All exceptions", "/exceptions").classes("t-link")
        with ui.element("section").classes("t-card"):
            ui.label("Systems").props("role=heading aria-level=2").style("font-weight:600")
            plain_table(
                [
                    Column("name", "system"),
                    Column("state", "state", lambda r: "ok" if r["ok"] else "attention"),
                    Column("lag_seconds", "lag", lambda r: _lag(r["lag_seconds"]), number=True),
                    Column(
                        "budget_left",
                        "calls left this minute",
                        lambda r: _calls(r["budget_left"]),
                        number=True,
                    ),
                ],
                found["connections"],
                "No system is connected yet. Run: tieout init, then tieout apply.",
            )
            for name, counts in (("facts in", found["inbox"]), ("commands out", found["outbox"])):
                told = " · ".join(f"{number:,} {state}" for state, number in counts.items())
                ui.label(f"{name}: {told}").classes("t-quiet")


def _figure(address: str, number: str, name: str, more: str) -> None:
    with ui.link(target=address).classes("t-fig"):
        ui.label(number).classes("n")
        ui.label(name)
        ui.label(more).classes("t-quiet")


def _calls(left: int | None) -> str:
    return "" if left is None else f"{left:,}"


def _lag(seconds: int | None) -> str:
    if seconds is None:
        return "never read"
    return (
        f"{seconds} s"
        if seconds < 120
        else f"{seconds // 60} min"
        if seconds < 7200
        else f"{seconds // 3600} h"
    )
