"""Signing in by a link, and out."""

from __future__ import annotations

from nicegui import app, ui

from tieout.console import theme
from tieout.console.session import Database, sign_in, sign_out


def add(database: Database) -> None:
    """Register the pages."""

    @ui.page("/sign-in")
    def how() -> None:
        _say(
            "Sign in",
            "Open your sign-in link. Who runs this installation makes one with:",
            "tieout people link EMAIL",
        )

    @ui.page("/sign-in/{secret}")
    async def by_link(secret: str) -> None:
        if await sign_in(database, secret):
            ui.navigate.to(app.storage.user.pop("wanted", "/"))
            return
        _say("This link does not work any more", "A link signs in once, within 15 minutes. Ask for another:",
             "tieout people link EMAIL")  # fmt: skip

    @ui.page("/sign-out")
    def out() -> None:
        sign_out()


def _say(title: str, text: str, command: str) -> None:
    ui.add_css(theme.STYLE)
    ui.dark_mode(None)
    with (
        ui.element("main").style("max-width:440px;margin:12vh auto;padding:0 16px"),
        ui.element("div").classes("t-card"),
    ):
        ui.label("Tieout").style("font-weight:700")
        ui.label(title).style("font-size:20px;font-weight:600").props("role=heading aria-level=1")
        ui.label(text)
        ui.label(command).classes("t-pre")
