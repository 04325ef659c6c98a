"""The evidence of an exception for a person: what the source said, what we hold, what the target answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tieout.hub import canonical, crosswalk
from tieout.hub.actors import Actor, allows
from tieout.hub.audit import plain
from tieout.hub.settings import load_settings
from tieout.store import inbox

_LONGEST = 4000
_TAGGED = {"pii:read": ("user", "employee"), "compensation:read": ("worker_cost", "payroll")}
"""Objects of sources whose records as a whole need a permission."""
_OWN = ("work", "inbox", "intent", "group", "fixes", "connection", "object", "source_id", "source_version")


def gather(conn: Connection, exception: Mapping[str, Any], actor: Actor) -> dict[str, str]:
    """Texts by heading, in the order source, hub, rest; source records only for who may see personal fields."""
    evidence = exception["evidence"]
    found: dict[str, str] = {}
    connection, object, source_id = (evidence.get(name) for name in ("connection", "object", "source_id"))
    if connection and object and source_id:
        found |= _source(conn, connection, object, source_id, actor)
        found |= _held(conn, connection, object, source_id, actor)
    for note in evidence.get("fixes", []):
        found[f"Fix noted by {note['by']}"] = note["note"]
    rest = {name: value for name, value in evidence.items() if name not in _OWN}
    if rest:
        found["Evidence"] = _shown(rest)
    return found


def _source(conn: Connection, connection: str, object: str, source_id: str, actor: Actor) -> dict[str, str]:
    rows = inbox.of_source(conn, connection, object, source_id)
    if not rows:
        return {}
    heading = f"{connection} says ({object} {source_id}, {len(rows)} versions heard)"
    if any(object in objects and not allows(actor, scope) for scope, objects in _TAGGED.items()):
        return {heading: "Personal fields: your role does not show them."}
    return {heading: _readable(bytes(rows[-1]["raw"]))}


def _held(conn: Connection, connection: str, object: str, source_id: str, actor: Actor) -> dict[str, str]:
    mapping = load_settings(conn, connection).mappings.inbound(object)
    key = crosswalk.keys_of(conn, connection, object, [source_id]).get(source_id)
    if mapping is None or key is None:
        return {}
    record = canonical.current(conn, mapping.canonical, [key]).get(key)
    if record is None:
        return {}
    hidden = ("id", "provenance", "superseded_at")
    shown = {
        k: v
        for k, v in canonical.mask(mapping.canonical, record, actor).items()
        if k not in hidden and v is not None
    }
    return {f"Tieout holds ({mapping.canonical} {key})": _shown(shown)}


def _readable(raw: bytes) -> str:
    try:
        return _shown(json.loads(raw))
    except (ValueError, RecursionError):
        return raw[:_LONGEST].decode("utf-8", "backslashreplace")


def _shown(value: Any) -> str:
    return json.dumps(plain(value), indent=1, ensure_ascii=False)[:_LONGEST]
