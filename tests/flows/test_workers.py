"""Worker processes on a real engine: each piece once by two workers, whatever is killed in between."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.flows.worker_program import NEXT_MONTH, TABLES
from tests.hub.builders import MOMENT
from tieout.hub import exceptions, work
from tieout.store import clock, leases
from tieout.store import work as store
from tieout.store.database import connect, create_database, plain_url, prepare
from tieout.store.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
KIND = "test-steps"
PATIENCE = 120.0
"""Seconds; a worker on a busy machine takes ten to start."""


class Workers:
    """Worker processes of one database."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self.engine = engine
        self.home = home
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, slot: int) -> subprocess.Popen[bytes]:
        """Start the worker of a slot."""
        self.processes[slot] = process = self.spawn(slot)
        return process

    def spawn(self, slot: int) -> subprocess.Popen[bytes]:
        """A worker process that the test looks after."""
        told = {
            "TIEOUT_HOME": str(self.home),
            "TIEOUT_DATABASE_URL": plain_url(self.engine),
            "PYTHONPATH": str(ROOT),
        }
        with (self.home / f"worker-{slot}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.flows.worker_program", str(slot)],
                cwd=ROOT, env={**os.environ, **told}, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self) -> None:
        """Kill those that are left."""
        for process in self.processes.values():
            process.kill()
            process.wait()

    # --- what tests ask ----------------------------------------------------------------------------

    def request(self, *keys: str) -> None:
        """Ask for work."""
        with self.engine.begin() as conn:
            work.request_all(conn, [(KIND, key) for key in keys])

    def open_gate(self, key: str) -> None:
        """Let a gated key go on."""
        with self.engine.begin() as conn:
            conn.execute(text("INSERT INTO gate VALUES (:key)"), {"key": key})

    def effects(self, key: str) -> list[tuple[str, int]]:
        """(step, process) of a key, in order."""
        with self.engine.connect() as conn:
            query = text("SELECT step, pid FROM effect WHERE key = :key ORDER BY number")
            return [(row.step, row.pid) for row in conn.execute(query, {"key": key})]

    def row(self, key: str) -> dict[str, object]:
        """The work row of a key."""
        with self.engine.connect() as conn:
            return store.read(conn, [(KIND, key)])[0]

    def is_done(self, *keys: str) -> bool:
        """Whether everything that was asked for is carried out."""
        with self.engine.connect() as conn:
            rows = store.read(conn, [(KIND, key) for key in keys])
        return all(row["done"] == row["requested"] for row in rows)

    def slots(self) -> set[int]:
        """The slots that are held."""
        query = text("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = :kind AND granted")
        with self.engine.connect() as conn:
            return set(conn.execute(query, {"kind": leases._SLOTS}).scalars())

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, or show the workers' logs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(file.read_text() for file in sorted(self.home.glob("*.log")))
                raise TimeoutError(f"it did not come true; the workers said:\n{logs[-6000:]}")
            time.sleep(0.02)


def set_up(engine: Engine) -> None:
    """The tables of the test flows and a set clock."""
    with engine.begin() as conn:
        clock.set_now(conn, MOMENT)
        conn.execute(text(TABLES))


