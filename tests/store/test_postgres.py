"""The embedded server: private, shared, and back after every way to die."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tieout.store import postgres
from tieout.store.postgres import EmbeddedPostgres, _walking_right


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test alone, for tests that kill it."""
    tmp_path.chmod(0o700)
    made = EmbeddedPostgres(tmp_path / "postgres")
    yield made
    made.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return when the condition holds; fail after the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def write_row(url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE kept (n int)")
        conn.execute("INSERT INTO kept VALUES (1)")


def count_rows(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_started_again_after_stop_it_has_its_rows(server: EmbeddedPostgres) -> None:
    write_row(server.start())
    server.stop()
    assert server.attach() is None
    assert count_rows(server.start()) == 1


def test_kill_9_of_the_server_loses_no_committed_row(server: EmbeddedPostgres) -> None:
    write_row(server.start())
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert count_rows(server.start()) == 1
    assert server.pid() != pid


def test_a_zombie_server_is_not_taken_for_a_live_one(server: EmbeddedPostgres) -> None:
    """The parent that started it lives on and never reaps it; another process must recover all the same."""
    code = (
        "import sys, time; from pathlib import Path; from tieout.store.postgres import EmbeddedPostgres;"
        "EmbeddedPostgres(Path(sys.argv[1])).start(); print('up', flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(server.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        url = server.attach()
        assert url is not None
        write_row(url)
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: ") Z " in Path(f"/proc/{pid}/stat").read_text())
        assert count_rows(server.start()) == 1
    finally:
        parent.communicate(b"")


def test_several_processes_starting_at_once_share_one_server(server: EmbeddedPostgres) -> None:
    code = (
        "import sys; from pathlib import Path; from tieout.store.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.pid(), flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(server.folder)]
    starters = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    pids = set()
    for starter in starters:
        assert starter.stdout is not None
        pids.add(starter.stdout.readline().strip())
    for starter in starters:
        starter.communicate("")
    assert pids == {str(server.pid())}


def test_the_last_user_stops_the_server_and_a_killed_user_does_not_count(server: EmbeddedPostgres) -> None:
    code = (
        "import sys; from pathlib import Path; from tieout.store.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print('up', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(server.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"up\n"
    server.start()
    assert server.release() is False
    assert server.attach() is not None
    other.kill()
    other.communicate()
    assert server.release() is True
    assert server.pid() is None


def test_the_last_user_may_discard_the_data_and_the_next_makes_it_anew(server: EmbeddedPostgres) -> None:
    write_row(server.start())
    assert server.release(discard=True) is True
    assert not server.data.exists()
    write_row(server.start())


def test_data_that_is_thrown_away_goes_to_memory_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "MEMORY", tmp_path)
    monkeypatch.setattr(postgres, "ROOM", 0)
    place = postgres.quick_folder(Path("home"))
    assert (place.parent, place) == (tmp_path, postgres.quick_folder(Path("home")))
    assert place != postgres.quick_folder(Path("another home"))
    monkeypatch.setattr(postgres, "ROOM", 2**60)
    assert postgres.quick_folder(Path("home")) == Path("home")


def test_nobody_comes_in_without_the_password_and_nothing_is_open_to_others(server: EmbeddedPostgres) -> None:
    url = server.start()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.replace("postgres:", "postgres:wrong", 1).replace("wrong", "wrong-", 1))
    with psycopg.connect(url) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
    for path in (server.folder, server.data, server.socket_folder()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.folder.parent.stat().st_mode) == 0o700, "a parent folder was opened"


def test_a_folder_with_a_long_or_odd_path_works(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("a folder's 100% name " + "x" * 80) / "postgres")
    try:
        write_row(server.start())
        assert not server.socket_folder().is_relative_to(server.folder)
    finally:
        server.stop()
    assert not server.socket_folder().exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become an ordinary user here")
def test_an_ordinary_user_can_run_it() -> None:
    """Not root, no setpriv for the server: the same code, the same result.

    The ordinary user gets the right to read through private folders, since this checkout may be in one.
    """
    home = Path("/var/tmp") / f"tieout-test-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    code = (
        "import os, sys; from pathlib import Path; from tieout.store.postgres import EmbeddedPostgres;"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(os.getuid(), server.release())"
    )
    right = _walking_right()
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    become += [f"--inh-caps=+{right}", f"--ambient-caps=+{right}"]
    try:
        done = subprocess.run(
            [*become, sys.executable, "-c", code, str(home / "postgres")],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(home)},
            check=False,
        )
        assert done.stdout == "65534 True\n", done.stderr
        assert (home / "postgres" / "data").stat().st_uid == 65534
    finally:
        shutil.rmtree(home)
