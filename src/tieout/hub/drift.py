"""Schema drift: what a system's objects look like now, against what they looked like and what mappings read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tieout.hub import audit, events, exceptions
from tieout.hub.actors import SYSTEM
from tieout.hub.settings import load_settings
from tieout.store import clock
from tieout.store import exceptions as exception_store
from tieout.store import inbox as store

HELD = "schema-drift"


@dataclass(frozen=True)
class Drift:
    """What changed in one object: names that came, names that went, and which of those a mapping reads."""

    object: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    needed: tuple[str, ...]


def check(conn: Connection, connection: str, described: Mapping[str, Sequence[str]]) -> list[Drift]:
    """Compare `connector.describe()` with the stored fingerprint; what changed, by object.

    A field that a mapping reads and that is gone opens one `schema-drift` and holds the object's rows until it is
    back or the mapping reads another. New fields are only noted. The first description is stored as it is.
    """
    settings = load_settings(conn, connection)
    stored = store.fingerprints(conn, connection)
    held = exception_store.open_keys(conn, [HELD])[HELD]
    found: list[Drift] = []
    for object, names in sorted(described.items()):
        mapping = settings.mappings.inbound(object)
        read = mapping.source_fields() if mapping else frozenset()
        before = stored.get(object)
        drift = _compare(object, before if before is not None else names, names, read)
        if drift.needed:
            _hold(conn, connection, drift)
        elif f"{connection}/{object}" in held:
            _heal(conn, connection, object)
        if drift.added or drift.removed:
            found.append(drift)
        if before is None or (not drift.needed and set(before) != set(names)):
            store.save_fingerprint(conn, connection, object, sorted(names), clock.now(conn))
    if found:
        detail = {d.object: {"added": d.added, "removed": d.removed} for d in found}
        audit.record(conn, SYSTEM, "describe", "connection", connection, rows=len(found), detail=detail)
    return found


def _compare(object: str, before: Sequence[str], now: Sequence[str], read: frozenset[str]) -> Drift:
    removed = sorted(set(before) - set(now))
    return Drift(
        object,
        tuple(sorted(set(now) - set(before))),
        tuple(removed),
        tuple(name for name in removed if name in read),
    )


def _hold(conn: Connection, connection: str, drift: Drift) -> None:
    names = ", ".join(drift.needed)
    came = f"; new there: {', '.join(drift.added)}" if drift.added else ""
    opened = exceptions.open_exceptions(
        conn,
        [
            exceptions.NewException(
                HELD,
                f"{connection}/{drift.object}",
                f"{drift.object} has no {names} any more{came}; its records are held",
                evidence={
                    "connection": connection, "object": drift.object, "removed": drift.removed,
                    "added": drift.added, "work": {"kind": "sync", "key": f"{connection}/{drift.object}"},
                },
            )
        ],
    )  # fmt: skip
    if opened:
        data = {"object": drift.object, "removed": list(drift.removed), "added": list(drift.added)}
        events.emit(
            conn, [events.NewEvent(events.SCHEMA_DRIFTED, f"{connection}/{drift.object}", None, data)]
        )


def _heal(conn: Connection, connection: str, object: str) -> None:
    key = f"{connection}/{object}"
    if exceptions.resolve(conn, HELD, [key], "the mapping finds every field it reads"):
        store.release_object(conn, connection, object, HELD)
