"""Mapping overrides of a workspace: they compile, and fill canonical fields that exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from tieout.hub.mapping import InboundMapping, InvalidMapping, parse_mapping
from tieout.hub.ownership import DEFAULTS
from tieout.store import canonical
from tieout.workspace import connections
from tieout.workspace.findings import Finding
from tieout.workspace.yamlfile import YamlFile


def read(files: Sequence[YamlFile]) -> tuple[dict[str, Any], list[Finding]]:
    """{connector: {file: mapping}} as hub.settings takes them, and the findings."""
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    for file in files:
        parts = PurePosixPath(file.name).parts
        if file.findings:
            findings += file.findings
        elif len(parts) != 3 or parts[1] not in connections.known():
            seen, expected, _ = connections.unknown(parts[1] if len(parts) == 3 else "")
            findings.append(file.finding((), seen, expected, "Move it to mappings/CONNECTOR/NAME.yaml."))
        else:
            findings += _mapping(file)
            found.setdefault(parts[1], {})[parts[2]] = file.value
    return found, findings


def _mapping(file: YamlFile) -> list[Finding]:
    findings = list(_paths(file))
    try:
        parsed = parse_mapping(file.value, file.name)
    except InvalidMapping as error:
        said = str(error).removeprefix(f"{file.name}: ")
        unseen = file.finding(_place(file, said), said, "a mapping that compiles is expected", "Correct it.")
        return findings or [unseen]
    return findings + (list(_fields(file, parsed)) if isinstance(parsed, InboundMapping) else [])


def _paths(file: YamlFile) -> Iterator[Finding]:
    """Each JMESPath by itself, so that a bad one is named with its line."""
    fields = file.mapping.get("fields")
    for name, rule in fields.items() if isinstance(fields, dict) else ():
        path = rule.get("path") if isinstance(rule, dict) else None
        try:
            jmespath.compile(path)
        except (JMESPathError, TypeError, AttributeError) as error:
            said = str(error).splitlines()[0] if path else "no path is stated"
            yield file.finding(("fields", name, "path"), said, "a JMESPath is expected", "Correct it.")


def _place(file: YamlFile, said: str) -> tuple[str, ...]:
    """The field that a message begins with, where it is one."""
    name = said.partition(":")[0]
    return ("fields", name) if ("fields", name) in file.lines else ()


def _fields(file: YamlFile, parsed: InboundMapping) -> Iterator[Finding]:
    if parsed.canonical not in canonical.CANONICAL:
        known = f"known are {', '.join(sorted(canonical.CANONICAL))}"
        yield file.finding(
            ("canonical",), f"there is no canonical type {parsed.canonical!r}", known, "Name one."
        )
        return
    known_fields = canonical.fields_of(parsed.canonical)
    for rule in parsed.rules:
        if rule.name not in known_fields and rule.name not in ("legal_entity", "region"):
            yield file.finding(
                ("fields", rule.name), f"{parsed.canonical} has no such field", f"known are {', '.join(known_fields)}",
                "Rename it.",
            )  # fmt: skip
        if rule.group not in DEFAULTS:
            yield file.finding(
                ("fields", rule.name, "group"), f"there is no field group {rule.group!r}",
                f"known are {', '.join(sorted(DEFAULTS))}", "Name one.",
            )  # fmt: skip
