"""The published contract: the OpenAPI document of the application and the AsyncAPI document of its events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fastapi import FastAPI

from tieout import __version__
from tieout.api.problems import MEDIA_TYPE, TITLES
from tieout.hub.events import ENVELOPE
from tieout.model.event_types import EVENT_TYPES, EventType

BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "Made with: tieout people token EMAIL --scope SCOPE",
}
KEY = {
    "name": "Idempotency-Key", "in": "header", "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The same key with the same request gives the first answer again.",
}  # fmt: skip
VERSION = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "The ETag of the document as it was read.",
}  # fmt: skip
UNLESS = {
    "name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "The ETag of the record as you hold it: 304 while it is still that.",
}  # fmt: skip
ETAG = {"schema": {"type": "string"}, "description": "The version of the record."}
REPLAYED = {
    "schema": {"type": "string", "const": "true"},
    "description": "Only when the key was used before: this is the answer of then.",
}
DECISIONS = ("/approve", "/reject", "/void", "/release")
OPEN = ("/v1/ingest/", "/v1/catalog")
"""Operations that take no bearer token: webhooks prove themselves otherwise, the catalogue is public."""


def complete(app: FastAPI) -> None:
    """Let the document of the application also say what all operations have in common: sign-in, keys, conditions,
    versions, and the problems that each can answer."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["securitySchemes"] = {"token": BEARER}
            statuses: set[int] = set()
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    statuses.update(_complete(path, method, operation))
            document["components"]["responses"] = _problems(statuses)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    """Complete one operation; the statuses of its problems."""
    answers = operation["responses"]
    statuses = _statuses(path, method, operation)
    for status in statuses:
        answers[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    answers["default"] = {"$ref": "#/components/responses/Problem"}
    if path.startswith(OPEN):
        return statuses
    operation["security"] = [{"token": []}]
    told = operation.setdefault("parameters", [])
    if method == "post":
        told += [KEY, VERSION] if path.endswith(DECISIONS) else [KEY]
        success = next(answer for status, answer in answers.items() if status.startswith("2"))
        success.setdefault("headers", {})["Idempotency-Replayed"] = REPLAYED
    elif "{" in path and "application/json" in answers["200"]["content"]:
        told.append(UNLESS)
        answers["200"].setdefault("headers", {})["ETag"] = ETAG
        answers["304"] = {"description": "The caller holds it already.", "headers": {"ETag": ETAG}}
    return statuses


def _statuses(path: str, method: str, operation: Mapping[str, Any]) -> list[int]:
    """The problems that an operation can answer."""
    if path == "/v1/catalog":
        return [500]
    if path.startswith("/v1/ingest/"):
        return [401, 404, 413, 422, 500, 503]
    found = {401, 403, 500, 503}
    if method == "post":
        found |= {400, 413, 422}
        if path != "/v1/billing-runs":
            found.add(404)
        if not path.startswith(("/v1/billing-runs", "/v1/tie-outs", "/v1/connections")):
            found.add(409)
        if path.endswith(DECISIONS):
            found |= {412, 428}
    else:
        found |= {404} if "{" in path else set()
        found |= {422} if operation.get("parameters") else set()
    return sorted(found)


def _problems(statuses: Collection[int]) -> dict[str, Any]:
    """The answers that are problems, by status; `Problem` for any other."""
    found: dict[str, Any] = {"Problem": _problem("A problem")}
    for status in sorted(statuses):
        found[f"Problem{status}"] = _problem(TITLES[status])
    found["Problem401"]["headers"]["WWW-Authenticate"] = {"schema": {"type": "string"}}
    found["Problem503"]["headers"]["Retry-After"] = {
        "schema": {"type": "integer"},
        "description": "seconds",
    }
    return found


def _problem(title: str) -> dict[str, Any]:
    return {
        "description": title,
        "headers": {"X-Trace-Id": {"schema": {"type": "string"}}},
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the events, from their registry."""
    names = list(EVENT_TYPES)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tieout events", "version": __version__,
            "description": "What became true, written in the transaction of the change, read in order; each is a CloudEvent 1.0.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": "/v1/events",
                "title": "The ordered feed",
                "description": "GET with `after=POSITION` or the cursor of the page before; pages hold events under `data`.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            }
        },
        "operations": {
            "feed": {
                "action": "send", "channel": {"$ref": "#/channels/events"},
                "messages": [{"$ref": f"#/channels/events/messages/{name}"} for name in names],
            }
        },
        "components": {
            "messages": {name: _message(one) for name, one in EVENT_TYPES.items()},
            "schemas": {name: event_schema(one) for name, one in EVENT_TYPES.items()},
        },
    }  # fmt: skip


def _message(one: EventType) -> dict[str, Any]:
    payload = {"$ref": f"#/components/schemas/{one.type}"}
    return {"name": one.type, "title": one.about, "contentType": "application/json", "payload": payload}


def event_schema(one: EventType) -> dict[str, Any]:
    """The JSON Schema of an event of a type as the feed gives it; readers ignore members they do not know."""
    members: Mapping[str, Any] = {
        **{name: {"type": "string", "const": value} for name, value in ENVELOPE.items()},
        "id": {"type": "string", "format": "uuid"},
        "position": {"type": "integer", "description": "Place in the feed."},
        "type": {"type": "string", "const": one.type},
        "subject": {"type": "string", "description": one.subject},
        "sequence": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "From 1 per subject, without a gap.",
        },
        "legal_entity": {"type": ["string", "null"]},
        "time": {"type": "string", "format": "date-time"},
        "data": _object({**one.data, **one.sometimes}, list(one.data)),
    }
    return _object(members, list(members)) | {"description": one.about}


def _object(members: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    shape = {name: dict(member) for name, member in members.items()}
    return {"type": "object", "properties": shape} | ({"required": required} if required else {})
