"""Boot check, migrations and databases of their own."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError, TimeoutError

from tieout.store.database import (
    UnsafeDatabase,
    check_database,
    check_pooler,
    clone_database,
    connect,
    create_role_and_database,
    drop_database,
    newest_version,
    plain_url,
    prepare,
)
from tieout.store.postgres import EmbeddedPostgres
from tieout.store.tables import metadata


def test_the_migrated_schema_is_the_one_in_the_code(conn: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_the_newest_version_by_file_name_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory("src/tieout/store/migrations").get_heads() == [newest_version()]


def test_many_processes_may_prepare_the_same_database_at_once(database_url: str) -> None:
    engines = [connect(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, engines))
    assert "alembic_version" in inspect(engines[0]).get_table_names()
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_database_that_may_lose_confirmed_work_is_refused(database_url: str, setting: str) -> None:
    name = database_url.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} SET {setting} = off")
    engine = connect(database_url)
    with pytest.raises(UnsafeDatabase, match=f"ALTER SYSTEM SET {setting} = on") as refused:
        prepare(engine)
    assert [check.check for check in refused.value.checks] == [setting]
    assert inspect(engine).get_table_names() == [], "something was written"
    engine.dispose()


def test_a_sound_database_passes_every_check(engine: Engine) -> None:
    checks = check_database(engine)
    assert [check.check for check in checks] == [
        "server version", "fsync", "full_page_writes", "synchronous_commit", "session connections",
    ]  # fmt: skip
    assert all(check.ok for check in checks)


@pytest.mark.parametrize("answers", [([11, 12], [11]), ([11, 11], [11])])
def test_a_transaction_mode_pooler_is_refused(answers: tuple[list[int], list[int]]) -> None:
    """The pooler lends the idle first session's server process (11) to the second one's transaction."""

    def session(pids: list[int]) -> Any:
        rest = iter(pids)
        return SimpleNamespace(execute=lambda _: SimpleNamespace(scalar_one=lambda: next(rest)))

    check = check_pooler(session(answers[0]), session(answers[1]))
    assert not check.ok
    assert "session mode" in check.remedy


def test_a_refusal_survives_being_stored_and_reloaded(engine: Engine) -> None:
    import pickle

    error = UnsafeDatabase(check_database(engine)[:1])
    assert pickle.loads(pickle.dumps(error)).checks == error.checks


def test_a_role_of_its_own_sees_its_own_database_only(admin_url: str, database_url: str) -> None:
    url = create_role_and_database(admin_url, "sandbox_x'\"1")
    again = create_role_and_database(admin_url, "sandbox_x'\"1")
    assert url != again, "the password is renewed"
    try:
        engine = connect(again)
        with engine.begin() as conn:
            conn.execute(text("CREATE TABLE mine (n int)"))
        other = connect(plain_url(engine, engine.url.database))
        with other.connect() as conn:
            assert conn.execute(text("SELECT count(*) FROM mine")).scalar_one() == 0
        other.dispose()
        engine.dispose()
    finally:
        drop_database(admin_url, "sandbox_x'\"1")


def test_a_clone_has_the_rows_of_its_template(admin_url: str, database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 7 AS n")
    template = database_url.split("?")[0].rsplit("/", 1)[1]
    copy = clone_database(admin_url, template, f"{template}_copy")
    try:
        with psycopg.connect(copy) as conn:
            assert conn.execute("SELECT n FROM kept").fetchone() == (7,)
    finally:
        drop_database(admin_url, f"{template}_copy")


def test_kill_9_in_the_middle_of_a_transaction_leaves_no_half_state_and_the_engine_goes_on(
    tmp_path: Path,
) -> None:
    """F17: rolled back as a whole; the next use of the same engine works without a restart of the process."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    engine = connect(server.start())
    try:
        with engine.begin() as conn:
            conn.execute(text("CREATE TABLE kept (n int)"))
        with pytest.raises(OperationalError):
            _write_across_a_crash(engine, server)
        with engine.begin() as conn:
            assert conn.execute(text("SELECT count(*) FROM kept")).scalar_one() == 0
    finally:
        engine.dispose()
        server.stop()


def test_the_first_statement_after_a_restart_reconnects_however_short_the_rest(database_url: str) -> None:
    """Every session of the pool was ended a moment ago, as by a restart; none was at rest for a second."""
    engine = connect(database_url, pool_size=3)
    with engine.connect() as one, engine.connect() as two, engine.connect() as three:
        pids = [conn.execute(text("SELECT pg_backend_pid()")).scalar_one() for conn in (one, two, three)]
    with psycopg.connect(database_url, autocommit=True) as admin:
        for pid in pids:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    for _ in range(3):
        with engine.begin() as conn:
            assert conn.execute(text("SELECT pg_backend_pid()")).scalar_one() not in pids
    engine.dispose()


def _write_across_a_crash(engine: Engine, server: EmbeddedPostgres) -> None:
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO kept VALUES (1)"))
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        server.start()
        conn.execute(text("INSERT INTO kept VALUES (2)"))


def test_a_caller_that_finds_every_connection_busy_is_told_so_in_bounded_time(database_url: str) -> None:
    """F22: an error that a door can answer with 503, no waiting for ever."""
    engine = connect(database_url, pool_size=1, max_overflow=0, wait_seconds=0.05)
    with engine.connect(), pytest.raises(TimeoutError), engine.connect():
        pass
    with engine.connect() as conn:
        assert conn.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
