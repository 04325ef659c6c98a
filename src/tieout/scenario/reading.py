"""A scenario file as exact values, each with the line it stands on: YAML 1.2, numbers from their text, dates as dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

Place = tuple[Any, ...]
LARGEST_FILE = 2 * 1024 * 1024
DEEPEST, MOST_VALUES = 40, 200_000


class BadScenario(ValueError):
    """A file that cannot be played: file, line, what was seen and expected. `code` is stable."""

    def __init__(self, message: str, file: str = "", line: int = 0, code: str = "invalid") -> None:
        super().__init__(message)
        self.message, self.file, self.line, self.code = message, file, line, code

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.file, self.line, self.code)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass
class Source:
    """The values of a file and the line of each place in it."""

    file: str
    values: Any = None
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of the innermost known part of a place."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def bad(self, place: Place, message: str, code: str = "invalid") -> BadScenario:
        """An error about a place of the file."""
        return BadScenario(message, self.file, self.line(place), code)


def read_source(path: Path) -> Source:
    """The file's values; raises BadScenario with the line where it is no YAML."""
    source = Source(str(path))
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadScenario(f"a scenario has at most {LARGEST_FILE} bytes", str(path), 1)
        node = YAML(typ="safe", pure=True).compose(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = getattr(error, "problem", None) or "this is no YAML"
        raise BadScenario(str(what), str(path), mark.line + 1 if mark else 1) from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise BadScenario(f"the file cannot be read: {error}", str(path), 1) from None
    if not isinstance(node, MappingNode):
        raise BadScenario("a scenario is a mapping with `scenario: 1` and `timeline:`", str(path), 1)
    source.values = _value(source, node, ())
    return source


def _value(source: Source, node: Any, place: Place) -> Any:
    source.lines[place] = node.start_mark.line + 1
    if len(place) > DEEPEST:
        raise source.bad(place, "nested too deeply")
    if len(source.lines) > MOST_VALUES:  # aliases of aliases grow without end
        raise source.bad(place[:1], f"a scenario has at most {MOST_VALUES} values, aliases counted")
    if isinstance(node, ScalarNode):
        return _scalar(source, node, place)
    if not str(node.tag).startswith("tag:yaml.org,2002:"):
        raise source.bad(place, f"the tag {node.tag} is not used in scenarios")
    if isinstance(node, MappingNode):
        return _mapping(source, node, place)
    return [_value(source, item, (*place, number)) for number, item in enumerate(node.value)]


def _mapping(source: Source, node: MappingNode, place: Place) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        source.lines[(*place, key)] = key_node.start_mark.line + 1
        if key in found:
            raise source.bad((*place, key), f"{key} is stated twice")
        found[key] = _value(source, value_node, (*place, key))
        source.lines[(*place, key)] = key_node.start_mark.line + 1
    return found


def _plain(number: str) -> str:
    if "_" in number:
        raise ValueError
    return number


def _scalar(source: Source, node: ScalarNode, place: Place) -> Any:
    tag, text = str(node.tag).rsplit(":", 1)[-1], node.value
    if tag == "str":
        return text
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    try:
        if tag == "int":
            return int(_plain(text), 0)
        if tag == "float":
            number = Decimal(_plain(text))
            if not number.is_finite():
                raise ValueError
            return number
        if tag == "timestamp":
            return date.fromisoformat(text)
    except (ValueError, InvalidOperation):
        pass
    raise source.bad(place, f"{text!r} is neither a number, a date nor a text")


def validated(source: Source, model: type[BaseModel], value: Any, place: tuple[Any, ...]) -> Any:
    """The value as that part; BadScenario at the line of the first thing that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise explained(source, error, place) from None


def explained(source: Source, error: ValidationError, place: tuple[Any, ...]) -> BadScenario:
    """The first thing that is wrong with a part, as an error at its line; an unknown key goes first."""
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "here"
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return source.bad((*place, *first["loc"]), f"{key}: {what}")
