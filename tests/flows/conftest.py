"""What tests of flows may ask for: several databases in one test, and deaths at named points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.flows.killing import Killing
from tieout.store.database import clone_database, connect, drop_database


@pytest.fixture
def new_engine(
    admin_url: str, migrated_template: str, database_name: Callable[[], str]
) -> Iterator[Callable[[], Engine]]:
    """Gives engines on fresh migrated databases."""
    made: list[tuple[str, Engine]] = []

    def make() -> Engine:
        name = database_name()
        made.append((name, connect(clone_database(admin_url, migrated_template, name))))
        return made[-1][1]

    yield make
    for name, engine in made:
        engine.dispose()
        drop_database(admin_url, name)


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Killing:
    """Deaths at named points."""
    return Killing(monkeypatch, tmp_path / "points")
