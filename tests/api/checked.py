"""Answers held against the published contract: status, media type, body; and nothing in a body that it does not name."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
from httpx import Response

from tools import contracts


@cache
def document() -> dict[str, Any]:
    """The contract of this code; the committed file is the same (test_contract.py)."""
    return contracts.openapi()


@cache
def _closed() -> dict[str, Any]:
    """The components, whose objects also refuse what they do not name."""
    shut: dict[str, Any] = closed(document()["components"])
    return shut


def closed(schema: Any) -> Any:
    """The schema with every object that names its members shut."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(member) for name, member in schema.items()}
    named = schema.get("type") == "object" and "properties" in schema
    return {"additionalProperties": False, **shut} if named else shut


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """The paths, those without parameters first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path)), path) for path in paths]


def operation_of(method: str, path: str) -> dict[str, Any]:
    """What the contract says of a request."""
    template = next(name for pattern, name in _templates() if pattern.fullmatch(path.partition("?")[0]))
    found: dict[str, Any] = document()["paths"][template][method.lower()]
    return found


def complaints(method: str, path: str, answer: Response, chosen: bool = False) -> list[str]:
    """What in an answer is not as published; `chosen`: it was asked for with `fields=`, so members are missing."""
    declared = operation_of(method, path)["responses"]
    told = declared.get(str(answer.status_code))
    if told is None:
        return [f"{answer.status_code} is not declared: {answer.text[:300]}"]
    if "$ref" in told:
        told = document()["components"]["responses"][told["$ref"].rpartition("/")[2]]
    found = [f"no header {name}" for name in told.get("headers", {})
             if name not in answer.headers and name not in ("Idempotency-Replayed", "Link", "WWW-Authenticate")]  # fmt: skip
    if "content" not in told:
        return found + (["a body that is not declared"] if answer.content else [])
    media = answer.headers["content-type"].partition(";")[0]
    if media not in told["content"]:
        return [*found, f"{media} is not declared"]
    if not media.endswith("json"):
        return found
    schema = json.dumps(told["content"][media]["schema"])
    return found + [str(error)[:600] for error in _validator(schema, chosen).iter_errors(answer.json())]


@cache
def _validator(schema: str, chosen: bool) -> Any:
    components = _closed()
    if chosen:
        shapes = {
            name: one if name.endswith("Page") else _partial(one)
            for name, one in components["schemas"].items()
        }
        components = {**components, "schemas": shapes}
    return jsonschema_rs.validator_for(
        {**json.loads(schema), "components": components}, validate_formats=True
    )


def _partial(shape: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in shape.items() if name != "required"}
