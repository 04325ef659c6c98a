"""The gap sweep: what the source has against what came, and the missing records fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from itertools import islice

from sqlalchemy import Connection

from tieout.connectors.kit.interface import Change, Connector
from tieout.hub import exceptions
from tieout.hub.exceptions import NewException
from tieout.hub.receiving import receive
from tieout.store import inbox as store

_CHUNK = 1000
Begin = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Swept:
    """Records of the source that were compared, ids that had not come, and those fetched now."""

    seen: int
    missing: tuple[str, ...]
    fetched: int


def sweep(
    begin: Begin, connection: str, connector: Connector, object: str, since: date, until: date
) -> Swept:
    """Fetch every record of the span that the inbox lacks (`begin` opens a transaction that commits at its end).

    No call to the source happens inside a transaction. A record that cannot be fetched is the exception `gap`.
    """
    seen, fetched, missing = 0, 0, []
    for versions in _chunks(connector.snapshot(object, since, until)):
        seen += len(versions)
        with begin() as conn:
            absent = store.missing(conn, connection, object, versions)
        changes = {source_id: connector.fetch(object, source_id) for source_id in absent}
        missing += absent
        with begin() as conn:
            fetched += _take(conn, connection, object, changes)
    return Swept(seen, tuple(missing), fetched)


def _take(conn: Connection, connection: str, object: str, changes: dict[str, Change | None]) -> int:
    receive(conn, connection, [change for change in changes.values() if change is not None])
    gone = [source_id for source_id, change in changes.items() if change is None]
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                "gap", f"{object} {source_id}", "the source lists this record but does not give it out",
                evidence={"connection": connection, "object": object, "source_id": source_id},
            )
            for source_id in gone
        ],
    )  # fmt: skip
    return len(changes) - len(gone)


def _chunks(versions: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    while chunk := list(islice(versions, _CHUNK)):
        yield chunk
