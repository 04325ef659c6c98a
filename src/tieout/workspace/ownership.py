"""The ownership matrix of a workspace: known field groups, owners that exist, dates that do not overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tieout.hub.ownership import DEFAULTS, InvalidOwnership
from tieout.hub.ownership import parse as parse_matrix
from tieout.workspace.findings import Finding
from tieout.workspace.shapes import OwnershipFile, parse
from tieout.workspace.yamlfile import Place, YamlFile

OURSELVES = ("workspace", "tieout")
_RULE = frozenset({"owner", "readers"})
_SPAN = frozenset({"system", "from", "until"})


def read(file: YamlFile | None, connections: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The matrix as the document keeps it, and the findings."""
    if file is None:
        return {}, []
    shape, findings = parse(file, OwnershipFile)
    if shape is None:
        return {}, findings
    for group, rule in shape.ownership.items():
        findings += _group(file, group, rule, connections)
    return dict(shape.ownership), findings


def _group(file: YamlFile, group: str, rule: Any, connections: Mapping[str, Any]) -> Iterator[Finding]:
    at: Place = ("ownership", group)
    if group not in DEFAULTS:
        yield file.finding(
            at, "this field group is not known", f"known are {', '.join(sorted(DEFAULTS))}", "Rename it."
        )
    if isinstance(rule, dict) and not set(rule) <= _RULE:
        for key in sorted(set(rule) - _RULE):
            yield file.finding(
                (*at, key), "this key is not known", "known are owner, readers", "Take it out."
            )
        return
    try:
        spans = parse_matrix({group: rule}).spans[group]
    except (InvalidOwnership, AttributeError, TypeError) as error:
        said = str(error).partition(": ")[2] or "this cannot be read"
        yield file.finding(
            (*at, "owner"), said, "a system, or a system by legal entity and date, is expected"
        )
        return
    yield from _spans(file, (*at, "owner"), rule, spans, connections)


def _spans(
    file: YamlFile, at: Place, rule: Any, spans: Any, connections: Mapping[str, Any]
) -> Iterator[Finding]:
    systems = {*connections, *(c["connector"] for c in connections.values()), *OURSELVES}
    owner = rule.get("owner") if isinstance(rule, dict) else rule
    for entity, entries in owner.items() if isinstance(owner, dict) else ():
        for number, entry in enumerate(entries) if isinstance(entries, list) else ():
            for key in sorted(set(entry) - _SPAN) if isinstance(entry, dict) else ():
                why = "not supported yet" if key == "shadow_from" else "not known"
                yield file.finding(
                    (*at, entity, number, key), f"this key is {why}", "known are system, from, until"
                )
    ends: dict[str | None, date] = {}
    for span in sorted(spans, key=lambda s: (s.entity or "", s.start)):
        place = (*at, span.entity) if span.entity else at
        if span.system not in systems:
            yield file.finding(
                place, f"{span.system!r} is no connection", f"known are {', '.join(sorted(systems))}",
                f"Add connections/{span.system}.yaml, or name another.",
            )  # fmt: skip
        if span.entity in ends and span.start <= ends[span.entity]:
            yield file.finding(place, f"two owners on {span.start}", "one owner per day is expected")
        if span.end < span.start:
            yield file.finding(place, f"{span.end} is before {span.start}", "the last day is expected")
        ends[span.entity] = max(span.end, ends.get(span.entity, date.min))
