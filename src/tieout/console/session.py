"""Who is signed in: a link signs in once; every page and every action looks the person up again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from nicegui import app, run, ui
from sqlalchemy import Connection, Engine

from tieout.hub import people
from tieout.hub.actors import Actor
from tieout.hub.refusals import NotFound, Refusal, Unauthenticated

Found = TypeVar("Found")


class Database:
    """The engine of this process, for pages and actions; set when the console is mounted."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    async def read(self, ask: Callable[[Connection], Found]) -> Found:
        """Run a read off the event loop."""

        def work() -> Found:
            with self._engine().connect() as conn:
                return ask(conn)

        found: Any = await run.io_bound(work)
        return cast("Found", found)

    async def act(self, command: Callable[[Connection], Found]) -> tuple[bool, Any]:
        """Run a command in one transaction; (True, result), or (False, the refusal in plain words)."""

        def work() -> Found:
            with self._engine().begin() as conn:
                return command(conn)

        try:
            return True, await run.io_bound(work)
        except Refusal as refused:
            return False, str(refused)


def storage_secret(folder: Path) -> str:
    """The key that signs session cookies: made once, private to this home."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "session.key"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secrets.token_urlsafe(32))
    return file.read_text()


async def sign_in(database: Database, secret: str) -> bool:
    """Use a sign-in link; False when it is wrong, expired or used."""

    done, found = await database.act(lambda conn: people.use_link(conn, secret))
    if done:
        app.storage.user.clear()
        app.storage.user["person"] = found.name
    return done


async def signed_in(database: Database) -> Actor | None:
    """The signed-in person with the roles they have now; None (and off to the sign-in page) without one."""
    person = app.storage.user.get("person")
    if person is None:
        return None
    try:
        return await database.read(lambda conn: people.actor_by_email(conn, person))
    except (Unauthenticated, NotFound):
        app.storage.user.clear()
        return None


def sign_out() -> None:
    """Forget the session."""
    app.storage.user.clear()
    ui.navigate.to("/sign-in")
