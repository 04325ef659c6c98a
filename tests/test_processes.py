"""Supervision: what dies comes back within five seconds, what stops stops together."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tieout.bootstrap import Misconfigured, Settings
from tieout.processes import Program, Supervisor, running

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home that needs no database of its own."""
    return Settings(home=tmp_path / "home", database_url="postgresql://not-used")


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    with Supervisor(settings) as made:
        yield made


def tick_until(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        supervisor.tick()
        time.sleep(0.01)


def test_a_killed_child_is_replaced_and_its_pid_file_follows(supervisor: Supervisor) -> None:
    supervisor.add(Program("web", SLEEPER))
    first = supervisor.pids()["web"]
    os.kill(first, signal.SIGKILL)
    tick_until(supervisor, lambda: supervisor.pids().get("web") not in (None, first), seconds=5)
    pid = int((supervisor.settings.run_folder / "web.pid").read_text())
    assert pid == supervisor.pids()["web"] == running(supervisor.settings)["web"]


def test_a_child_that_keeps_dying_is_restarted_with_pauses_below_five_seconds(settings: Settings) -> None:
    moments: list[float] = []
    now = [0.0]
    with Supervisor(settings, clock=lambda: now[0]) as supervisor:
        original = supervisor._start
        supervisor._start = lambda child: (moments.append(now[0]), original(child))[-1]  # type: ignore[method-assign]
        supervisor.add(Program("worker-1", [sys.executable, "-S", "-c", "raise SystemExit(1)"]))
        deadline = time.monotonic() + 30
        while len(moments) < 7 and time.monotonic() < deadline:
            process = supervisor._children["worker-1"].process
            if process is not None:
                process.wait()
            supervisor.tick()
            now[0] += 0.25
    pauses = [round(b - a, 2) for a, b in itertools.pairwise(moments)]
    assert pauses == [0.0, 0.75, 1.25, 2.25, 4.25, 4.25]


def test_the_end_stops_every_child_even_one_that_ignores_the_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.processes.GRACE_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    with Supervisor(settings) as supervisor:
        supervisor.add(Program("web", SLEEPER), Program("worker-1", [sys.executable, "-c", deaf]))
        log = settings.log_folder / "worker-1.log"
        tick_until(supervisor, lambda: log.read_text() == "1\n")
        pids = supervisor.pids().values()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list(settings.run_folder.glob("*.pid")) == []


def test_a_second_supervisor_on_the_same_home_is_refused(supervisor: Supervisor) -> None:
    with pytest.raises(Misconfigured, match="already runs"), Supervisor(supervisor.settings):
        pass


def test_children_of_a_killed_supervisor_are_ended_by_the_next(settings: Settings) -> None:
    settings.run_folder.mkdir(parents=True)
    left = subprocess.Popen(SLEEPER)
    (settings.run_folder / "worker-1.pid").write_text(f"{left.pid}\n")
    try:
        with Supervisor(settings):
            assert not psutil.pid_exists(left.pid)
    finally:
        left.kill()


def test_a_reused_process_id_is_not_taken_for_a_child(settings: Settings) -> None:
    settings.run_folder.mkdir(parents=True)
    file = settings.run_folder / "web.pid"
    file.write_text(f"{os.getpid()}\n")
    os.utime(file, (1, 1))
    assert running(settings) == {}


def test_after_the_database_was_killed_it_comes_back_and_the_workers_start_anew(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with Supervisor(settings) as supervisor:
        supervisor.add(Program("web", SLEEPER), Program("worker-1", SLEEPER, needs_fresh_database=True))
        before = supervisor.pids()
        assert int((settings.run_folder / "postgres.pid").read_text()) == before["postgres"]
        os.kill(before["postgres"], signal.SIGKILL)
        tick_until(supervisor, lambda: supervisor.pids()["postgres"] != before["postgres"], seconds=5)
        after = supervisor.pids()
        assert after["web"] == before["web"]
        assert after["worker-1"] != before["worker-1"]
        server = supervisor._server
        assert server is not None
        psycopg.connect(server.url()).close()
    assert not psutil.pid_exists(after["postgres"])
