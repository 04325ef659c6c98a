"""Contracts: which agreements there are, and in what state."""

from __future__ import annotations

from nicegui import ui

from tieout.console import theme, words
from tieout.console.guard import guarded
from tieout.console.session import Database
from tieout.console.tables import PAGE, Column, PagedTable
from tieout.hub import reading
from tieout.hub.actors import Actor
from tieout.hub.exceptions import Page

COLUMNS = [
    Column("key", "contract"),
    Column("customer", "customer"),
    Column("state", "state"),
    Column("legal_entity", "entity"),
    Column("billing_method", "billing", lambda r: (r["billing_method"] or "").replace("_", " ")),
    Column("rate_card", "rate card"),
    Column("cap_amount", "cap", money=True),
    Column("start_date", "from", lambda r: words.day(r["start_date"])),
    Column("end_date", "to", lambda r: words.day(r["end_date"])),
]


def add(database: Database) -> None:
    """Register the page."""

    @ui.page("/contracts")
    @guarded(database)
    async def show(actor: Actor) -> None:
        async def load(cursor: str | None) -> Page:
            return await database.read(
                lambda conn: reading.listed(conn, "contracts", actor, cursor=cursor, limit=PAGE)
            )

        async def open_row(row: dict[str, object]) -> None:
            ui.navigate.to(f"/contracts/{row['key']}")

        with theme.frame(actor, "Contracts"):
            ui.label("Contracts").props("role=heading aria-level=1").style("font-size:20px;font-weight:600")
            table = PagedTable(
                COLUMNS, load, key="key", open=open_row, nothing="No contract has been heard of yet."
            )
            await table.refresh()
