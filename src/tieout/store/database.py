"""Connecting to PostgreSQL, refusing unsafe ones, bringing the schema up to date, making databases."""

from __future__ import annotations

import secrets
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

OLDEST_SERVER = 15
RESTED_SECONDS = 1.0
"""A connection that lay in the pool this long is asked whether it still answers before it is used."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_236_401_937


@dataclass(frozen=True)
class Check:
    """One finding of the boot check: what was looked at, whether it is fine, else what to do."""

    check: str
    ok: bool
    remedy: str = ""


class UnsafeDatabase(RuntimeError):
    """The database would lose or double work; nothing was written. `checks` are those that failed."""

    def __init__(self, checks: list[Check]) -> None:
        super().__init__("The database is refused. " + " ".join(check.remedy for check in checks))
        self.checks = checks

    def __reduce__(self) -> tuple[type[UnsafeDatabase], tuple[list[Check]]]:
        return type(self), (self.checks,)


def connect(url: str, *, pool_size: int = 5, max_overflow: int = 10, wait_seconds: float = 10.0) -> Engine:
    """An engine over psycopg 3, READ COMMITTED, that notices a restarted server on the next use.

    A caller that finds every connection busy waits that long, then gets sqlalchemy's TimeoutError.
    """
    engine = create_engine(
        driver_url(url), pool_size=pool_size, max_overflow=max_overflow, pool_timeout=wait_seconds
    )
    event.listen(engine, "checkout", _ask_the_rested)
    event.listen(engine, "checkin", _note_its_rest)
    return engine


def _note_its_rest(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ask_the_rested(connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:
    """Replace a connection that no longer answers.

    Asked is one that rested long, where a network may have forgotten it, or to which something was sent meanwhile: a
    server that goes ends its sessions, and that can be seen without asking. A question each time would cost as much as
    a statement (ADR-0001).
    """
    rested = time.monotonic() - record.info.get("rests_since", time.monotonic())
    if rested < RESTED_SECONDS and not _was_sent_something(connection):
        return
    try:
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error:
        raise InvalidatePoolError from None


def _was_sent_something(connection: Any) -> bool:
    """Whether the server's side of the connection has spoken or closed; a system call, no round trip."""
    try:
        watch = select.poll()
        watch.register(connection.fileno(), select.POLLIN)
        return bool(watch.poll(0))
    except psycopg.Error:
        return True


def driver_url(url: str) -> URL:
    """The address with the one driver we use, whichever spelling of `postgres` it came in."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+psycopg")


def plain_url(engine: Engine, database: str | None = None) -> str:
    """The engine's address for psycopg, ADBC and the durable engine, with its password."""
    parsed = engine.url.set(drivername="postgresql")
    if database is not None:
        parsed = parsed.set(database=database)
    return parsed.render_as_string(hide_password=False)


def prepare(engine: Engine) -> None:
    """Refuse an unsafe database, then bring its schema to the newest version; safe to run from many at once."""
    if failed := [check for check in check_database(engine) if not check.ok]:
        raise UnsafeDatabase(failed)
    with engine.begin() as conn:
        if not _is_newest(conn):
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            _upgrade(conn)


def _is_newest(conn: Connection) -> bool:
    """Whether the schema is that of the last migration: the usual case, which needs nothing more."""
    if conn.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return False
    found = conn.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return list(found) == [newest_version()]


def schema_version(conn: Connection) -> str | None:
    """The version of the last migration that was run here; None on a database that has none yet."""
    if conn.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return None
    return conn.execute(text("SELECT max(version_num) FROM alembic_version")).scalar_one_or_none()


def newest_version() -> str:
    """The version of the last migration, by the name of its file."""
    files = (_MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return max(file.name.split("_")[0] for file in files)


def _upgrade(conn: Connection) -> None:
    from alembic import command  # half of what a short command would load
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def check_database(engine: Engine) -> list[Check]:
    """The boot check: version, durability settings, no transaction-mode pooler; each with its remedy."""
    with engine.connect() as first, engine.connect() as second:
        first.execution_options(isolation_level="AUTOCOMMIT")
        return [_check_version(first), *_check_durability(first), check_pooler(first, second)]


def _check_version(conn: Connection) -> Check:
    number = int(conn.execute(text("SHOW server_version_num")).scalar_one())
    return Check(
        "server version",
        number >= OLDEST_SERVER * 10_000,
        f"The server is PostgreSQL {number // 10_000}; use version {OLDEST_SERVER} or newer.",
    )


def _check_durability(conn: Connection) -> list[Check]:
    """What is acknowledged must survive a power cut (the settings as this session gets them)."""
    found = []
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        value = conn.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
        remedy = (
            f"{name} is off, so confirmed work could be lost: ALTER SYSTEM SET {name} = on; then reload it."
        )
        found.append(Check(name, value != "off", remedy))
    return found


def check_pooler(first: Connection, second: Connection) -> Check:
    """A session must keep its server process: while `second` is in a transaction, `first` (autocommit) must not move.

    A transaction-mode pooler hands the process of the idle `first` to `second`.
    """
    ask = text("SELECT pg_backend_pid()")
    before = first.execute(ask).scalar_one()
    other = second.execute(ask).scalar_one()
    after = first.execute(ask).scalar_one()
    return Check(
        "session connections",
        before == after != other,
        "The address leads to a pooler in transaction mode, where locks and notifications get lost: "
        "connect to PostgreSQL directly, or set the pooler to session mode.",
    )


# --- databases of their own: demo, sandbox, tests, scenarios -----------------------------------------


def create_role_and_database(admin_url: str, name: str) -> str:
    """A role and a database of that name with a new password; the role sees nothing else. Returns its URL."""
    password = secrets.token_urlsafe(24)
    with psycopg.connect(_plain(admin_url), autocommit=True) as conn:
        exists = conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        verb = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}")
        conn.execute(verb.format(sql.Identifier(name), sql.Literal(password)))
        if not _has_database(conn, name):
            conn.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
        conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    return _plain(admin_url, database=name, username=name, password=password)


def create_database(admin_url: str, name: str) -> str:
    """An empty database of the administrator; kept as it is when it exists. Returns its URL."""
    with psycopg.connect(_plain(admin_url), autocommit=True) as conn:
        if not _has_database(conn, name):
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return _plain(admin_url, database=name)


def clone_database(admin_url: str, template: str, name: str) -> str:
    """A new database with the content of `template`, which nobody may be using. Returns its URL."""
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(_plain(admin_url), autocommit=True) as conn:
        conn.execute(make)
    return _plain(admin_url, database=name)


def drop_database(admin_url: str, name: str) -> None:
    """Remove a database, ending the sessions in it; no-op when it does not exist."""
    with psycopg.connect(_plain(admin_url), autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _has_database(conn: psycopg.Connection, name: str) -> bool:
    return conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _plain(url: str, **changes: str) -> str:
    parsed = driver_url(url).set(drivername="postgresql")
    if "database" in changes:
        parsed = parsed.set(**changes)  # type: ignore[arg-type]
    return parsed.render_as_string(hide_password=False)
