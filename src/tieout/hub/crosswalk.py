"""The crosswalk: our business key and the id under which each system holds the record."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from tieout.hub.refusals import Conflict
from tieout.store import clock, inbox
from tieout.store import crosswalk as store
from tieout.telemetry.failpoints import fp


def link(conn: Connection, connection: str, object: str, type: str, keys: Mapping[str, str]) -> int:
    """Link source ids to our keys ({source id: key}) of one canonical type; how many links are new.

    Records of the inbox that waited for one of these ids become `new` again. A link is never moved silently: an id
    that stands for another key, or a key that stands for another id, is refused.
    """
    inbox.lock_links(conn, connection)
    pairs = {(object, source_id): key for source_id, key in keys.items()}
    _refuse_moves(conn, connection, pairs)
    written = link_new(conn, connection, type, pairs)
    fp("crosswalk.linked")
    return written


def link_new(conn: Connection, connection: str, type: str, pairs: Mapping[tuple[str, str], str]) -> int:
    """Link ((object, source id) -> key) what was checked before, and wake the records that waited for it."""
    moment = clock.now(conn)
    rows = [
        {"connection": connection, "object": object, "source_id": source_id, "type": type, "key": key,
         "recorded_at": moment}
        for (object, source_id), key in sorted(pairs.items())
    ]  # fmt: skip
    written = store.upsert(conn, rows)
    if written:
        inbox.release_waiting(conn, connection, sorted(written))
    return len(written)


def _refuse_moves(conn: Connection, connection: str, pairs: Mapping[tuple[str, str], str]) -> None:
    linked = store.of_sources(conn, connection, pairs, retired=False)
    held = store.holders(conn, connection, {(object, key) for (object, _), key in pairs.items()})
    for (object, source_id), key in pairs.items():
        other = linked.get((object, source_id), key)
        if other != key:
            raise Conflict(
                f"{object} {source_id} of {connection} stands for {other}, not for {key}.", code="TIE-210"
            )
        holder = held.get((object, key), source_id)
        if holder != source_id:
            raise Conflict(
                f"{key} is {object} {holder} of {connection}, not {source_id}.",
                code="TIE-210",
                remedy="Retire the first link with its reason if the record was replaced.",
            )


def keys_of(conn: Connection, connection: str, object: str, source_ids: Collection[str]) -> dict[str, str]:
    """Our key of each source id that is linked (retired links count: a deleted record keeps its name)."""
    found = store.of_sources(conn, connection, {(object, one) for one in source_ids})
    return {source_id: key for (_, source_id), key in found.items()}


def source_ids_of(conn: Connection, connection: str, object: str, keys: Collection[str]) -> dict[str, str]:
    """The live source id of each of our keys that is linked."""
    return store.of_keys(conn, connection, object, keys)


def retire(conn: Connection, connection: str, object: str, source_ids: Collection[str], reason: str) -> int:
    """Retire live links (deleted or replaced in the system); the history stays; how many."""
    return store.retire(conn, connection, object, source_ids, reason, clock.now(conn)) if source_ids else 0
