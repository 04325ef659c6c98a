"""Process supervision: named children with pid files, restarted when they die, stopped together.

The embedded database is watched like a child. When it had died, the workers start anew once it is back,
because work that was in flight in them is only picked up by a fresh start.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tieout.bootstrap import Misconfigured, Settings, embedded_server
from tieout.store.postgres import EmbeddedPostgres, PostgresFailed

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 4.0
"""A child that keeps dying is restarted after 0, 0.5, 1, 2, 4, 4, … seconds: always within five."""
STEADY_SECONDS = 10.0
"""A child that lived this long is taken for healthy again: its next death restarts it at once."""
GRACE_SECONDS = 10.0
"""What a child has between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Program:
    """A child to keep running. `needs_fresh_database`: it starts anew after the database came back."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs_fresh_database: bool = False


def tieout_program(settings: Settings, name: str, *arguments: str, worker: bool = False) -> Program:
    """A child that runs `tieout …` with these settings."""
    command = [sys.executable, "-m", "tieout.cli", *arguments]
    return Program(name, command, settings.as_environment(), needs_fresh_database=worker)


def worker_programs(settings: Settings, count: int) -> list[Program]:
    """`worker-1` … `worker-N`, each on its own stable slot."""
    return [
        tieout_program(settings, f"worker-{slot}", "worker", "--slot", str(slot), worker=True)
        for slot in range(1, count + 1)
    ]


def web_program(settings: Settings) -> Program:
    """The one process of API and console."""
    return tieout_program(settings, "web", "serve")


@dataclass
class _Child:
    """A program and the process that runs it now."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_after: float = 0.0


