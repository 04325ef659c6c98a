"""A page for signed-in people only; its function gets the person as `actor`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import app, ui

from tieout.console.session import Database, signed_in


def guarded(database: Database) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    """Decorate a page function `(actor, …path and query parameters)`; without a session one is sent to sign in."""

    def decorate(page: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(page)
        async def protected(**told: Any) -> None:
            actor = await signed_in(database)
            if actor is None:
                asked = ui.context.client.request.url
                app.storage.user["wanted"] = f"{asked.path}?{asked.query}" if asked.query else asked.path
                ui.navigate.to("/sign-in")
                return
            await page(actor, **told)

        parameters = [p for p in inspect.signature(page).parameters.values() if p.name != "actor"]
        protected.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        return protected

    return decorate
