"""How often the work table is looked at: quickly while there is work, seldom while there is none."""

from __future__ import annotations

import time

QUICK_SECONDS = 0.05
SELDOM_SECONDS = 0.25
"""The longest that the first piece of work after a rest waits; its followers find the quick pace."""
REST_AFTER_SECONDS = 5.0


class Pace:
    """The pace of one worker."""

    def __init__(self) -> None:
        self._last_work = time.monotonic()

    @property
    def seconds(self) -> float:
        """The pause between two looks for due work."""
        rests = time.monotonic() - self._last_work > REST_AFTER_SECONDS
        return SELDOM_SECONDS if rests else QUICK_SECONDS

    def work_found(self) -> None:
        """There is work: look quickly from now on."""
        self._last_work = time.monotonic()
