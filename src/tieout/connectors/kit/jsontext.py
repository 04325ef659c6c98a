"""Reading a vendor's JSON without losing anything: decimals stay exact, each record keeps its own bytes.

`NaN`, `Infinity` and bad UTF-8 do not break a page: they reach the one record they stand in as text, where the
mapping refuses them; its neighbours go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_SPACE = " \t\n\r"
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=str)


class Unreadable(ValueError):
    """The text is no JSON, or not the JSON object that was expected."""


@dataclass(frozen=True)
class Element:
    """One member of a list or map: its key (a list's index), its value and its exact bytes."""

    key: str
    value: Any
    raw: bytes


def parse(body: bytes) -> Any:
    """The value of a JSON text, numbers with a point as Decimal."""
    text = _text(body)
    value, end = _decode(text, _skip(text, 0))
    if _skip(text, end) != len(text):
        raise Unreadable("there is text after the JSON value")
    return value


def parse_object(body: bytes, split: Collection[str]) -> dict[str, Any]:
    """A JSON object whose members named in `split` come as lists of Element (from a list or a map of records)."""
    text = _text(body)
    found: dict[str, Any] = {}

    def member(key: str, start: int) -> int:
        if key in split and start < len(text) and text[start] in "[{":
            found[key], end = _elements(text, start)
        else:
            found[key], end = _decode(text, start)
        return end

    start = _skip(text, 0)
    if text[start : start + 1] != "{":
        raise Unreadable("the JSON text is no object")
    end = _walk_map(text, start, member)
    if _skip(text, end) != len(text):
        raise Unreadable("there is text after the JSON object")
    return found


def with_joined(raw: bytes, joined: Mapping[str, Any]) -> bytes:
    """A record's bytes, untouched, with what was read beside it as a last member `joined`."""
    text = json.dumps(joined, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return raw.rstrip()[:-1] + b',"joined":' + text.encode("utf-8", "surrogateescape") + b"}"


def _elements(text: str, start: int) -> tuple[list[Element], int]:
    out: list[Element] = []

    def member(key: str, at: int) -> int:
        value, end = _decode(text, at)
        out.append(Element(key, value, text[at:end].encode("utf-8", "surrogateescape")))
        return end

    walk = _walk_map if text[start] == "{" else _walk_list
    return out, walk(text, start, member)


def _walk_map(text: str, start: int, member: Callable[[str, int], int]) -> int:
    at = _skip(text, start + 1)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        key, at = _decode(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at : at + 1] != ":":
            raise Unreadable("the JSON text breaks off")
        at = _skip(text, member(key, _skip(text, at + 1)))
        if text[at : at + 1] == "}":
            return at + 1
        at = _comma(text, at)


def _walk_list(text: str, start: int, member: Callable[[str, int], int]) -> int:
    at, index = _skip(text, start + 1), 0
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, member(str(index), at))
        if text[at : at + 1] == "]":
            return at + 1
        at, index = _comma(text, at), index + 1


def _comma(text: str, at: int) -> int:
    if text[at : at + 1] != ",":
        raise Unreadable("the JSON text breaks off")
    return _skip(text, at + 1)


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the text is no JSON") from error


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
