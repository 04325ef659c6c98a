"""`tieout doctor`: is this machine fit, and what to do if not."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tieout.bootstrap import (
    Misconfigured,
    Settings,
    embedded_server,
    open_database_url,
    read_settings,
    settings_in_use,
)
from tieout.cli.failures import explain
from tieout.cli.output import FINDING, Json, print_json, table
from tieout.processes import refuse_taken_port, running
from tieout.store.database import Check, check_database, connect
from tieout.store.postgres import EmbeddedPostgres

app = typer.Typer(add_completion=False)

LEAST_FREE_BYTES = 2 * 1024**3


@app.command(epilog="Example: tieout doctor --json")
def doctor(json: Json = False) -> None:
    """Check Python, folders, disk, port and database. Exit 1 when something must be done."""
    checks = list(_checks(settings_in_use(read_settings())))
    if json:
        print_json([{"check": c.check, "ok": c.ok, "remedy": "" if c.ok else c.remedy} for c in checks])
    else:
        table(["check", "ok", "what to do"], [(c.check, c.ok, "" if c.ok else c.remedy) for c in checks])
    raise typer.Exit(0 if all(check.ok for check in checks) else FINDING)


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), "Use Python 3.11 or newer.")
    home = _guarded("home folder", lambda: _check_home(settings.home))
    yield home
    if home.ok:
        yield _check_disk(settings.home)
    yield _guarded("port", lambda: _check_port(settings))
    if home.ok or settings.database_url:
        yield from _check_database(settings)


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    """A check whose expected error is its finding."""
    try:
        return look()
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        return Check(name, False, f"{explained.message} {explained.remedy}".strip())


def _check_home(home: Path) -> Check:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(home.stat().st_mode)
    if not os.access(home, os.W_OK):
        return Check(
            "home folder", False, f"{home} cannot be written: set TIEOUT_HOME to a folder of your own."
        )
    return Check("home folder", not mode & 0o077, f"Other users can read {home}: chmod 700 {home}")


def _check_disk(home: Path) -> Check:
    free = shutil.disk_usage(home).free
    gigabytes = free // 1024**3
    return Check(
        "disk space", free >= LEAST_FREE_BYTES, f"Only {gigabytes} GB are free at {home}: free at least 2 GB."
    )


def _check_port(settings: Settings) -> Check:
    if "web" not in running(settings):
        try:
            refuse_taken_port(settings.port)
        except Misconfigured as taken:
            return Check("port", False, str(taken))
    return Check("port", True)


@contextmanager
def _database_to_check(settings: Settings) -> Iterator[str]:
    """The database in use; on a machine where nothing is set up yet a throwaway one, so that nothing gets set up."""
    if settings.database_url or embedded_server(settings).data.exists():
        with open_database_url(settings) as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=settings.home) as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            yield server.start()
        finally:
            server.stop()


def _check_database(settings: Settings) -> Iterator[Check]:
    try:
        with _database_to_check(settings) as url:
            engine = connect(url)
            try:
                found = [Check("database", True), *check_database(engine)]
            finally:
                engine.dispose()
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        found = [Check("database", False, f"{explained.message} {explained.remedy}".strip())]
    yield from found
