"""Business exceptions: what a person must decide, with the money at stake, the evidence and the remedies.

One is open per kind and key. A later success closes it by itself; a person assigns, notes a fix, replays or waives.
Open exceptions never age out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, events, work
from tieout.hub.actors import ROLES, SYSTEM, Actor, allowing_role, require
from tieout.hub.refusals import Conflict, Forbidden, Invalid, NotFound
from tieout.model.exception_kinds import EXCEPTION_KINDS
from tieout.store import clock, connections, inbox
from tieout.store import exceptions as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

CLOSED = ("waived", "resolved")
_FILTERS = {"kind", "state", "owner", "contract", "legal_entity", "key", "severity", "currency", "all"}
_SHOWN = 500
READ_AGAIN = "what the webhook may have told of is read again"


@dataclass(frozen=True)
class NewException:
    """An exception to open. `amount` is the money at stake in `currency`; `cause` says what was seen and expected.

    Evidence with meaning: `connection`, `object`, `source_id` (a source record), `inbox` (row ids to replay),
    `intent` (outbox id to replay), `work` ({kind, key} to request on replay), `preparer` (who may not waive),
    `group` (the common cause under which equal ones are counted together).
    """

    kind: str
    key: str
    cause: str
    contract: str | None = None
    legal_entity: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One page of a list and the opaque cursor of the next (None = that was all)."""

    rows: list[dict[str, Any]]
    cursor: str | None


def open_exceptions(conn: Connection, found: Sequence[NewException]) -> list[str]:
    """Open what is not open yet, refresh what is and changed; the ids of the newly opened."""
    if not found:
        return []
    rows = _new_rows(found, clock.now(conn))
    created = set(store.upsert(conn, rows))
    opened = [row for row in rows if row["id"] in created]
    events.emit(
        conn,
        [
            events.NewEvent(events.EXCEPTION_OPENED, row["key"], row["legal_entity"], _announced(row))
            for row in opened
        ],
    )
    fp("exceptions.opened")
    return [row["id"] for row in opened]


def _new_rows(found: Sequence[NewException], moment: datetime) -> list[dict[str, Any]]:
    last = {(item.kind, item.key): item for item in found}
    rows = []
    for item in sorted(last.values(), key=lambda e: (e.kind, e.key)):
        kind = EXCEPTION_KINDS[item.kind]
        rows.append(
            {
                "id": new_id(moment), "kind": item.kind, "key": item.key, "severity": kind.severity,
                "owner": kind.owner, "contract": item.contract, "legal_entity": item.legal_entity,
                "amount": item.amount, "currency": item.currency, "cause": audit.plain(item.cause),
                "evidence": audit.plain(item.evidence), "state": "open", "opened_at": moment, "updated_at": moment,
            }
        )  # fmt: skip
    return rows


def _announced(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "kind", "severity", "contract", "amount", "currency")}


def resolve(
    conn: Connection, kind: str, keys: Collection[str], resolution: str, actor: Actor | str = SYSTEM
) -> int:
    """Close the open exceptions of a kind for these keys; how many."""
    return _close(conn, store.by_keys(kind, keys), resolution, actor) if keys else 0


def resolve_where_healed(
    conn: Connection, kind: str, scope_keys: Collection[str], still_open_keys: Collection[str]
) -> int:
    """Close those of the scope that were judged again and did not occur again; how many."""
    healed = set(scope_keys) - set(still_open_keys)
    return resolve(conn, kind, healed, "it did not occur again when the work was repeated")


def resolve_for_sources(
    conn: Connection, kinds: Collection[str], connection: str, taken: Mapping[tuple[str, str], str]
) -> int:
    """Close exceptions about source records of which this version or a later one was taken in; how many.

    `taken` is (object, source id) -> source version.
    """
    healed = [
        row["id"]
        for row in store.about_sources(conn, kinds, connection)
        if taken.get((row["object"], row["source_id"]), "") >= (row["source_version"] or "")
        and (row["object"], row["source_id"]) in taken
    ]
    return _close(conn, store.by_ids(healed), "the record was taken in", SYSTEM) if healed else 0


