"""What a flow needs of its surroundings: the database and the outside systems of this installation."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine

from tieout import bootstrap
from tieout.bootstrap import Settings
from tieout.connectors.kit.interface import Connector
from tieout.hub import secrets
from tieout.hub.refusals import NotFound
from tieout.store import connections as store

OURS = frozenset({"secrets", "poll_seconds"})
"""Keys of a connection's configuration that the connector itself does not see."""

OpenConnector = Callable[..., Connector]


class Environment:
    """The parts of one process; safe to use from many threads. `open_connector` is bootstrap's unless a test gives its own."""

    def __init__(
        self, engine: Engine, settings: Settings, open_connector: OpenConnector = bootstrap.open_connector
    ) -> None:
        self.engine = engine
        self.settings = settings
        self._open = open_connector
        self._moment = bootstrap.clock_of(engine)
        self._lock = threading.Lock()
        self._connectors: dict[str, tuple[str, Connector]] = {}

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction that commits at its end."""
        return self.engine.begin()

    def connector(self, name: str) -> Connector:
        """The open connector of a connection; opened anew when its row changed."""
        with self.engine.connect() as conn:
            row = store.read(conn, name)
        if row is None or not row["enabled"]:
            raise NotFound(f"There is no enabled connection {name!r}.")
        return self.opened(row)

    def opened(self, row: Mapping[str, Any]) -> Connector:
        """The open connector of a connection whose row was read just now."""
        name = row["name"]
        stated = json.dumps([row["connector"], row["config"]], sort_keys=True)
        with self._lock:
            known = self._connectors.get(name)
        if known is not None and known[0] == stated:
            return known[1]
        opened = self._connect(row["connector"], row["config"])
        with self._lock:
            self._connectors[name] = (stated, opened)
        return opened

    def has_connector(self, name: str) -> bool:
        """Whether a connection of that name exists, is enabled and leads to a system we can talk to."""
        with self.engine.connect() as conn:
            row = store.read(conn, name)
        return row is not None and row["enabled"] and row["connector"] in bootstrap.connector_names()

    def forget(self, name: str) -> None:
        """Open the connector anew at the next use, e.g. because its credential was refused."""
        with self._lock:
            self._connectors.pop(name, None)

    def _connect(self, system: str, config: Mapping[str, Any]) -> Connector:
        resolved = secrets.resolve_all(config.get("secrets") or {})
        options = {key: value for key, value in config.items() if key not in OURS}
        return self._open(self.settings, system, options, resolved, self._moment)
