"""Hands due work to the engine: the mark in our table and the run in the engine's are one commit."""

from __future__ import annotations

from tieout.flows.environment import Environment
from tieout.flows.workers.engine import Dispatch
from tieout.store import work as store
from tieout.telemetry.failpoints import fp

MOST_AT_ONCE = 50


class Dispatcher:
    """Takes due rows of the work table; several may work side by side."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._dispatch = Dispatch(environment)
        self._asking = environment.engine.execution_options(isolation_level="AUTOCOMMIT")

    def tick(self) -> int:
        """Hand out what is due now by the injected clock; how many pieces."""
        with self._asking.connect() as conn:
            if not store.is_due(conn, self._dispatch.kinds):
                return 0
        with self._environment.begin() as conn:
            due = store.take_due(conn, self._dispatch.kinds, None, MOST_AT_ONCE)
            for piece in due:
                self._dispatch.hand_out(conn, **piece)
            if due:
                fp("durable.taking")
        if due:
            fp("durable.taken")
        return len(due)
