"""Whether an e-invoice is valid: XSD and schematron of EN 16931, offline, asked of processes that do nothing else.

The XSLT engine aborts its process when it runs outside the main thread, so it never runs in ours: `checker.py` is a program
of its own, started when first needed, kept warm, started again when it died and ended when a document takes too long. A
document counts as valid only when a checker said so.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue

SECONDS = 30
"""Time limit of one document, start of the process included."""
PROCESSES = 1
_PROGRAM = str(Path(__file__).with_name("checker.py"))
_CHUNK = 65536


@dataclass(frozen=True)
class FailedRule:
    """A rule that a document fails: its id (BR-CO-15), what it says, and the place in the XML."""

    rule: str
    text: str
    location: str


class _Died(Exception):
    """The process ended before it answered."""


class _Late(Exception):
    """The time limit passed before it answered."""


class _Process:
    """One checker; used by one thread at a time."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._ids = itertools.count(1)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def ask(self, xml: bytes, seconds: float) -> list[FailedRule]:
        """The failed rules of a document; a process that is late or dead is gone afterwards."""
        if self.pid is None:
            self.end()
            self._child = subprocess.Popen(
                [sys.executable, "-P", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        number = next(self._ids)
        head = json.dumps({"id": number, "size": len(xml)}).encode() + b"\n"
        try:
            answer = json.loads(self._exchange(head + xml, time.monotonic() + seconds))
            if answer["id"] != number:
                raise _Died
            return [FailedRule(**one) for one in answer["failed"]]
        except (_Died, _Late):
            self.end()
            raise

    def _exchange(self, sent: bytes, end: float) -> bytes:
        """Write a request and read one line, both without waiting past the end."""
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise AssertionError("the pipes are made with the process")
        to, back = child.stdin.fileno(), child.stdout.fileno()
        os.set_blocking(to, False)
        left, got = memoryview(sent), b""
        with selectors.DefaultSelector() as ready:
            ready.register(back, selectors.EVENT_READ)
            ready.register(to, selectors.EVENT_WRITE)
            while not got.endswith(b"\n"):
                events = ready.select(max(0, end - time.monotonic()))
                if not events:
                    raise _Late
                for key, _ in events:
                    if key.fd == back:
                        read = os.read(back, _CHUNK)
                        if not read:
                            raise _Died
                        got += read
                    else:
                        left = left[_write(to, left) :]
                        if not left:
                            ready.unregister(to)
        return got

    def end(self) -> None:
        """End the process, whatever it does."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _write(fd: int, data: memoryview) -> int:
    try:
        return os.write(fd, data[:_CHUNK])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        raise _Died from None


class Validator:
    """A pool of checkers, safe to use from any thread; at most `processes` documents are checked at once."""

    def __init__(self, processes: int = PROCESSES, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._all = [_Process() for _ in range(processes)]
        self._idle: LifoQueue[_Process] = LifoQueue()
        for one in self._all:
            self._idle.put(one)

    def failed_rules(self, xml: bytes) -> list[FailedRule]:
        """The rules that a UBL or CII document fails; empty = valid.

        A document on which the checker dies twice, or takes longer than the limit, fails the rule VALIDATOR-DIED or
        VALIDATOR-TIME: it is not valid until it was checked.
        """
        process = self._idle.get()
        try:
            for _ in range(2):
                try:
                    return process.ask(xml, self._seconds)
                except _Died:
                    continue
                except _Late:
                    said = f"the check took longer than {self._seconds} seconds and was ended"
                    return [FailedRule("VALIDATOR-TIME", said, "/")]
            return [
                FailedRule("VALIDATOR-DIED", "the validator ended twice while it checked the document", "/")
            ]
        finally:
            self._idle.put(process)

    def pids(self) -> list[int]:
        """Process ids of the checkers that run."""
        return [pid for one in self._all if (pid := one.pid) is not None]

    def close(self) -> None:
        """End all checkers; the next document starts them anew."""
        for one in self._all:
            one.end()


_lock = threading.Lock()
_shared: Validator | None = None


def failed_rules(xml: bytes) -> list[FailedRule]:
    """The rules that a document fails, asked of this process's own pool; empty = valid."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = Validator()
            atexit.register(_shared.close)
    return _shared.failed_rules(xml)
