"""A YAML 1.2 file as plain values with the line of every key; numbers keep their exact digits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tieout.workspace.findings import Finding

LARGEST = 1024 * 1024
_MOST_NODES = 100_000
_DEEPEST = 40
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")
_TAG = "tag:yaml.org,2002:"

Place = tuple[str | int, ...]


@dataclass
class YamlFile:
    """What a file says. `lines` gives the line of a place such as ("secrets", "token")."""

    name: str
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def line(self, place: Sequence[str | int]) -> int:
        """Line of a place, or of the nearest that is stated around it."""
        wanted = tuple(place)
        while wanted and wanted not in self.lines:
            wanted = wanted[:-1]
        return self.lines.get(wanted, 1)

    def finding(self, place: Sequence[str | int], seen: str, expected: str, remedy: str = "") -> Finding:
        """A finding about a place of this file."""
        return Finding(self.name, self.line(place), ".".join(map(str, place)), seen, expected, remedy)

    def misnamed(self, what: str) -> list[Finding]:
        """The finding when the file's name is no name for what it states."""
        name = Path(self.name).stem
        if _NAME.match(name):
            return []
        expected = "letters, digits, - and _ are expected"
        return [self.finding((), f"{name!r} is no name of a {what}", expected, "Rename the file.")]

    @property
    def mapping(self) -> Mapping[str, Any]:
        """The value where it is a mapping, else nothing."""
        return self.value if isinstance(self.value, dict) else {}


def outside(root: Path, path: Path) -> Finding | None:
    """The finding when a path of the folder leads out of it by a link: nothing there is opened, shown or sent."""
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links that lead to each other
        inside = False
    if inside:
        return None
    return Finding(
        path.relative_to(root).as_posix(), 1, "", "this leads out of the folder and is not read",
        "a file of this folder is expected", "Put the file itself there instead of a link.",
    )  # fmt: skip


def read_yaml(root: Path, path: Path) -> YamlFile:
    """The file as it stands; what cannot be read is in its findings."""
    file = YamlFile(path.relative_to(root).as_posix())
    if (led_out := outside(root, path)) is not None:
        file.findings.append(led_out)
        return file
    try:
        if path.stat().st_size > LARGEST:
            file.findings.append(
                file.finding((), "the file is larger than 1 MB", "a small file is expected", "Split it.")
            )
            return file
        text = path.read_text(encoding="utf-8")
        node = YAML(typ="safe", pure=True).compose(text)
    except OSError as error:
        file.findings.append(
            file.finding((), f"cannot be read: {error.strerror}", "a readable file is expected")
        )
    except UnicodeDecodeError as error:
        found = file.finding((), f"byte {error.start} is not UTF-8", "text is expected", "Save it as UTF-8.")
        file.findings.append(found)
    except (YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or type(error).__name__
        line = mark.line + 1 if mark else 1
        file.findings.append(
            Finding(file.name, line, "", f"no YAML: {said}", "YAML 1.2 is expected", "Correct it.")
        )
    else:
        _Reader(file).read(node)
    return file


class _Reader:
    """Turns the nodes of one file into values, within bounds."""

    def __init__(self, file: YamlFile) -> None:
        self.file, self.left = file, _MOST_NODES

    def read(self, node: Node | None) -> None:
        if node is None:
            return
        try:
            self.file.value = self._value(node, ())
        except OverflowError as error:
            self.file.findings.append(
                self.file.finding((), str(error), "a small document is expected", "Take aliases out.")
            )

    def _value(self, node: Node, place: Place) -> Any:
        self.left -= 1
        if self.left < 0 or len(place) > _DEEPEST:
            raise OverflowError("the document unfolds beyond reason")
        self.file.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*place, number)) for number, item in enumerate(node.value)]
        return self._scalar(node, place) if isinstance(node, ScalarNode) else None

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            at = (*place, name)
            if name in found:
                first = self.file.lines.get(at)
                self.file.findings.append(
                    Finding(self.file.name, key.start_mark.line + 1, ".".join(map(str, at)),
                            f"stated twice (first on line {first})", "each key is stated once", "Take one out.")
                )  # fmt: skip
                continue
            self.file.lines[at] = key.start_mark.line + 1
            found[name] = self._value(value, at)
        return found

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        kind, text = str(node.tag).removeprefix(_TAG), str(node.value)
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return text.casefold() == "true"
            if kind == "int":
                return int(text.replace("_", ""), 0 if text[:2] in ("0x", "0o") else 10)
            if kind == "float":
                return Decimal(text.replace("_", ""))
            if kind == "timestamp":
                return date.fromisoformat(text) if len(text) == 10 else text
        except (ValueError, InvalidOperation):
            self.file.findings.append(
                self.file.finding(place, f"{text!r} cannot be read", "a number or a date is expected")
            )
        return text
