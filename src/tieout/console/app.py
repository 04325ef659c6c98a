"""The console on the web process: its pages, its sign-in, its session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tieout.bootstrap import Settings


def mount(web: FastAPI, settings: Settings) -> None:
    """Add the console to the web process. Sessions are kept in the home folder, signed by a key of this home."""
    folder = settings.home / "console"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(folder))  # read when nicegui is imported

    from nicegui import ui

    from tieout.console.pages import add_pages
    from tieout.console.session import Database, storage_secret

    add_pages(Database(lambda: web.state.engine))
    ui.run_with(
        web, title="Tieout", dark=None, language="en-US", tailwind=False, show_welcome_message=False,
        storage_secret=storage_secret(folder), reconnect_timeout=10,
        session_middleware_kwargs={"same_site": "lax", "max_age": 12 * 3600},
        favicon="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        "<path d='M2 3h12v2H9v9H7V5H2z' fill='%231b5e8c'/></svg>",
    )  # fmt: skip
