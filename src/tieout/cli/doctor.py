"""`tieout doctor`: is this machine fit, and what to do if not."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.client import HTTPException
from json import loads as json_of
from pathlib import Path

import typer
from sqlalchemy import Connection, Engine

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
from tieout.hub.verify.case import LEFT_BEHIND, MOST_FAILURES
from tieout.processes import refuse_taken_port, running
from tieout.store import clock, connections, status
from tieout.store.database import Check, check_database, connect, newest_version, schema_version
from tieout.store.postgres import EmbeddedPostgres

app = typer.Typer(add_completion=False)

MOST_SECONDS_APART = 5.0
"""What this machine's clock may differ from the database's: links and leases are told by the latter."""
LEAST_FREE_BYTES = 2 * 1024**3


@app.command(epilog="Example: tieout doctor --json")
def doctor(json: Json = False) -> None:
    """Check Python, folders, disk, port, database, clock, schema, connections and work. Exit 1 when something must be done."""
    checks = list(_checks(settings_in_use(read_settings())))
    if json:
        print_json([{"check": c.check, "ok": c.ok, "remedy": "" if c.ok else c.remedy} for c in checks])
    else:
        table(["check", "ok", "what to do"], [(c.check, c.ok, "" if c.ok else c.remedy) for c in checks])
    raise typer.Exit(0 if all(check.ok for check in checks) else FINDING)


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), "Use Python 3.11 or newer.")
    yield _guarded("home folder", lambda: _check_home(settings.home))
    yield _guarded("disk space", lambda: _check_disk(settings.home))
    yield _guarded("port", lambda: _check_port(settings))
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
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    gigabytes = free // 1024**3
    return Check(
        "disk space", free >= LEAST_FREE_BYTES, f"Only {gigabytes} GB are free at {home}: free at least 2 GB."
    )


def _check_port(settings: Settings) -> Check:
    if "web" not in running(settings) and not _is_ours(settings):
        try:
            refuse_taken_port(settings.port)
        except Misconfigured as taken:
            return Check("port", False, str(taken))
    return Check("port", True)


def _is_ours(settings: Settings) -> bool:
    """Whether a web door of Tieout answers there: one that `tieout serve` runs has no pid file."""
    try:
        with urllib.request.urlopen(f"{settings.web_url}/health", timeout=2) as answer:
            return set(json_of(answer.read(1000))) == {"status", "version"}
    except (OSError, ValueError, TypeError, HTTPException):
        return False


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
                found = [Check("database", True), *check_database(engine), *_check_contents(engine)]
            finally:
                engine.dispose()
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        found = [Check("database", False, f"{explained.message} {explained.remedy}".strip())]
    yield from found


def _check_contents(engine: Engine) -> list[Check]:
    """The clock, and in a database that was set up: its schema, connections and work."""
    with engine.connect() as conn:
        apart = abs((datetime.now(timezone.utc) - clock.real_now(conn)).total_seconds())
        clocks = Check(
            "clock", apart <= MOST_SECONDS_APART,
            f"The clocks of this machine and of the database are {apart:.0f} s apart: set both by NTP.",
        )  # fmt: skip
        found, newest = schema_version(conn), newest_version()
        if found is None:
            return [clocks, Check("migrations", True)]
        behind = f"The schema is {found} and this program needs {newest}: " + (
            "start tieout up, serve or worker, which migrates it." if found < newest else "install the newer program."
        )  # fmt: skip
        migrations = Check("migrations", found == newest, behind)
        return [clocks, migrations, *(_check_work(conn) if migrations.ok else [])]


def _check_work(conn: Connection) -> list[Check]:
    enabled = {row["name"] for row in connections.enabled(conn)}
    bad = [one for one in status.connections(conn) if one["name"] in enabled and not one["ok"]]
    stuck = status.stuck_work(conn, MOST_FAILURES, LEFT_BEHIND)
    return [
        Check(
            "connections", not bad,
            " ".join(f"{one['name']}: {one['detail']}. Run: tieout connections test {one['name']}." for one in bad),
        ),
        Check(
            "stuck work", not stuck,
            f"{len(stuck)} pieces fail or are long due, first {', '.join(stuck[:3])}. Look whether workers run "
            "(tieout status) and what is stuck (tieout exceptions list).",
        ),
    ]  # fmt: skip
