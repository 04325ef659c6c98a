"""One running sandbox per test process; every test gets an empty world."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.sandbox.rigs import CLOCK
from tieout.sandbox.server import Sandbox, open_world
from tieout.sandbox.world import World
from tieout.store.database import create_database, drop_database


@pytest.fixture(scope="session")
def running(
    admin_url: str, database_name: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sandbox]:
    """The server on a port of its own."""
    name = database_name()
    sandbox = Sandbox(open_world(create_database(admin_url, name)), tmp_path_factory.mktemp("sandbox"))
    sandbox.start()
    yield sandbox
    sandbox.stop()
    sandbox.world.engine.dispose()
    drop_database(admin_url, name)


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The server with an empty world."""
    running.world.empty()
    running.world.set_now(CLOCK)
    return running


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    """The empty world of the running server."""
    return sandbox.world