class Supervisor:
    """Keeps the embedded database and the programs of one home running; a context manager that stops them all."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._children: dict[str, _Child] = {}
        self._server: EmbeddedPostgres | None = None if settings.database_url else embedded_server(settings)
        self._server_pid: int | None = None
        self._lock: int | None = None

    def __enter__(self) -> Supervisor:
        for folder in (self.settings.home, self.settings.run_folder, self.settings.log_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_home()
        self._stop_left_over()
        self._watch_database()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the home with nothing running on it."""
        self._lock_home()
        try:
            self._stop_left_over()
            yield
        finally:
            self._unlock_home()

    def add(self, *programs: Program) -> None:
        """Start programs and keep them running from now on."""
        for program in programs:
            self._children[program.name] = child = _Child(program)
            self._start(child)

    def remove(self, name: str) -> None:
        """Stop one program and forget it."""
        self._stop_children([self._children.pop(name)])

    def pids(self) -> dict[str, int]:
        """The process ids of what runs now, by name."""
        found = {name: c.process.pid for name, c in self._children.items() if c.process is not None}
        return found | ({"postgres": self._server_pid} if self._server_pid else {})

    def deaths(self, name: str) -> int:
        """How often in a row a program ended soon after its start."""
        return self._children[name].deaths

    def run(self, stopped: Callable[[float], bool]) -> None:
        """Watch until `stopped(seconds)` is true; it waits up to that long (threading.Event.wait fits)."""
        while not stopped(TICK_SECONDS):
            self.tick()

    def tick(self) -> None:
        """Look once at everything, and restart what died."""
        if self._watch_database():
            self._renew([c for c in self._children.values() if c.program.needs_fresh_database])
        for child in self._children.values():
            self._watch(child)

    def stop(self) -> None:
        """Stop every program (last started first), then the database if nobody else uses it."""
        self._stop_children(list(reversed(self._children.values())))
        self._children.clear()
        if self._server is not None:
            self._server.release()
            self._pid_file("postgres").unlink(missing_ok=True)
        self._unlock_home()

    # --- the database ---------------------------------------------------------------------------------

    def _watch_database(self) -> bool:
        """Start the embedded server when it does not run; true when it is another process than before."""
        if self._server is None or (self._server_pid and self._server.pid() == self._server_pid):
            return False
        before = self._server_pid
        try:
            self._server.start()
        except PostgresFailed as failed:
            if before is None:
                raise
            log.error("the database could not be restarted, trying again: %s", failed)
            return False
        self._server_pid = self._server.pid()
        if self._server_pid:
            self._write_pid("postgres", self._server_pid)
        if before is not None:
            log.warning("the database had died (process %s) and runs again", before)
        return before is not None

    # --- programs -------------------------------------------------------------------------------------

    def _start(self, child: _Child) -> None:
        name = child.program.name
        with (self.settings.log_folder / f"{name}.log").open("ab") as output:
            child.process = subprocess.Popen(
                child.program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **child.program.environment},
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops children in order
            )
        child.started_at = self._clock()
        self._write_pid(name, child.process.pid)

    def _watch(self, child: _Child) -> None:
        now = self._clock()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            child.deaths = 1 if now - child.started_at > STEADY_SECONDS else child.deaths + 1
            pause = 0.0 if child.deaths == 1 else min(2.0 ** (child.deaths - 3), LONGEST_PAUSE_SECONDS)
            child.process, child.start_after = None, now + pause
            log.warning("%s ended with %s; restarting it in %s s", child.program.name, code, pause)
        if now >= child.start_after:
            self._start(child)

    def _renew(self, children: list[_Child]) -> None:
        self._stop_children(children)
        for child in children:
            self._start(child)

    def _stop_children(self, children: list[_Child]) -> None:
        for child in children:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for child in children:
            process, child.process = child.process, None
            if process is None:
                continue
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop and was killed", child.program.name)
                process.kill()
                process.wait()
            self._pid_file(child.program.name).unlink(missing_ok=True)

    # --- the run folder -------------------------------------------------------------------------------

    def _pid_file(self, name: str) -> Path:
        return self.settings.run_folder / f"{name}.pid"

    def _write_pid(self, name: str, pid: int) -> None:
        new = self.settings.run_folder / f".{name}.new"
        new.write_text(f"{pid}\n")
        new.replace(self._pid_file(name))

    def _lock_home(self) -> None:
        """One supervisor per home; the kernel frees the lock when it dies."""
        self._lock = os.open(self.settings.run_folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise Misconfigured(
                f"Tieout already runs on {self.settings.home}. Stop that one first, or set TIEOUT_HOME."
            ) from None

    def _unlock_home(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_left_over(self) -> None:
        """End the children that a killed supervisor left behind (a reused process id is left alone)."""
        for file in self.settings.run_folder.glob("*.pid"):
            if file.stem != "postgres" and (process := _tieout_process(file)):
                process.kill()
                process.wait(GRACE_SECONDS)
            file.unlink(missing_ok=True)


def clear_home(settings: Settings) -> None:
    """Delete everything of a home after ending what a killed supervisor left there; refused while one runs on it."""
    supervisor = Supervisor(settings)
    settings.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with supervisor.alone():
        if settings.database_url is None and embedded_server(settings).folder.exists():
            embedded_server(settings).stop()
        for path in settings.home.iterdir():
            if path != settings.run_folder:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def refuse_taken_port(port: int) -> None:
    """Fail early when another program has the web door's port; ask inside the supervisor, which ends what was left."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise Misconfigured(
                f"Port {port} cannot be used: {error.strerror}. Stop what uses it, or choose another: PORT=8001"
            ) from None


def running(settings: Settings) -> dict[str, int]:
    """What runs on this home by its pid files: name -> process id (the dead are left out)."""
    found = {}
    for file in sorted(settings.run_folder.glob("*.pid")):
        process = _tieout_process(file)
        if process is not None:
            found[file.stem] = process.pid
    return found


def _tieout_process(file: Path) -> psutil.Process | None:
    """The live process of a pid file, unless its number now belongs to a process started after the file."""
    try:
        process = psutil.Process(int(file.read_text()))
        younger = process.create_time() > file.stat().st_mtime + 2
        return None if younger or process.status() == psutil.STATUS_ZOMBIE else process
    except (psutil.NoSuchProcess, ValueError, FileNotFoundError):
        return None