def _close(conn: Connection, condition: Any, resolution: str, actor: Actor | str) -> int:
    name = actor if isinstance(actor, str) else actor.name
    closed = store.close(
        conn, condition, state="resolved", moment=clock.now(conn), actor=name, resolution=resolution
    )
    _announce_closed(conn, closed)
    return len(closed)


def _announce_closed(conn: Connection, closed: Sequence[Mapping[str, Any]]) -> None:
    events.emit(
        conn,
        [
            events.NewEvent(events.EXCEPTION_RESOLVED, row["key"], row["legal_entity"],
                            _announced(row) | {"state": row["state"]})
            for row in sorted(closed, key=lambda r: str(r["id"]))
        ],
    )  # fmt: skip


def listed(
    conn: Connection,
    filters: Mapping[str, Any] | None = None,
    cursor: str | None = None,
    *,
    limit: int = 100,
    actor: Actor = SYSTEM,
    with_state: bool = False,
) -> Page:
    """The open exceptions (`all`: closed ones too), most money × urgency first, in the form of interfaces.md.

    Rows carry `state` with `all`, or where it is asked for.
    """
    chosen = _checked(filters)
    size = max(1, min(limit, _SHOWN))
    rows = store.listed(
        conn,
        filters=chosen,
        entities=actor.entities,
        after=_decode(cursor) if cursor else None,
        limit=size + 1,
    )
    following = _encode(rows[size - 1]) if len(rows) > size else None
    moment = clock.now(conn)
    return Page([_view(row, moment, with_state or bool(chosen.get("all"))) for row in rows[:size]], following)


def group_by_cause(
    conn: Connection, filters: Mapping[str, Any] | None = None, *, actor: Actor = SYSTEM
) -> list[dict[str, Any]]:
    """Open exceptions counted by kind and cause with their money: {kind, cause, currency, open, amount, opened_at}."""
    return store.grouped(conn, filters=_checked(filters), entities=actor.entities)


def show(conn: Connection, exception_id: str, *, actor: Actor = SYSTEM) -> dict[str, Any]:
    """One exception with its evidence, history fields and remedies."""
    row = _read(conn, exception_id, actor, lock=False)
    moment = clock.now(conn)
    extra = ("evidence", "updated_at", "closed_at", "closed_by", "resolution")
    return _view(row, moment, True) | {name: row[name] for name in extra}


def assign(conn: Connection, exception_id: str, owner: str, actor: Actor) -> None:
    """Give an exception to a role or a person."""
    require(actor, "exceptions:assign")
    _must_be_owner(owner)
    row = _read(conn, exception_id, actor, lock=True)
    _must_be_open(row)
    store.update_one(conn, row["id"], {"owner": owner, "state": "assigned", "updated_at": clock.now(conn)})
    audit.record(conn, actor, "assign", "exception", row["key"], entity=row["legal_entity"],
                 detail={"exception": row["id"], "owner": owner})  # fmt: skip


def fix(conn: Connection, exception_id: str, note: str, actor: Actor) -> None:
    """Note what was corrected and where; the exception closes when the work succeeds."""
    require(actor, "exceptions:fix")
    _must_say(note, "note")
    row = _read(conn, exception_id, actor, lock=True)
    _must_be_open(row)
    moment = clock.now(conn)
    notes = [*row["evidence"].get("fixes", []), {"by": actor.name, "note": note, "at": moment.isoformat()}]
    evidence = dict(row["evidence"]) | {"fixes": notes}
    store.update_one(conn, row["id"], {"state": "fixed", "evidence": evidence, "updated_at": moment})
    audit.record(conn, actor, "fix", "exception", row["key"], entity=row["legal_entity"], reason=note,
                 detail={"exception": row["id"]})  # fmt: skip


