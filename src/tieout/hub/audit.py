"""Audit: one row per command or batch in its own transaction, chained afterwards by a single sealer.

Writers take no lock: they only insert. The sealer gives every committed row the next position of a hash chain. A
row whose transaction commits late is sealed late, so identity gaps (roll-backs) and late small ids never matter.
A signed checkpoint outside the database (count and head) is what shows a truncated or wholly rewritten chain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection

from tieout.hub import secrets
from tieout.hub.actors import SYSTEM, Actor
from tieout.store import audit as store
from tieout.store import clock
from tieout.telemetry.failpoints import fp

_COLUMNS = (
    "id",
    "at",
    "actor",
    "action",
    "type",
    "key",
    "legal_entity",
    "reason",
    "trace_id",
    "rows",
    "detail",
)
CHECKPOINTS, KEY = "checkpoints.jsonl", "checkpoints.key"
"""In the audit folder: the signed heads of the chain, one a line, and the key they are signed with."""
_BATCH = 5000
_WINDOW = 50_000


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the chain; `position` of the first bad seal, 0 when it has none."""

    position: int
    audit_id: int | None
    what: str


@dataclass(frozen=True)
class Verification:
    """Result of a verification: sealed rows that were walked, the unsealed tail, and the findings."""

    sealed: int
    unsealed: int
    findings: tuple[Finding, ...]


def record(
    conn: Connection,
    actor: Actor | str,
    action: str,
    type: str,
    key: str,
    *,
    rows: int = 1,
    digest: bytes | None = None,
    entity: str | None = None,
    reason: str | None = None,
    trace_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Append the one audit row of a command or batch, in the transaction of the change; its id.

    `rows` and `digest` (sha256, see `digest_of`) are the count and content of the rows touched.
    """
    fields = plain(detail or {})
    body = {
        "at": clock.now(conn),
        "actor": actor if isinstance(actor, str) else actor.name,
        "action": action,
        "type": type,
        "key": key,
        "legal_entity": entity,
        "reason": reason,
        "trace_id": trace_id,
        "rows": rows,
        "digest": digest if digest is not None else digest_of([fields]),
        "detail": fields,
    }
    fp("audit.before")
    return store.insert_row(conn, body)


def plain(value: Any) -> Any:
    """A structure as JSON can hold it: amounts and moments as text, nothing the database would refuse."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\\u0000")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def digest_of(rows: Iterable[Any]) -> bytes:
    """sha256 over the canonical JSON of the rows, in the order given."""
    total = hashlib.sha256()
    for row in rows:
        total.update(_canonical(plain(row)))
        total.update(b"\n")
    return total.digest()


def seal(conn: Connection) -> int:
    """Chain every committed row that has no seal yet; how many. 0 at once while another sealer works."""
    if not store.is_sealer(conn):
        return 0
    position, chain = store.head(conn)
    rows = store.unsealed(conn, _BATCH, _WINDOW)
    seals = []
    for place, row in enumerate(rows, start=position + 1):
        chain = _next(chain, row)
        seals.append({"position": place, "audit_id": row["id"], "chain": chain})
    store.insert_seals(conn, seals)
    return len(seals)


