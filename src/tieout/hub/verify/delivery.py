"""I9 to I18: identity, order, delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tieout.hub.verify.case import NOT_LIVE, OK, Case, Result, Sandbox, either, listed, told
from tieout.store import verify as store

_OUTSIDE = "the outside truth is needed: a sandbox and its ledger"


def one_live_record(case: Case) -> Result:
    """I9: under each external key the target holds at most one live record of a type."""

    def outside() -> Result:
        if case.sandbox is None:
            return Result(NOT_LIVE, f"our tables name one record per command; {_OUTSIDE}")
        return told(listed(_doubles(case.sandbox)), "each external key has at most one live record out there")

    return either(case.found("I9"), outside)


def _doubles(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    made: dict[tuple[str, str, str], set[str]] = {}
    for row in sandbox.ledger():
        if row["external_key"]:
            made.setdefault((row["system"], row["type"], row["external_key"]), set()).add(str(row["id"]))
    for (system, type, key), ids in made.items():
        live = ids & sandbox.ids(system, type) if len(ids) > 1 else ids
        if len(live) > 1:
            yield f"{system} {type} {key}", f"held as {' and '.join(sorted(live))}"


def crosswalk_is_one_to_one(case: Case) -> Result:
    """I10: a key has one live id per system and object, every link leads to a record, every record made is linked."""
    return case.judged("I10", "links are one to one, lead to records, and cover what was made")


def no_false_merge(case: Case) -> Result:
    """I11: two ids of one system are one record only where the earlier link was retired for a reason."""
    return case.judged("I11", "no two source ids share a record without a recorded reason")


def revisions_only_rise(case: Case) -> Result:
    """I12: per source record versions were applied in rising order, and each key has one current version."""
    return case.judged("I12", "applied versions only rise; each key has one current version, the last")


def deleted_stays_deleted(case: Case) -> Result:
    """I13: nothing at or below a deletion was applied after it."""
    return case.judged("I13", "no version at or below a deletion was applied after it")


def cursor_behind_inbox(case: Case) -> Result:
    """I14: no cursor stands beyond the newest version in the inbox."""
    return case.judged("I14", "no cursor is ahead of what the inbox holds")


def replay_changes_nothing(case: Case) -> Result:
    """I15: nothing is sent or rated again once it is done; outside, nothing was written after the end."""

    def outside() -> Result:
        if case.sandbox is None:
            return Result(NOT_LIVE, f"our tables show no second sending; {_OUTSIDE}")
        late = listed(_written_late(case.sandbox, _intents(case)))
        return told(late, "nothing was written outside after its command was done")

    return either(case.found("I15"), outside)


def _written_late(
    sandbox: Sandbox, intents: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    for row in sandbox.ledger():
        ours = intents.get((row["system"], row["external_key"]))
        if ours is None or ours["open"] or ours["done_at"] is None:
            continue
        if _moment(row["at"]) > ours["done_at"]:
            yield f"{row['system']} {row['external_key']}", f"written at {row['at']}, done {ours['done_at']}"


def frozen_bytes(case: Case) -> Result:
    """I16: what is stored has the digest it was frozen with, every call has its intent; outside, every write has one."""

    def outside() -> Result:
        if case.sandbox is None:
            return Result(OK, "intents and facts have the digest they were stored with")
        known = _intents(case)
        strange = listed(
            (f"{row['system']} {row['external_key']}", f"{row['method']} {row['path']} has no intent")
            for row in case.sandbox.ledger()
            if row["external_key"] and (row["system"], row["external_key"]) not in known
        )
        return told(
            strange, "every write out there has its intent; bytes have the digest they were frozen with"
        )

    return either(case.found("I16"), outside)


def within_the_budget(case: Case) -> Result:
    """I17: counted calls keep within the budget per minute; outside, no write was sent more often than it was counted.

    A block after `Retry-After` lies in business time, so the log of calls in real time cannot show it.
    """

    def outside() -> Result:
        if case.sandbox is None:
            return Result(NOT_LIVE, f"the counted calls keep within their budget; {_OUTSIDE}")
        return told(listed(_uncounted(case.sandbox, _intents(case))), "calls are counted and within budget")

    return either(case.found("I17"), outside)


def _uncounted(
    sandbox: Sandbox, intents: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    written: dict[tuple[str, str], int] = {}
    for row in sandbox.ledger():
        if row["external_key"]:
            place = (row["system"], row["external_key"])
            written[place] = written.get(place, 0) + 1
    for place, times in written.items():
        sends = int(intents[place]["sends"]) if place in intents else 0
        if times > sends:
            yield " ".join(place), f"written {times} times, {sends} sendings were counted"
    heard = {row["system"] for row in sandbox.calls()}
    for system in sorted({system for system, _ in written} - heard):
        yield system, "it applied writes and its log has no call"


def no_end_without_evidence(case: Case) -> Result:
    """I18: done, rejected and cancelled rest on an answer, a look-up or a read-back."""
    return case.judged("I18", "every command that ended has its proof")


def _intents(case: Case) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["system"], row["external_key"]): row for row in store.intents(case.conn)}


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
