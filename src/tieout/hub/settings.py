"""What applying a connection's facts needs to know: its mappings and the ownership matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tieout.hub import ownership
from tieout.hub.audit import digest_of
from tieout.hub.mapping import InvalidMapping, Mappings, load_mappings
from tieout.hub.ownership import Ownership
from tieout.store import canonical
from tieout.store import inbox as store


@dataclass(frozen=True)
class Settings:
    """The rules under which one connection's facts are applied."""

    connection: str
    mappings: Mappings
    ownership: Ownership


_overrides: dict[bytes, list[dict[str, Any]]] = {}


def load_settings(conn: Connection, connection: str) -> Settings:
    """Settings of a connection from its connector's files and the applied workspace."""
    connector = store.connector_of(conn, connection) or connection
    _, parts = store.workspace(conn, ("mappings",))
    return Settings(connection, mappings_of(connector, parts.get("mappings") or {}), ownership.load(conn))


def mappings_of(connector: str, overrides: dict[str, Any] | None = None) -> Mappings:
    """Mappings of a connector; `overrides` is the workspace's {system: [document] or {file: document}}."""
    own = (overrides or {}).get(connector) or []
    documents = list(own.values()) if isinstance(own, dict) else list(own)
    digest = digest_of(documents)
    _overrides[digest] = documents
    return _load(connector, digest)


@lru_cache(maxsize=32)
def _load(connector: str, digest: bytes) -> Mappings:
    folder = Path(str(resources.files("tieout.connectors"))) / connector / "mapping"
    if not folder.is_dir():
        raise InvalidMapping(f"the connector {connector} has no mappings")
    mappings = load_mappings(folder, _overrides[digest])
    for mapping in mappings.incoming.values():
        unknown = {rule.name for rule in mapping.rules} - set(canonical.fields_of(mapping.canonical))
        if unknown:
            raise InvalidMapping(
                f"{connector}/{mapping.object}: {mapping.canonical} has no {sorted(unknown)}"
            )
    return mappings
