"""I19 to I30: control, audit, regions, liveness."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tieout.hub import audit, secrets
from tieout.hub.billing.documents import digest_of, name_of
from tieout.hub.refusals import Refusal
from tieout.hub.verify.case import NOT_LIVE, Case, Result, either, listed, told
from tieout.store import verify as store

_SHORTEST = 8
"""Shorter values stand in ordinary text by chance."""


def two_people(case: Case) -> Result:
    """I19: who approved did not prepare, and had at that time a role that allowed it."""
    return case.judged(
        "I19", "everything approved has an approver who did not prepare it and had the role then"
    )


def approved_is_what_stands(case: Case) -> Result:
    """I20: header, lines and hours of every approved document still give the digest that was approved."""
    return either(
        case.found("I20"),
        lambda: told(listed(_changed(case)), "every approved document is what was approved"),
    )


def _changed(case: Case) -> Iterator[tuple[str, str]]:
    for rows in store.documents(case.conn):
        lines, events = store.content(case.conn, [str(row["id"]) for row in rows])
        for row in rows:
            key = str(row["id"])
            if key not in lines:
                yield name_of(row), "its lines are gone"
            elif digest_of(row, lines[key], events.get(key, [])) != row["approved_hash"]:
                yield name_of(row), f"it is not what {row['approver']} approved"


def audit_is_whole(case: Case) -> Result:
    """I21: each command has its one audit row, and the sealed chain verifies against the last checkpoint."""

    def chain() -> Result:
        walked = audit.verify(case.conn, case.checkpoint)
        bad = listed(
            (f"seal {f.position}" + (f" (audit {f.audit_id})" if f.audit_id else ""), f.what)
            for f in walked.findings
        )
        return told(
            bad, f"each command has one audit row; {walked.sealed} sealed rows verify, {walked.unsealed} wait"
        )

    return either(case.found("I21"), chain)


def records_carry_their_entity(case: Case) -> Result:
    """I22: what is made of a contract belongs to its entity, so that scoped readers see all of it or nothing."""
    return case.judged(
        "I22",
        "every event, document and journal is of its contract's entity (who sees what: the access tests)",
    )


def no_secret_in_any_sink(case: Case) -> Result:
    """I23: no secret value stands in audit, exceptions, events, errors, configuration or logs."""
    values = _searchable([*case.secrets, *_resolved(case)])
    if not values:
        return Result(NOT_LIVE, "no secret value is known here to look for")

    def logs() -> Result:
        found = listed(
            (str(file), "a secret stands in it") for file in _files(case.logs) if _has(file, values)
        )
        return told(found, f"none of {len(values)} secret values stands in any table or log searched")

    return either(case.found("I23", secrets=values), logs)


def _resolved(case: Case) -> Iterator[str]:
    for reference in store.secret_references(case.conn):
        try:
            yield secrets.resolve(reference)
        except Refusal:  # another process holds it: nothing to look for here
            continue


def _searchable(values: Iterable[str]) -> list[str]:
    """The longest line of each value (a key in PEM is stored line by line), as it is and as JSON writes it."""
    lines = {max(value.splitlines(), key=len, default="") for value in values}
    long = {line for line in lines if len(line) >= _SHORTEST}
    return sorted(long | {json.dumps(line)[1:-1] for line in long})


def _files(folder: Path | None) -> list[Path]:
    return sorted(folder.glob("*.log*")) if folder is not None and folder.is_dir() else []


def _has(file: Path, values: Iterable[str]) -> bool:
    sought = [value.encode() for value in values]
    with file.open("rb") as lines:
        return any(value in line for line in lines for value in sought)


def ends_are_ends(case: Case) -> Result:
    """I24: what ended stays ended."""
    return case.judged("I24", "no ended document, exception, command or run went on")


def undone_or_told(case: Case) -> Result:
    """I25: a compensation is complete, on its way, or on an open exception."""
    return case.judged("I25", "nothing is half undone without an open exception")


def nothing_waits_for_nothing(case: Case) -> Result:
    """I26: whatever waits has work that will wake it or an open exception that names it."""
    return case.judged("I26", "every waiting flow has work to come or an open exception")


def nothing_left_behind(case: Case) -> Result:
    """I27: nothing is new, pending or running for longer than an hour of business time."""
    return case.judged("I27", "nothing is new, pending or running for longer than an hour past its time")


def poison_is_set_aside(case: Case) -> Result:
    """I28: what fails again and again is shown, set aside, and holds nothing else up."""
    return case.judged("I28", "what keeps failing is set aside and holds nothing else up")


def exhausted_is_shown(case: Case) -> Result:
    """I29: what was tried to its bound stands on an exception with its owner and reason."""
    return case.judged("I29", "every command that gave up or was refused stands on an exception")


def tie_out_is_a_fixed_point(case: Case) -> Result:
    """I30: the same comparison again is the run that stands, and what nothing explains stands on an exception."""
    return case.judged("I30", "no comparison was kept twice; every unexplained difference has its exception")
