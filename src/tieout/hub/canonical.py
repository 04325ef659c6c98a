"""Canonical records: now, as of a date, as known at a moment; and the one way for a flow to write its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from tieout.hub.actors import Actor, allows
from tieout.store import canonical as store
from tieout.store import clock
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

TAGS: dict[str, dict[str, str]] = {
    "worker": {"email": "pii", "full_name": "pii"},
    "payroll": {"amount": "compensation"},
}
"""Sensitive fields by type and their tag; a reader needs the permission `TAG:read`."""

MASK = "•••"


def current(conn: Connection, type: str, keys: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """Current versions by key (all when no keys are named)."""
    return store.current(conn, type, keys)


def as_of(conn: Connection, type: str, key: str, on: date) -> dict[str, Any] | None:
    """The record with what held on a date: of a contract the terms of that day, of others the current facts.

    Of two contract versions that cover the date the later source version stands.
    """
    record = store.current(conn, type, [key]).get(key)
    if record is None or type != "contract":
        return record
    covering = [terms for terms in store.terms_of(conn, key) if terms["effective_from"] <= on]
    if not covering:
        return None
    terms = {name: covering[-1][name] for name in store.terms_columns()}
    return {**record, **terms}


def known_at(conn: Connection, type: str, key: str, moment: datetime) -> dict[str, Any] | None:
    """The version that the hub held at a moment."""
    return store.known_at(conn, type, key, moment)


def history(conn: Connection, type: str, key: str) -> list[dict[str, Any]]:
    """Every version, oldest first."""
    return store.history(conn, type, key)


def write(
    conn: Connection, type: str, records: Mapping[str, Mapping[str, Any]], group: str, reason: str
) -> list[str]:
    """Write facts that Tieout itself decides ({key: fields}) as new versions; keys whose facts changed.

    Fields not named keep their value. The caller records the audit row of its command.
    """
    allowed = set(store.fields_of(type))
    store.lock_types(conn, [type])
    held = store.current(conn, type, list(records))
    moment = clock.now(conn)
    rows = []
    for key, fields in sorted(records.items()):
        if set(fields) - allowed:
            raise ValueError(f"{type} has no {sorted(set(fields) - allowed)}")
        before = held.get(key)
        if before is not None and all(before[name] == value for name, value in fields.items()):
            continue
        rows.append(_version(type, key, before, fields, {group: _said(reason, moment)}, moment))
    store.supersede(conn, type, [row["key"] for row in rows if row["version"] > 1], moment)
    store.insert_versions(conn, type, rows)
    fp("canonical.decided")
    return [row["key"] for row in rows]


def _said(reason: str, moment: datetime) -> dict[str, Any]:
    return {"system": "tieout", "source_id": reason, "source_version": "", "observed_at": moment.isoformat()}


def _version(
    type: str,
    key: str,
    before: Mapping[str, Any] | None,
    fields: Mapping[str, Any],
    provenance: Mapping[str, Any],
    moment: datetime,
) -> dict[str, Any]:
    known = before or {}
    return {
        **{name: fields.get(name, known.get(name)) for name in store.fields_of(type)},
        "id": known["id"] if before else new_id(moment),
        "key": key,
        "version": known["version"] + 1 if before else 1,
        "provenance": {**known.get("provenance", {}), **provenance},
        "recorded_at": moment,
        "superseded_at": None,
    }


def mask(type: str, record: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """The record as the actor may see it: tagged fields hidden without the tag's permission."""
    hidden = {name for name, tag in TAGS.get(type, {}).items() if not allows(actor, f"{tag}:read")}
    return {name: MASK if name in hidden and value is not None else value for name, value in record.items()}