def waive(conn: Connection, exception_id: str, reason: str, actor: Actor) -> None:
    """Close an exception for a stated reason; never by who prepared the work or noted a fix on it."""
    role = allowing_role(actor, "exceptions:waive")
    _must_say(reason, "reason")
    row = _read(conn, exception_id, actor, lock=True)
    _must_be_open(row)
    preparers = _preparers(row)
    if actor.name in preparers:
        raise Forbidden(
            f"{actor.name} prepared what the exception {row['kind']} on {row['key']} is about and may not waive it.",
            code="TIE-203",
            remedy="Ask another person with a role that may waive.",
        )
    moment = clock.now(conn)
    closed = store.close(
        conn, store.by_ids([row["id"]]), state="waived", moment=moment, actor=actor.name, resolution=reason
    )
    content = {name: row[name] for name in ("id", "kind", "key", "amount", "currency", "cause")}
    store.insert_approval(
        conn,
        {
            "id": new_id(moment), "type": "waiver", "key": row["id"], "decision": "approved", "reason": reason,
            "content_hash": audit.digest_of([content]).hex(), "preparer": preparers[0] if preparers else SYSTEM.name,
            "approver": actor.name, "role": role, "recorded_at": moment,
        },
    )  # fmt: skip
    audit.record(conn, actor, "waive", "exception", row["key"], entity=row["legal_entity"], reason=reason,
                 digest=audit.digest_of([content]), detail={"exception": row["id"]})  # fmt: skip
    _announce_closed(conn, closed)


@dataclass(frozen=True)
class Replayed:
    """What a replay of one exception sets in motion: rows of the inbox, intents, and work items (kind, key).

    `ends` says that nothing remains to be decided once that runs: the replay closes the exception.
    """

    exception: str
    kind: str
    key: str
    inbox: tuple[int, ...]
    intents: tuple[str, ...]
    work: tuple[tuple[str, str], ...]
    ends: bool = False


def replay(conn: Connection, ids: Collection[str], actor: Actor, dry_run: bool = False) -> list[Replayed]:
    """Run the work behind exceptions again: facts are taken in anew, intents looked up and sent, flows woken.

    Nothing is done twice: applied facts stay applied and a done intent stays done. A webhook that could not be read is
    closed: it only hints at a read, so every object of its connection is read. `dry_run` only says what would be.
    """
    require(actor, "exceptions:replay")
    plans = [_plan(conn, _open_row(conn, one, actor)) for one in dict.fromkeys(ids)]
    if dry_run or not plans:
        return plans
    moment = clock.now(conn)
    inbox.release_ids(conn, [row for plan in plans for row in plan.inbox])
    store.retry_intents(conn, [one for plan in plans for one in plan.intents], moment)
    for kind, key in sorted({item for plan in plans for item in plan.work}):
        work.request(conn, kind, key)
    store.mark(conn, [plan.exception for plan in plans if not plan.ends], "replayed", moment)
    _close(conn, store.by_ids([plan.exception for plan in plans if plan.ends]), READ_AGAIN, actor)
    audit.record(conn, actor, "replay", "exception", plans[0].key if len(plans) == 1 else f"{len(plans)} exceptions",
                 rows=len(plans), detail={"exceptions": [plan.exception for plan in plans]})  # fmt: skip
    fp("exceptions.replayed")
    return plans


def _open_row(conn: Connection, exception_id: str, actor: Actor) -> dict[str, Any]:
    row = _read(conn, exception_id, actor, lock=True)
    _must_be_open(row)
    return row


