"""What every test may ask for: a real PostgreSQL, one server per run, one database per test."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# the parallel workers fill the cores; read when polars is imported
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Connection, Engine

from tieout.store.database import clone_database, connect, create_database, drop_database, prepare
from tieout.store.postgres import EmbeddedPostgres, quick_folder

TEMPLATE = "tieout_template"
# how long an example takes says nothing: the cores are shared
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this pytest run that all its parallel workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The run's one server: the first test that needs it starts it, the last worker that leaves stops it."""
    server = EmbeddedPostgres(quick_folder(run_folder / "postgres"))
    server.start()
    yield server
    if server.release():
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def admin_url(postgres: EmbeddedPostgres) -> str:
    """The administrator's address on the run's server."""
    return postgres.url()


@pytest.fixture(scope="session")
def migrated_template(admin_url: str, run_folder: Path) -> str:
    """The name of a database with the newest schema that tests clone; made once per run."""
    with (run_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(admin_url) as conn:
            made = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
        if not made:
            drop_database(admin_url, f"{TEMPLATE}_new")
            engine = connect(create_database(admin_url, f"{TEMPLATE}_new"))
            prepare(engine)
            engine.dispose()
            with psycopg.connect(admin_url, autocommit=True) as conn:
                conn.execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")
    return TEMPLATE


@pytest.fixture(scope="session")
def database_name() -> Callable[[], str]:
    """Gives names that no other test of the run has."""
    numbers = itertools.count(1)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return lambda: f"test_{worker}_{os.getpid()}_{next(numbers)}"


@pytest.fixture
def database_url(admin_url: str, database_name: Callable[[], str]) -> Iterator[str]:
    """A fresh, empty database of this test alone."""
    name = database_name()
    yield create_database(admin_url, name)
    drop_database(admin_url, name)


@pytest.fixture
def migrated_url(admin_url: str, migrated_template: str, database_name: Callable[[], str]) -> Iterator[str]:
    """A fresh database of this test alone with the newest schema and no rows."""
    name = database_name()
    yield clone_database(admin_url, migrated_template, name)
    drop_database(admin_url, name)


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    """An engine on a fresh migrated database."""
    made = connect(migrated_url)
    yield made
    made.dispose()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A connection with an open transaction on a fresh migrated database; not committed unless the test does."""
    with engine.connect() as connection:
        yield connection


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys take longest, so they begin first and others fill the time beside them."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)