@pytest.fixture(scope="module")
def workers(
    admin_url: str, database_name: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    """Two workers that all tests of this file share (starting one takes seconds)."""
    engine = connect(create_database(admin_url, database_name()))
    prepare(engine)
    set_up(engine)
    found = Workers(engine, tmp_path_factory.mktemp("workers"))
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.callback(found.stop)
        found.start(1)
        found.start(2)
        found.wait(lambda: found.slots() == {1, 2})
        yield found


def test_two_workers_do_each_piece_once(workers: Workers) -> None:
    keys = [f"k{number}" for number in range(60)]
    workers.request(*keys)
    workers.wait(lambda: workers.is_done(*keys))
    with workers.engine.connect() as conn:
        rows = conn.execute(text("SELECT key, step, pid FROM effect WHERE key LIKE 'k_%'")).all()
    counts = Counter((row.key, row.step) for row in rows if row.key != "kills")
    assert counts == Counter((key, name) for key in keys for name in ("first", "second", "third"))


def test_a_request_during_a_run_makes_a_second_run(workers: Workers) -> None:
    workers.request("gated-again")
    workers.wait(lambda: len(workers.effects("gated-again")) == 2)
    workers.request("gated-again")
    workers.request("gated-again")
    assert [name for name, _ in workers.effects("gated-again")] == ["first", "second"]
    workers.open_gate("gated-again")
    workers.wait(lambda: workers.is_done("gated-again"))
    assert [name for name, _ in workers.effects("gated-again")] == ["first", "second", "third"] * 2


def test_later_waits_for_the_injected_clock(workers: Workers) -> None:
    workers.request("monthly")
    workers.wait(lambda: len(workers.effects("monthly")) == 3 and workers.row("monthly")["done"] == 1)
    row = workers.row("monthly")
    assert (row["requested"], row["due_at"]) == (2, NEXT_MONTH)
    with workers.engine.begin() as conn:
        clock.set_now(conn, NEXT_MONTH)
    workers.wait(lambda: len(workers.effects("monthly")) == 6)
    with workers.engine.begin() as conn:
        clock.set_now(conn, MOMENT)


def test_failures_back_off_and_become_poison(workers: Workers) -> None:
    workers.request("fails")
    for failures in range(1, 9):
        workers.wait(lambda wanted=failures: workers.row("fails")["attempts"] == wanted)  # type: ignore[misc]
        with workers.engine.begin() as conn:
            wait = workers.row("fails")["due_at"] - clock.now(conn)  # type: ignore[operator]
            assert wait == min(timedelta(seconds=5 * 2 ** (failures - 1)), timedelta(minutes=15))
            clock.set_now(conn, clock.now(conn) + wait)
    with workers.engine.begin() as conn:
        clock.set_now(conn, MOMENT)
        assert [row["key"] for row in exceptions.listed(conn, {"kind": "poison"}).rows] == [f"{KIND} fails"]


def test_a_slot_is_refused_twice(workers: Workers) -> None:
    third = workers.spawn(1)
    assert third.wait(PATIENCE) != 0
    said = (workers.home / "worker-1.log").read_text()
    assert "Worker slot 1 is taken: another worker runs on it." in said


def test_what_a_killed_worker_had_begun_ends_in_another(workers: Workers) -> None:
    """F29, F32c: the first transaction is not repeated, the open step is, and the third is done once."""
    workers.request("gated-killed")
    workers.wait(lambda: len(workers.effects("gated-killed")) == 2)
    owner = workers.effects("gated-killed")[0][1]
    victim = next(slot for slot, process in workers.processes.items() if process.pid == owner)
    workers.processes[victim].kill()
    workers.processes[victim].wait()
    workers.wait(lambda: len(workers.effects("gated-killed")) == 3)
    workers.open_gate("gated-killed")
    workers.wait(lambda: workers.is_done("gated-killed"))
    done = workers.effects("gated-killed")
    assert [name for name, _ in done] == ["first", "second", "second", "third"]
    assert {pid for _, pid in done[2:]} == {workers.processes[3 - victim].pid}
    workers.start(victim)


def test_work_survives_the_death_of_the_database(tmp_path: Path) -> None:
    """F17: the server is killed under a worker in the middle of a step and comes back; nothing waits for a person."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    engine = connect(create_database(server.start(), "own"))
    workers = Workers(engine, tmp_path)
    with ExitStack() as stack:
        stack.callback(server.release)
        stack.callback(engine.dispose)
        stack.callback(workers.stop)
        prepare(engine)
        set_up(engine)
        workers.start(1)
        workers.wait(lambda: workers.slots() == {1})
        keys = [f"gated-{number}" for number in range(6)]
        workers.request(*keys)
        workers.wait(lambda: all(len(workers.effects(key)) == 2 for key in keys))
        pid = server.pid()
        assert pid is not None
        os.kill(pid, 9)
        time.sleep(0.3)  # the server is really away for a moment
        server.start()
        engine.dispose()  # the test's own connections of a moment ago are dead, and are not what it is about
        for key in keys:
            workers.open_gate(key)
        workers.wait(lambda: workers.is_done(*keys))
        for key in keys:
            counts = Counter(name for name, _ in workers.effects(key))
            assert (counts["third"], counts["first"] <= counts["second"]) == (1, True)


def test_stopping_in_order_gives_back_the_slot(workers: Workers) -> None:
    workers.processes[2].terminate()
    assert workers.processes[2].wait(20) == 0
    workers.start(2)
    workers.request("last")
    workers.wait(lambda: workers.is_done("last"))
