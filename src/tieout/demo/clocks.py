"""Moving the two clocks, the firm's and ours, and waiting until everything that is due has been carried out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from tieout.demo.outside import Outside
from tieout.store import clock
from tieout.store import demo as store

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
MOST_MOVES = 60
"""Moments to which a stop goes on because something waits for them; more means that something never ends."""
LONGEST = timedelta(hours=20)
"""How far beyond a stop the clocks go for what waits; what waits longer waits for a person or the next stop."""
STUCK_SECONDS = 120.0


class Stuck(RuntimeError):
    """Work that is due is not carried out."""


class Clocks:
    """Both clocks of one demo."""

    def __init__(self, engine: Engine, outside: Outside, wait: Callable[[float], None]) -> None:
        self._engine, self._outside, self._wait = engine, outside, wait

    def now(self) -> datetime:
        """Our moment of business time."""
        with self._engine.connect() as conn:
            return clock.now(conn)

    def move(self, to: datetime) -> None:
        """Let the firm live until a moment, then have that moment here too; neither clock goes back.

        With our clock every connection's next poll is due.
        """
        self._outside.advance(to)
        with self._engine.begin() as conn:
            if clock.now(conn) < to:
                clock.set_now(conn, to)
        self._outside.release_hints()

    def settle(self, until: datetime | None = None) -> None:
        """Wait until nothing runs and nothing is due; go on to moments that work waits for, but not to `until`."""
        begun = self.now()
        last = begun + LONGEST if until is None else min(until - timedelta(seconds=1), begun + LONGEST)
        for _ in range(MOST_MOVES):
            following = self._quiet()
            if following is None or following > last:
                return
            self.move(following)
        log.warning("work still waits after %s moves of the clocks, now %s", MOST_MOVES, self.now())

    def _quiet(self) -> datetime | None:
        """Wait until everything due is done; the moment for which something waits."""
        looks, quiet = 0, 0
        while True:
            with self._engine.connect() as conn:
                open_now, following = store.unsettled(conn)
            quiet = quiet + 1 if open_now == 0 else 0
            if quiet and self._outside.hints_waiting() == 0:
                with self._engine.connect() as conn:
                    open_now, following = store.unsettled(conn)
                if open_now == 0:
                    return following
            looks += 1
            if looks * LOOK_SECONDS > STUCK_SECONDS:
                raise Stuck("Work is due and nobody carries it out; see logs/worker-1.log.")
            self._wait(LOOK_SECONDS)
