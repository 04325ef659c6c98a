"""Mappings: versioned YAML that turns a source's record into canonical fields, and a context into a target's body.

Pure and total: a rule that fails on a record is a finding about that record and nothing else. Every JMESPath is
compiled when the file is loaded; a file that cannot be used is refused with its name and every finding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from ruamel.yaml import YAML, YAMLError

from tieout.hub import contract_lines, converters
from tieout.hub.converters import Unfit, Unmapped, enum, text
from tieout.hub.outbound import InvalidBody, OutboundMapping, parse_outbound

CONVERTERS = {
    **converters.CONVERTERS, "contract_lines": contract_lines.lines, "contract_caps": contract_lines.caps,
    "contract_accounting": contract_lines.accounting, "contract_invoicing": contract_lines.invoicing,
    "variable_outcomes": contract_lines.outcomes,
}  # fmt: skip

KEY_LENGTH = 200
_RULE_KEYS = {"group", "path", "convert", "required", "default", "values", "object"}
_FILE_KEYS = {
    "mapping",
    "version",
    "direction",
    "object",
    "canonical",
    "key",
    "ignore_when",
    "fields",
    "children",
}


class InvalidMapping(ValueError):
    """A mapping file that cannot be used."""


@dataclass(frozen=True)
class Finding:
    """Why one record cannot be taken in: an exception kind, the field it is about, and what was seen and expected."""

    kind: str
    field: str
    detail: str


@dataclass(frozen=True)
class Reference:
    """A field that names another source record, to be resolved through the crosswalk."""

    field: str
    object: str
    source_id: str
    required: bool


@dataclass(frozen=True)
class Rule:
    """One field: where it is, how it is converted, what stands when it is absent."""

    name: str
    group: str
    path: ParsedResult
    convert: str
    required: bool = False
    default: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)
    object: str = ""

    def value(self, document: Any) -> Any:
        """The converted value, None when absent; raises Unfit or Unmapped."""
        found = follow(self.path, document)
        if found is None or found == "":
            if self.required:
                raise Unfit("a value is required, got none")
            return self.default
        if self.convert == "enum":
            return enum(found, self.values)
        return text(found) if self.convert == "reference" else CONVERTERS[self.convert](found)


def follow(path: ParsedResult, document: Any) -> Any:
    """What the path leads to. Plain names (`a`, `a.b`), nearly all there are, are followed without the interpreter."""
    node = path.parsed
    steps = node["children"] if node["type"] == "subexpression" else [node]
    for step in steps:
        if step["type"] != "field":
            return path.search(document)
    for step in steps:
        document = document.get(step["value"]) if isinstance(document, Mapping) else None
    return document


@dataclass(frozen=True)
class Mapped:
    """A record after its mapping: canonical values by field, references by field, children, or the findings.

    Without `key` the record is found through the crosswalk under its own source id (`by_crosswalk`).
    """

    key: str | None
    values: Mapping[str, Any]
    references: Sequence[Reference]
    children: Mapping[str, Sequence[Mapping[str, Any]]]
    findings: Sequence[Finding]
    ignored: bool = False
    by_crosswalk: bool = False


@dataclass(frozen=True)
class InboundMapping:
    """One vendor object into one canonical type."""

    version: int
    object: str
    canonical: str
    key: ParsedResult | None
    rules: Sequence[Rule]
    children: Mapping[str, tuple[ParsedResult, Sequence[Rule]]]
    ignore_when: ParsedResult | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Field groups this mapping fills, each once in order; children may have one of their own."""
        inside = (rule.group for _, rules in self.children.values() for rule in rules if rule.group)
        return tuple(dict.fromkeys([*(rule.group for rule in self.rules), *inside]))

    def fields_of(self, group: str) -> tuple[str, ...]:
        """Canonical fields of one group."""
        return tuple(rule.name for rule in self.rules if rule.group == group)

    def source_fields(self) -> frozenset[str]:
        """Top-level names of the source's record that the mapping reads: what drift is judged by."""
        paths = [rule.path for rule in self.rules] + [path for path, _ in self.children.values()]
        paths += [path for path in (self.key, self.ignore_when) if path is not None]
        return frozenset(name for path in paths for name in _roots(path.parsed))

    def apply(self, document: Any) -> Mapped:
        """The record's canonical values; findings instead of an error for whatever does not fit."""
        findings: list[Finding] = []
        try:
            if self.ignore_when is not None and self.ignore_when.search(document) is True:
                return Mapped(None, {}, (), {}, (), ignored=True)
        except JMESPathError as error:
            findings.append(Finding("invalid-payload", "ignore_when", str(error)))
        key = self._key(document, findings)
        values, references = _fields(self.rules, document, findings)
        children = {
            name: [_fields(rules, row, findings, f"{name}[{place}].")[0] for place, row in enumerate(rows)]
            for name, (path, rules) in self.children.items()
            for rows in [_rows(path, document, name, findings)]
        }
        return Mapped(key, values, references, children, findings, by_crosswalk=self.key is None)

    def _key(self, document: Any, findings: list[Finding]) -> str | None:
        if self.key is None:
            return None
        try:
            found = self.key.search(document)
            key = "" if found is None else text(found)
        except (Unfit, JMESPathError) as error:
            findings.append(Finding("invalid-payload", "key", str(error)))
            return None
        if not key or key != key.strip() or len(key) > KEY_LENGTH or not key.isprintable():
            findings.append(
                Finding("invalid-payload", "key", f"a key of plain text expected, got {ascii(key)[:80]}")
            )
            return None
        return key