def checkpoint(conn: Connection, path: Path, key: bytes) -> dict[str, Any]:
    """Append count and head of the chain, signed with `key`, to a file outside the database."""
    position, chain = store.head(conn)
    body = {"count": position, "head": chain.hex(), "at": clock.real_now(conn).isoformat()}
    line = {**body, "signature": _sign(body, key)}
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (json.dumps(line, sort_keys=True) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return line


def checkpoint_of_day(conn: Connection, folder: Path) -> dict[str, Any] | None:
    """The one checkpoint of a business day, at its first call: appended to the folder's file, signed with its key.

    None when the day has its own, when nothing is sealed, or while another sealer works. The day is noted in the audit
    itself, after the file: a crash between the two repeats a line, which is harmless, and never loses one.
    """
    day = clock.now(conn).date().isoformat()
    if (
        not store.is_sealer(conn)
        or not store.head(conn)[0]
        or store.has_row(conn, "audit", day, "checkpoint")
    ):
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = checkpoint(conn, folder / CHECKPOINTS, _signing_key(folder))
    fp("audit.checkpoint_written")
    record(conn, SYSTEM, "checkpoint", "audit", day, detail=line)
    return line


def checkpoints_in(folder: Path) -> tuple[Path | None, bytes | None]:
    """The file of checkpoints and the key to verify it with, as far as the folder has them."""
    file = folder / CHECKPOINTS
    key = _signing_key(folder) if (folder / KEY).is_file() else None
    return (file if file.is_file() else None), key


def _signing_key(folder: Path) -> bytes:
    """The folder's key; made at the first use. Whoever can read it can forge checkpoints, so others may not."""
    file = folder / KEY
    if not file.exists():
        new = file.with_name(f".{KEY}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(token_hex(32), encoding="ascii")
        new.replace(file)
    return secrets.resolve(f"file:{file}").encode()


def verify(conn: Connection, checkpoint_path: Path | None = None, key: bytes | None = None) -> Verification:
    """Walk the whole chain: the first bad row is named, and checkpoints show truncation and rewriting.

    Without `key` the checkpoints' signatures are not checked; their counts and heads still are.
    """
    marks, findings = _checkpoints(checkpoint_path, key)
    chain, expected, broken = b"", 0, False
    for row in store.sealed_rows(conn):
        expected += 1
        if not broken:
            problem = _problem(row, expected, chain)
            if problem is not None:
                findings.append(problem)
                broken = True
            chain = bytes(row["chain"])
        mark = marks.pop(row["position"], None)
        if mark is not None and mark != bytes(row["chain"]).hex():
            findings.append(
                Finding(row["position"], row["audit_id"], "the chain was rewritten after a checkpoint")
            )
    if marks:
        last = max(marks)
        what = f"the chain was cut: a checkpoint holds {last} sealed rows, the database {expected}"
        findings.append(Finding(last, None, what))
    return Verification(expected, store.count_unsealed(conn), tuple(findings))


def _problem(row: Mapping[str, Any], expected: int, chain: bytes) -> Finding | None:
    if row["position"] != expected:
        return Finding(expected, None, f"seal {expected} is missing; the next is {row['position']}")
    if row["id"] is None:
        return Finding(expected, row["audit_id"], "the audit row of this seal is gone")
    if _next(chain, row) != bytes(row["chain"]):
        return Finding(expected, row["audit_id"], "the row is not the one that was sealed")
    return None


def _checkpoints(path: Path | None, key: bytes | None) -> tuple[dict[int, str], list[Finding]]:
    marks: dict[int, str] = {}
    findings: list[Finding] = []
    if path is None or not path.exists():
        return marks, findings
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            body = {name: line[name] for name in ("count", "head", "at")}
            signed = key is None or hmac.compare_digest(_sign(body, key), str(line["signature"]))
        except (ValueError, KeyError, TypeError):
            signed = False
        if not signed:
            findings.append(Finding(0, None, f"checkpoint line {number} is not signed with this key"))
        elif body["count"]:
            marks[int(body["count"])] = str(body["head"])
    return marks, findings


def _sign(body: Mapping[str, Any], key: bytes) -> str:
    return hmac.new(key, _canonical(body), hashlib.sha256).hexdigest()


def _next(chain: bytes, row: Mapping[str, Any]) -> bytes:
    body = {name: _stable(row[name]) for name in _COLUMNS} | {"digest": bytes(row["digest"]).hex()}
    return hashlib.sha256(chain + _canonical(body)).digest()


def _stable(value: Any) -> Any:
    return value.astimezone(timezone.utc).isoformat() if isinstance(value, datetime) else value


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_text).encode()


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no canonical form")
