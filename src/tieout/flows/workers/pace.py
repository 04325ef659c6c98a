"""How often the work table is looked at, and how soon the same piece is begun again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tieout.store.work import Piece

QUICK_SECONDS = 0.05
SELDOM_SECONDS = 0.25
"""The longest that the first piece of work after a rest waits; its followers find the quick pace."""
REST_AFTER_SECONDS = 5.0
BETWEEN_RUNS_SECONDS = 0.3
"""Between two beginnings of one piece in one worker: what comes in bursts (webhooks of one object, changes of one
contract) is answered together."""


class Pace:
    """The pace of one worker: quick while there is work, slow while there is none."""

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


class Rests:
    """What this worker began a moment ago; `seconds()` is a clock that only goes forward."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._begun: dict[tuple[str, str], float] = {}

    def begin(self, pieces: Sequence[Piece]) -> None:
        """These are begun now."""
        self._begun.update(dict.fromkeys(((piece.kind, piece.key) for piece in pieces), self._seconds()))

    def over(self, due: Sequence[Piece]) -> list[Piece]:
        """Those that were not begun a moment ago."""
        since = self._seconds() - BETWEEN_RUNS_SECONDS
        self._begun = {piece: moment for piece, moment in self._begun.items() if moment > since}
        return [piece for piece in due if (piece.kind, piece.key) not in self._begun]
