"""Taking changes into the inbox: each version once, its bytes as they came, whatever is in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.connectors.kit.interface import Change, Hint
from tieout.hub import audit, exceptions, work
from tieout.hub.actors import SYSTEM
from tieout.store import clock
from tieout.store import inbox as store
from tieout.telemetry.failpoints import fp

_LONGEST_ID = 400
_DELETED = " deleted"
"""Ends the version of a deletion: it sorts behind the content of the same version and before any later one."""


@dataclass(frozen=True)
class Received:
    """What came: versions that are new, deliveries of known versions, versions that came with other content."""

    new: int
    duplicates: int
    reused: int


def receive(conn: Connection, connection: str, changes: Sequence[Change]) -> Received:
    """Store a page of changes. A known version only counts its delivery; with other content it is `id-reuse`.

    The first content stands. Identifiers that no database can hold are kept in a readable form and refused.
    """
    fp("inbox.receiving")
    if not changes:
        return Received(0, 0, 0)
    rows, repeated, reused = _distinct(connection, changes, clock.now(conn))
    digests = {_key(row): row["digest"] for row in rows}
    kept = store.add(conn, rows)
    for row in kept:
        if not row["inserted"] and bytes(row["digest"]) != digests[_key(row)]:
            reused.append({**row, "other": digests[_key(row)]})
    known = sum(1 for row in kept if not row["inserted"])
    new = len(kept) - known
    ids = {_key(row): row["id"] for row in kept}
    _open_reuse(conn, connection, [{**row, "id": ids[_key(row)]} for row in reused])
    _refuse_unfit(conn, connection, rows, ids)
    received = Received(new, known + repeated - len(reused), len(reused))
    audit.record(
        conn, SYSTEM, "receive", "inbox", connection, rows=len(changes),
        digest=audit.digest_of([[*_key(row), row["digest"]] for row in rows]),
        detail={"new": new, "duplicates": received.duplicates, "reused": received.reused,
                "objects": sorted({row["object"] for row in rows})},
    )  # fmt: skip
    fp("inbox.received")
    return received


def _distinct(
    connection: str, changes: Sequence[Change], moment: Any
) -> tuple[list[dict[str, Any]], int, list[dict[str, Any]]]:
    """Rows to store, in order of first arrival; repeats within the page; repeats with other content."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    repeated, reused = 0, []
    for change in changes:
        row = _row(connection, change, moment)
        first = rows.setdefault(_key(row), row)
        if first is row:
            continue
        repeated += 1
        first["deliveries"] += 1
        if first["digest"] != row["digest"]:
            reused.append({**first, "other": row["digest"]})
    ordered = sorted(rows.values(), key=_key)
    return ordered, repeated, reused


def _row(connection: str, change: Change, moment: Any) -> dict[str, Any]:
    source_id, clean = _identifier(change.source_id)
    version, fine = _identifier(change.source_version)
    if change.tombstone:
        version += _DELETED
    return {
        "connection": connection, "object": change.object, "source_id": source_id, "source_version": version,
        "tombstone": change.tombstone, "digest": hashlib.sha256(change.raw).digest(), "raw": change.raw,
        "document": encode_document(change.document), "state": "new" if clean and fine else "refused",
        "deliveries": 1, "observed_at": change.observed_at, "recorded_at": moment,
    }  # fmt: skip


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["object"], row["source_id"], row["source_version"]


def _identifier(value: Any) -> tuple[str, bool]:
    """An identifier that the database can hold, and whether it is the one that came."""
    text = value if isinstance(value, str) else str(value)
    plain = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")
    if len(plain) > _LONGEST_ID:
        plain = f"{plain[: _LONGEST_ID - 80]}…{hashlib.sha256(plain.encode()).hexdigest()}"
    return plain, bool(text) and plain == text


def encode_document(document: Mapping[str, Any]) -> bytes | None:
    """The record as the connector read it, as JSON (decimals as their text); None when JSON cannot hold it."""
    try:
        return json.dumps(document, default=_plain, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _open_reuse(conn: Connection, connection: str, reused: Sequence[Mapping[str, Any]]) -> None:
    exceptions.open_exceptions(
        conn,
        [
            exceptions.NewException(
                "id-reuse",
                f"{row['object']} {row['source_id']}",
                f"version {row['source_version']} came again with other content; the first content was kept",
                evidence={
                    "connection": connection, "object": row["object"], "source_id": row["source_id"],
                    "source_version": row["source_version"], "kept_sha256": bytes(row["digest"]).hex(),
                    "other_sha256": bytes(row["other"]).hex(),
                },
            )
            for row in reused
        ],
    )  # fmt: skip


def _refuse_unfit(
    conn: Connection,
    connection: str,
    rows: Sequence[Mapping[str, Any]],
    ids: Mapping[tuple[str, str, str], int],
) -> None:
    exceptions.open_exceptions(
        conn,
        [
            exceptions.NewException(
                "invalid-payload",
                f"{row['object']} {row['source_id']}",
                "the record's identifier or version is no plain text of usable length",
                evidence={"connection": connection, "object": row["object"], "source_id": row["source_id"],
                          "source_version": row["source_version"], "rows": [ids[_key(row)]]},
            )
            for row in rows
            if row["state"] == "refused"
        ],
    )  # fmt: skip


def receive_hints(conn: Connection, connection: str, hints: Sequence[Hint], raw: bytes) -> int:
    """Store what a webhook said, each event once, and ask for the named objects to be read; how many were new."""
    return receive_deliveries(conn, [Delivered(connection, tuple(hints), raw)])


@dataclass(frozen=True)
class Delivered:
    """One authentic webhook: its hints and its bytes as they came."""

    connection: str
    hints: tuple[Hint, ...]
    raw: bytes


def receive_deliveries(conn: Connection, deliveries: Sequence[Delivered]) -> int:
    """The same for webhooks that came together: one statement, one commit of the caller; how many hints were new."""
    moment = clock.now(conn)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in deliveries:
        digest = hashlib.sha256(one.raw).digest()
        for hint in one.hints:
            event_id, source_id = _identifier(hint.event_id)[0], _identifier(hint.source_id)[0]
            row = {
                "connection": one.connection, "event_id": event_id, "object": hint.object,
                "source_id": source_id, "raw": one.raw, "digest": digest, "deliveries": 0, "recorded_at": moment,
            }  # fmt: skip
            rows.setdefault((one.connection, event_id), row)["deliveries"] += 1
    if not rows:
        return 0
    kept = store.add_hints(conn, [rows[one] for one in sorted(rows)])
    new = [row for row in kept if row["inserted"]]
    work.request_all(conn, {("sync", f"{row['connection']}/{row['object']}") for row in new})
    fp("hints.received")
    return len(new)
