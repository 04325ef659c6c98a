"""Hints lead to a re-read; the sweep finds what was never told (F54, F59); points of death lose nothing (F2, F4, F11)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from tests.hub.builders import MOMENT, deleted, entry, prepare, take, user
from tieout.connectors.kit.interface import Change, Hint
from tieout.hub import exceptions, inbox
from tieout.hub.sweep import sweep
from tieout.store import inbox as store
from tieout.store.tables import audit, hint, work

DAY = date(2026, 2, 3)


def requested(conn: Connection) -> list[tuple[str, str]]:
    """What was asked of the work table, by kind and key."""
    rows = conn.execute(select(work.c.kind, work.c.key).order_by(work.c.kind, work.c.key))
    return [(row.kind, row.key) for row in rows]


def test_a_hint_is_stored_once_and_asks_for_one_read(conn: Connection) -> None:
    prepare(conn)
    hints = [
        Hint("e1", "time_entry", "501"),
        Hint("e2", "time_entry", "502"),
        Hint("e1", "time_entry", "501"),
    ]
    assert inbox.receive_hints(conn, "kantata", hints, b"{}") == 2
    assert inbox.receive_hints(conn, "kantata", hints[:1], b"{}") == 0
    assert requested(conn) == [("sync", "kantata/time_entry")]
    assert dict(conn.execute(select(hint.c.event_id, hint.c.deliveries)).all()) == {"e1": 3, "e2": 1}
    open_ = store.open_hints(conn, "kantata", "time_entry", 10)
    assert store.close_hints(conn, "kantata", [row["event_id"] for row in open_]) == 2
    assert store.open_hints(conn, "kantata", "time_entry", 10) == []


class Source:
    """A source with four entries, one of which it lists but does not give out."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.open_transactions = 0

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        assert (object, since, until) == ("time_entry", DAY, DAY)
        yield from (("501", "1"), ("502", "2"), ("503", "1"), ("504", "1"))

    def fetch(self, object: str, source_id: str) -> Change | None:
        assert self.open_transactions == 0, "no call to a source inside a transaction"
        self.fetched.append(source_id)
        return None if source_id == "504" else entry(source_id, "2")


def test_the_sweep_fetches_exactly_what_is_missing(conn: Connection) -> None:
    prepare(conn)
    take(conn, "kantata", user(), entry("501"), entry("502", "1"), deleted("time_entry", "503", "1"))
    source = Source()

    @contextmanager
    def begin() -> Iterator[Connection]:
        source.open_transactions += 1
        with conn.begin_nested():
            yield conn
        source.open_transactions -= 1

    found: Any = source
    swept = sweep(begin, "kantata", found, "time_entry", DAY, DAY)
    assert (swept.seen, swept.missing, swept.fetched) == (4, ("502", "504"), 1)
    assert source.fetched == ["502", "504"]
    assert [(r["kind"], r["key"]) for r in exceptions.listed(conn).rows] == [("gap", "time_entry 504")]


CHILD = """
import sys
sys.path.insert(0, sys.argv[2])
from tests.hub.builders import entry, user
from sqlalchemy import create_engine
from tieout.hub import inbox
engine = create_engine(sys.argv[1])
with engine.begin() as conn:
    inbox.receive(conn, "kantata", [user(), entry()])
with engine.begin() as conn:
    while inbox.apply_new(conn, "kantata").taken:
        pass
"""


def run_child(url: str, point: str) -> int:
    """The intake in a process of its own that dies at a point."""
    command = [
        sys.executable,
        "-c",
        CHILD,
        url.replace("postgresql://", "postgresql+psycopg://"),
        str(Path(__file__).parents[2]),
    ]
    return subprocess.run(command, env={**os.environ, "TIEOUT_FAILPOINT": point}, check=False).returncode


@pytest.mark.parametrize(
    "point", ["inbox.received:1", "canonical.written:1", "events.emitted:1", "inbox.applied:1"]
)
def test_a_death_at_any_point_leaves_all_or_nothing(engine: Engine, migrated_url: str, point: str) -> None:
    """State, canonical version, event and audit row commit together; a second run ends it."""
    with engine.begin() as conn:
        prepare(conn)
    assert run_child(migrated_url, point) == 137
    with engine.begin() as conn:
        states, rows = store.counts(conn), len(conn.execute(select(audit.c.id)).all())
        assert (states, rows) == (({}, 0) if point.startswith("inbox.received") else ({"new": 2}, 1))
    assert run_child(migrated_url, "none:1") == 0
    with engine.begin() as conn:
        assert store.counts(conn) == {"applied": 2}
        actions = list(conn.execute(select(audit.c.action).order_by(audit.c.id)).scalars())
        assert actions.count("apply") == 1


def test_a_cursor_is_saved_with_its_page(conn: Connection) -> None:
    assert store.cursor_of(conn, "kantata", "time_entry") is None
    prepare(conn)
    store.save_fingerprint(conn, "kantata", "time_entry", ["id"], MOMENT)
    assert store.cursor_of(conn, "kantata", "time_entry") is None
    assert store.move_cursor(conn, "kantata", "time_entry", None, "c1", MOMENT)
    assert store.cursor_of(conn, "kantata", "time_entry") == "c1"
    assert store.fingerprints(conn, "kantata") == {"time_entry": ["id"]}