def _plan(conn: Connection, row: Mapping[str, Any]) -> Replayed:
    evidence = row["evidence"]
    if "raw_base64" in evidence:  # a webhook, see api/ingest
        name = str(evidence["connection"])
        reads = tuple(("sync", f"{name}/{object}") for object in connections.objects_read(conn, name))
        return Replayed(str(row["id"]), row["kind"], row["key"], (), (), reads, ends=True)
    named = evidence.get("work")
    wanted = [(str(named["kind"]), str(named["key"]))] if isinstance(named, Mapping) else []
    rows = tuple(int(one) for one in evidence.get("inbox", []))
    if rows:
        wanted.append(("sync", f"{evidence['connection']}/{evidence['object']}"))
    intents = (str(evidence["intent"]),) if evidence.get("intent") else ()
    return Replayed(str(row["id"]), row["kind"], row["key"], rows, intents, tuple(wanted))


def _preparers(row: Mapping[str, Any]) -> list[str]:
    evidence = row["evidence"]
    named = [evidence.get("preparer"), *(note.get("by") for note in evidence.get("fixes", []))]
    return [str(name) for name in named if name]


def _read(conn: Connection, exception_id: str, actor: Actor, lock: bool) -> dict[str, Any]:
    rows = store.read(conn, [exception_id], lock) if _is_uuid(exception_id) else []
    if not rows or not actor.sees(rows[0]["legal_entity"]):
        raise NotFound(
            f"There is no exception {exception_id}.", remedy="List them with `tieout exceptions list`."
        )
    return rows[0]


def _is_uuid(value: str) -> bool:
    bare = value.replace("-", "")
    return len(bare) == 32 and all(c in "0123456789abcdefABCDEF" for c in bare)


def _must_be_open(row: Mapping[str, Any]) -> None:
    if row["state"] in CLOSED:
        raise Conflict(
            f"The exception {row['kind']} on {row['key']} is already {row['state']}. Nothing was written."
        )


def _must_be_owner(owner: str) -> None:
    if owner not in ROLES and "@" not in owner:
        raise Invalid(
            f"{owner!r} is neither a role nor a person's e-mail address.", fields={"owner": "unknown"},
            remedy=f"Roles are {', '.join(ROLES)}.",
        )  # fmt: skip


def _must_say(text: str, name: str) -> None:
    if not text.strip():
        raise Invalid(f"A {name} is needed.", fields={name: "empty"})


def _checked(filters: Mapping[str, Any] | None) -> dict[str, Any]:
    chosen = {name: value for name, value in (filters or {}).items() if value not in (None, "", False)}
    if "entity" in chosen:
        chosen["legal_entity"] = chosen.pop("entity")
    unknown = set(chosen) - _FILTERS
    if unknown:
        raise Invalid(f"Exceptions cannot be filtered by {', '.join(sorted(unknown))}.",
                      fields=dict.fromkeys(unknown, "unknown filter"))  # fmt: skip
    if "owner" in chosen:
        _must_be_owner(chosen["owner"])
    if chosen.get("state") in CLOSED:
        chosen["all"] = True
    return chosen


def _view(row: Mapping[str, Any], moment: datetime, with_state: bool) -> dict[str, Any]:
    view = {
        "id": row["id"], "kind": row["kind"], "severity": row["severity"], "owner": row["owner"],
        "key": row["key"], "contract": row["contract"], "entity": row["legal_entity"], "amount": row["amount"],
        "currency": row["currency"], "opened_at": row["opened_at"],
        "age_days": max(0, (moment - row["opened_at"]).days), "cause": row["cause"],
        "remedies": list(EXCEPTION_KINDS[row["kind"]].remedies),
    }  # fmt: skip
    return view | {"state": row["state"]} if with_state else view


def _encode(row: Mapping[str, Any]) -> str:
    text = json.dumps([str(row["score"]), row["opened_at"].isoformat(), str(row["id"])])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(cursor: str) -> tuple[Decimal, datetime, str]:
    try:
        score, opened_at, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not _is_uuid(last):
            raise ValueError("no id")
        return Decimal(score), datetime.fromisoformat(opened_at), str(last)
    except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "unreadable"}) from error
