"""What a change of a published contract takes away from those who use it.

Breaking is: a path, operation, message, parameter, header, field or enum value that is gone; a request field, parameter
or sign-in that is newly required or takes less; an answer that gives another type, any type, or no longer certainly a
field. Additions are not. What the document said and the code never did is a correction, named in tools/corrections.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_KIND_OF = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def allowed(old_version: str, new_version: str) -> bool:
    """Whether a breaking change may come with this version: a new major, or before 1.0 a new minor."""
    old, new = ([int(part) for part in version.split(".")[:2]] for version in (old_version, new_version))
    return new[0] > old[0] or (old[0] == new[0] == 0 and new[1] > old[1])


def openapi_breaks(old: Document, new: Document) -> list[str]:
    """One line for each breaking change between two OpenAPI documents."""
    return list(_paths(_Compared(old, new)))


def asyncapi_breaks(old: Document, new: Document) -> list[str]:
    """One line for each breaking change between two AsyncAPI documents, whose readers only receive."""
    both, found = _Compared(old, new), []
    messages = new["components"]["messages"]
    for name, message in old["components"]["messages"].items():
        if name not in messages:
            found.append(f"{name}: the message is gone")
        else:
            found += both.schema(name, message["payload"], messages[name]["payload"], request=False)
    return found


class _Compared:
    """Two documents; compares their schemas, references followed in each of them."""

    def __init__(self, old: Document, new: Document):
        self.old, self.new = old, new
        self._open: set[tuple[str, str, bool]] = set()

    def schema(self, at: str, old: Any, new: Any, *, request: bool) -> Iterator[str]:
        """What `new` takes away from `old`."""
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")), request)
        if pair[0] and pair in self._open:
            return
        self._open.add(pair)
        yield from self._members(at, _followed(self.old, old), _followed(self.new, new), request)
        self._open.discard(pair)

    def _members(self, at: str, old: Document, new: Document, request: bool) -> Iterator[str]:
        yield from _types(at, _kinds(self.old, old), _kinds(self.new, new), request)
        yield from _values(at, old, new)
        yield from _bounds(at, old, new) if request else ()
        before, after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(after - before if request else ()):
            yield f"{at}: {name} is newly required"
        for name, member in old.get("properties", {}).items():
            if name not in new.get("properties", {}):
                yield f"{at}: the field {name} is gone"
                continue
            if not request and name in before - after:
                yield f"{at}: {name} is no longer certain"
            yield from self.schema(f"{at}.{name}", member, new["properties"][name], request=request)
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
                yield from self.schema(f"{at}[]", old[part], new[part], request=request)
        for part in ("anyOf", "oneOf", "allOf"):
            for one, other in zip(_objects(old, part), _objects(new, part), strict=False):
                yield from self.schema(at, one, other, request=request)


def _paths(both: _Compared) -> Iterator[str]:
    for path, operations in both.old["paths"].items():
        there = both.new["paths"].get(path)
        if there is None:
            yield f"{path}: the path is gone"
            continue
        for method in _METHODS:
            if method in operations and method not in there:
                yield f"{method.upper()} {path}: the operation is gone"
            elif method in operations:
                yield from _operation(both, f"{method.upper()} {path}", operations[method], there[method])


def _operation(both: _Compared, at: str, old: Document, new: Document) -> Iterator[str]:
    before, after = ({(p["in"], p["name"]): p for p in one.get("parameters", ())} for one in (old, new))
    for place, name in before.keys() - after.keys():
        yield f"{at}: the {place} parameter {name} is gone"
    for key, parameter in after.items():
        known = before.get(key)
        if parameter.get("required") and not (known or {}).get("required"):
            yield f"{at}: the {key[0]} parameter {key[1]} is newly required"
        if known is not None:
            yield from both.schema(f"{at} {key[1]}", known["schema"], parameter["schema"], request=True)
    yield from _body(both, at, old.get("requestBody", {}), new.get("requestBody", {}))
    if new.get("security") and not old.get("security"):
        yield f"{at}: sign-in is newly required"
    for status, answer in old.get("responses", {}).items():
        if status not in new.get("responses", {}):
            yield f"{at}: the answer {status} is gone"
            continue
        told, now = _followed(both.old, answer), _followed(both.new, new["responses"][status])
        for name in sorted(told.get("headers", {}).keys() - now.get("headers", {}).keys()):
            yield f"{at} {status}: the header {name} is gone"
        yield from _content(both, f"{at} {status}", told, now, request=False)


def _body(both: _Compared, at: str, old: Document, new: Document) -> Iterator[str]:
    if new.get("required") and not old.get("required"):
        yield f"{at}: a body is newly required"
    yield from _content(both, f"{at} body", old, new, request=True)


def _content(both: _Compared, at: str, old: Document, new: Document, *, request: bool) -> Iterator[str]:
    for media, told in old.get("content", {}).items():
        if media not in new.get("content", {}):
            yield f"{at}: {media} is gone"
            continue
        yield from both.schema(
            at, told.get("schema", {}), new["content"][media].get("schema", {}), request=request
        )


def _types(at: str, before: set[str], after: set[str], request: bool) -> Iterator[str]:
    """Requests may take more types than before, answers may give fewer; no type stated is any type."""
    if request:
        lost = bool(after) and not (before and after >= before)
    else:
        lost = bool(before) and not (after and before >= after)
    if lost:
        yield f"{at}: {_said(before)} became {_said(after)}"


def _kinds(document: Document, schema: Document) -> set[str]:
    """The types that a schema takes; empty: any."""
    schema = _followed(document, schema)
    stated = schema.get("type")
    kinds = set(stated) if isinstance(stated, list) else {stated} if stated else set()
    for part in ("anyOf", "oneOf"):
        for one in _objects(schema, part):
            kinds |= _kinds(document, one) or {"any"}
    if not kinds and ("enum" in schema or "const" in schema):
        kinds = {_KIND_OF[type(one)] for one in schema.get("enum", [schema.get("const")])}
    return kinds


def _values(at: str, old: Document, new: Document) -> Iterator[str]:
    before, after = ({*map(str, one.get("enum", ()))} | {str(one["const"])} if "const" in one else {*map(str, one.get("enum", ()))}
                     for one in (old, new))  # fmt: skip
    for value in sorted(before - after if after else ()):
        yield f"{at}: the value {value} is gone"


def _bounds(at: str, old: Document, new: Document) -> Iterator[str]:
    for name in _LOWER_BOUNDS:
        if name in new and new[name] > old.get(name, float("-inf")):
            yield f"{at}: {name} rose to {new[name]}"
    for name in _UPPER_BOUNDS:
        if name in new and new[name] < old.get(name, float("inf")):
            yield f"{at}: {name} fell to {new[name]}"
    if new.get("pattern", old.get("pattern")) != old.get("pattern"):
        yield f"{at}: the pattern changed"


def _followed(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _objects(schema: Document, part: str) -> list[Document]:
    return [one for one in schema.get(part, ()) if isinstance(one, Mapping)]


def _said(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds)) or "anything"
