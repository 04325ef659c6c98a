"""Outbound mappings: a context of canonical values into the exact bytes of a command.

A string beginning with `=` is a JMESPath over the context (`=$.x` inside a list: over the whole context). Values
that are absent are dropped, and so is a structure that only held such values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

_FILE_KEYS = {"mapping", "version", "direction", "operation", "canonical", "body"}

Build = Callable[[Any, Any], Any]


class InvalidBody(ValueError):
    """A body that cannot be made: a bad rule, or a context value that the rule cannot turn into JSON."""


@dataclass(frozen=True)
class OutboundMapping:
    """One operation of one target."""

    version: int
    operation: str
    canonical: str
    build: Build

    def render(self, context: Mapping[str, Any]) -> bytes:
        """The frozen bytes: compact UTF-8 JSON with sorted keys, numbers with their exact digits."""
        try:
            return _json(self.build(context, context)).encode("utf-8")
        except (JMESPathError, UnicodeEncodeError) as error:
            raise InvalidBody(f"{self.operation}: {error}") from error


def parse_outbound(document: Mapping[str, Any]) -> OutboundMapping:
    """An outbound mapping from its YAML document; raises InvalidBody, KeyError or JMESPathError."""
    unknown = set(document) - _FILE_KEYS
    if unknown:
        raise InvalidBody(f"unknown settings {', '.join(sorted(map(str, unknown)))}")
    return OutboundMapping(
        int(document["version"]),
        str(document["operation"]),
        str(document["canonical"]),
        _compile(document["body"]),
    )


def _compile(node: Any) -> Build:
    if isinstance(node, Mapping):
        if set(node) == {"for_each", "do"}:
            return _each(node["for_each"], _compile(node["do"]))
        if set(node) == {"value", "convert"}:
            return _converted(node["value"], node["convert"])
        return _structure({str(name): _compile(value) for name, value in node.items()})
    if isinstance(node, list):
        parts = [_compile(value) for value in node]
        return lambda here, top: [v for part in parts if (v := part(here, top)) is not None]
    if isinstance(node, str) and node.startswith("="):
        return _expression(node)
    return lambda here, top: node


def _expression(text: str) -> Build:
    bare = text.removeprefix("=")
    if bare == "$" or bare.startswith("$."):
        whole = jmespath.compile(bare.removeprefix("$").removeprefix(".") or "@")
        return lambda here, top: whole.search(top)
    path = jmespath.compile(bare)
    return lambda here, top: path.search(here)


def _each(text: str, do: Build) -> Build:
    rows = _expression(text)

    def build(here: Any, top: Any) -> Any:
        found = rows(here, top)
        return None if found is None else [v for row in found if (v := do(row, top)) is not None]

    return build


def _structure(parts: Mapping[str, Build]) -> Build:
    def build(here: Any, top: Any) -> Any:
        made = {name: value for name, part in parts.items() if (value := part(here, top)) is not None}
        return made if made or not parts else None

    return build


def _converted(source: Any, name: str) -> Build:
    if name not in _CONVERTERS:
        raise InvalidBody(f"there is no outbound converter {name!r}")
    inner, convert = _compile(source), _CONVERTERS[name]

    def build(here: Any, top: Any) -> Any:
        value = inner(here, top)
        return None if value is None else convert(value)

    return build


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise InvalidBody(f"a number expected, got {ascii(value)[:80]}")
    try:
        number = Decimal(value)
    except ArithmeticError as error:
        raise InvalidBody(f"a number expected, got {ascii(value)[:80]}") from error
    if not number.is_finite():
        raise InvalidBody(f"a finite number expected, got {number}")
    return number


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidBody(f"text expected, got {ascii(value)[:80]}")
    return str(value)


def _date(value: Any) -> str:
    if isinstance(value, datetime):
        value = value.date()
    elif isinstance(value, str):
        value = date.fromisoformat(value)
    if not isinstance(value, date):
        raise InvalidBody(f"a date expected, got {ascii(value)[:80]}")
    return value.isoformat()


def _integer(value: Any) -> int:
    number = _number(value)
    if number != number.to_integral_value():
        raise InvalidBody(f"a whole number expected, got {number}")
    return int(number)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidBody(f"true or false expected, got {ascii(value)[:80]}")
    return value


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "number": _number, "text": _text, "date_iso": _date, "integer": _integer, "boolean": _boolean,
}  # fmt: skip


def _json(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_string(k)}:{_json(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_json, value)) + "]"
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, str):
        return _string(value)
    raise InvalidBody(f"{type(value).__name__} has no JSON form here: name a converter")


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