def _fields(
    rules: Sequence[Rule], document: Any, findings: list[Finding], prefix: str = ""
) -> tuple[dict[str, Any], list[Reference]]:
    values: dict[str, Any] = {}
    references: list[Reference] = []
    for rule in rules:
        try:
            value = rule.value(document)
        except Unmapped as error:
            findings.append(Finding("unmapped-value", prefix + rule.name, str(error)))
        except Unfit as error:
            kind = "unknown-currency" if rule.convert == "currency" else "invalid-payload"
            findings.append(Finding(kind, prefix + rule.name, str(error)))
        except JMESPathError as error:
            findings.append(Finding("invalid-payload", prefix + rule.name, str(error)))
        else:
            if rule.convert == "reference" and value is not None:
                references.append(Reference(rule.name, rule.object, value, rule.required))
            values[rule.name] = None if rule.convert == "reference" else value
    return values, references


def _rows(path: ParsedResult, document: Any, name: str, findings: list[Finding]) -> list[Any]:
    try:
        rows = path.search(document)
    except JMESPathError as error:
        findings.append(Finding("invalid-payload", name, str(error)))
        return []
    if rows is None or isinstance(rows, list):
        return rows or []
    findings.append(Finding("invalid-payload", name, "a list of rows expected"))
    return []


@dataclass(frozen=True)
class Mappings:
    """All mappings of one system."""

    incoming: Mapping[str, InboundMapping]
    outgoing: Mapping[str, OutboundMapping]

    def inbound(self, object: str) -> InboundMapping | None:
        """The mapping of a vendor object; None when nothing reads it."""
        return self.incoming.get(object)

    def outbound(self, operation: str) -> OutboundMapping:
        """The mapping of a write operation."""
        if operation not in self.outgoing:
            raise InvalidMapping(f"there is no outbound mapping for {operation}")
        return self.outgoing[operation]


def load_mappings(folder: Path, overrides: Sequence[Path | Mapping[str, Any]] = ()) -> Mappings:
    """Every mapping of a folder; a later override (file, folder or document) replaces that of the same object."""
    incoming: dict[str, InboundMapping] = {}
    outgoing: dict[str, OutboundMapping] = {}
    for name, document in _documents([folder, *overrides]):
        parsed = parse_mapping(document, name)
        if isinstance(parsed, InboundMapping):
            incoming[parsed.object] = parsed
        else:
            outgoing[parsed.operation] = parsed
    return Mappings(incoming, outgoing)


