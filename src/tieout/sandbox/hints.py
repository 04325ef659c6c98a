"""Webhooks as Kantata sends them: a hint that a record may have changed, by a thread of their own, at most once each."""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

log = logging.getLogger(__name__)


class HintSender:
    """Sends queued hints to the registered addresses in the order in which they are due. Failures are not repeated."""

    def __init__(self, addresses: Callable[[], Sequence[str]]) -> None:
        self._addresses = addresses
        self._queue: list[tuple[float, int, Mapping[str, str]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._busy = False
        self._held = False
        self._thread: threading.Thread | None = None

    def put(self, body: Mapping[str, str], *, copies: int = 1, delay_seconds: float = 0) -> None:
        """Queue a hint; nothing happens while no address is registered."""
        if not self._addresses():
            return
        with self._changed:
            for _ in range(copies):
                heapq.heappush(self._queue, (time.monotonic() + delay_seconds, next(self._numbers), body))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def hold(self) -> None:
        """Keep what is queued from now on until `let_go`: the vendor's webhooks are late."""
        with self._changed:
            self._held = True

    def let_go(self) -> None:
        """Send what was held, in its order."""
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def waiting(self) -> int:
        """How many hints are still to be sent."""
        with self._changed:
            return len(self._queue) + self._busy

    def idle(self, seconds: float = 10) -> bool:
        """Wait until every hint was sent; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, seconds)

    def _run(self) -> None:
        import httpx  # only when there is somebody to tell: it takes long to load

        with httpx.Client(timeout=5, trust_env=False) as client:
            while True:
                body = self._next()
                for address in self._addresses():
                    self._send(client, address, body)
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> Mapping[str, str]:
        with self._changed:
            while True:
                wait = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait is not None and wait <= 0 and not self._held:
                    self._busy = True
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(None if self._held else wait)

    def _send(self, client: Any, address: str, body: Mapping[str, str]) -> None:
        import httpx

        content = json.dumps(dict(body))
        try:
            client.post(address, content=content, headers={"Content-Type": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("a hint was not taken: %s", type(error).__name__)
