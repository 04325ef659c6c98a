"""How often queues are looked at: quickly while there is work, seldom while there is none."""

from __future__ import annotations

import time

from dbos import DBOS

from tieout.flows.durable import QUEUES

QUICK_SECONDS = 0.05
SELDOM_SECONDS = 0.25
"""The longest that the first piece of work after a rest waits for each look; its followers find the quick pace."""
REST_AFTER_SECONDS = 5.0


class Pace:
    """The pace of one worker. Whoever finds work quickens the queues; only the worker with the chores slows them.

    The queues' pace stands in the database and every worker reads it there at each look, so it holds for all.
    """

    def __init__(self) -> None:
        self._queues = QUICK_SECONDS
        self._last_work = time.monotonic()

    @property
    def seconds(self) -> float:
        """The pause of this worker between two looks for due work."""
        return SELDOM_SECONDS if self._rests() else QUICK_SECONDS

    def work_found(self) -> None:
        """There is work: look quickly from now on."""
        self._last_work = time.monotonic()
        self._set(QUICK_SECONDS)

    def nothing_found(self) -> None:
        """Nothing runs and nothing is due anywhere: after a while, look seldom."""
        if self._rests():
            self._set(SELDOM_SECONDS)

    def _rests(self) -> bool:
        return time.monotonic() - self._last_work > REST_AFTER_SECONDS

    def _set(self, seconds: float) -> None:
        if seconds == self._queues:
            return
        for name in QUEUES:
            queue = DBOS.retrieve_queue(name)
            if queue is not None:
                queue.set_polling_interval_sec(seconds)
        self._queues = seconds