def _documents(sources: Sequence[Path | Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for source in sources:
        if isinstance(source, Mapping):
            yield "workspace", source
            continue
        for path in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
            try:
                yield path.name, YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
            except (OSError, YAMLError, UnicodeDecodeError) as error:
                raise InvalidMapping(f"{path.name}: {error}") from error


def parse_mapping(document: Any, name: str = "mapping") -> InboundMapping | OutboundMapping:
    """One mapping from its YAML document, or InvalidMapping that says what is wrong in which file."""
    if not isinstance(document, Mapping) or document.get("mapping") != 1:
        raise InvalidMapping(f"{name}: a document with `mapping: 1` is expected")
    try:
        if document.get("direction") == "out":
            return parse_outbound(document)
        if document.get("direction") == "in":
            return _inbound(document)
    except (InvalidBody, InvalidMapping, JMESPathError, KeyError, TypeError, ValueError) as error:
        raise InvalidMapping(f"{name}: {error}") from error
    raise InvalidMapping(f"{name}: `direction` is `in` or `out`")


def _inbound(document: Mapping[str, Any]) -> InboundMapping:
    _refuse_unknown(document, _FILE_KEYS, "mapping")
    key = document["key"]
    if isinstance(key, Mapping) and set(key) != {"reference"}:
        raise InvalidMapping("`key` is an expression or {reference: object}")
    ignore = document.get("ignore_when")
    children = {
        name: (
            jmespath.compile(child["path"]),
            [_rule(n, r, str(child.get("group", ""))) for n, r in child["fields"].items()],
        )
        for name, child in (document.get("children") or {}).items()
    }
    return InboundMapping(
        version=int(document["version"]),
        object=str(document["object"]),
        canonical=str(document["canonical"]),
        key=None if isinstance(key, Mapping) else jmespath.compile(key),
        rules=[_rule(name, rule, None) for name, rule in document["fields"].items()],
        children=children,
        ignore_when=jmespath.compile(ignore) if ignore else None,
    )


def _rule(name: str, rule: Mapping[str, Any], group: str | None) -> Rule:
    _refuse_unknown(rule, _RULE_KEYS, name)
    convert = rule.get("convert", "text")
    if convert not in CONVERTERS and convert not in ("enum", "reference"):
        raise InvalidMapping(f"{name}: there is no converter {convert!r}")
    if convert == "enum" and not rule.get("values"):
        raise InvalidMapping(f"{name}: an enum needs its `values`")
    if convert == "reference" and not rule.get("object"):
        raise InvalidMapping(f"{name}: a reference needs its `object`")
    default = rule.get("default")
    if default is not None and convert in CONVERTERS:
        default = CONVERTERS[convert](default)
    return Rule(
        name=name,
        group=str(rule["group"]) if group is None else group,
        path=jmespath.compile(rule["path"]),
        convert=convert,
        required=bool(rule.get("required", False)),
        default=default,
        values={
            str(k).lower() if isinstance(k, bool) else str(k): v
            for k, v in (rule.get("values") or {}).items()
        },
        object=str(rule.get("object", "")),
    )


def _refuse_unknown(given: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = set(given) - known
    if unknown:
        raise InvalidMapping(f"{where}: unknown settings {', '.join(sorted(map(str, unknown)))}")


def _roots(node: Mapping[str, Any]) -> Iterator[str]:
    """Names that an expression reads from the record itself (not from inside another value)."""
    kind, children = node.get("type"), node.get("children", [])
    if kind == "field":
        yield node["value"]
    elif kind in (
        "subexpression",
        "index_expression",
        "projection",
        "value_projection",
        "filter_projection",
        "flatten",
        "pipe",
    ):
        yield from _roots(children[0])
    else:
        for child in children:
            if isinstance(child, Mapping):
                yield from _roots(child)


class _Twice(ValueError):
    """A field that a JSON object names more than once."""


def read_document(document: bytes | None, raw: bytes) -> Any:
    """The record's parsed form: as the connector prepared it, else from its raw bytes (numbers as their text).

    Raises Unfit when it cannot be read, or names a field twice: which of two values counts is not ours to guess.
    """
    try:
        _refuse_twice(raw)
        if document is not None:
            return json.loads(document, parse_constant=str)
        return json.loads(raw.decode("utf-8"), parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"the record cannot be read: {str(error)[:200]}") from error


def _refuse_twice(raw: bytes) -> None:
    if raw[:1] != b"{":
        return
    try:
        json.loads(
            raw.decode("utf-8", "replace"), parse_float=str, parse_constant=str, object_pairs_hook=_once
        )
    except _Twice:
        raise
    except (ValueError, RecursionError):
        return  # no JSON by itself: the connector's parsed form decides


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({ascii(name)[:80] for name in names if names.count(name) > 1})
        raise _Twice(f"the field {', '.join(twice)} is stated twice")
    return found
