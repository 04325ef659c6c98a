"""The published contract: the OpenAPI document of the application and the AsyncAPI document of its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from tieout import __version__
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
DECISIONS = ("/approve", "/reject", "/void", "/release")
OPEN = ("/v1/ingest/", "/v1/catalog")
"""Operations that take no bearer token: webhooks prove themselves otherwise, the catalogue is public."""


def complete(app: FastAPI) -> None:
    """Let the document of the application also say what all operations have in common: sign-in, keys, conditions."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["securitySchemes"] = {"token": BEARER}
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _complete(path, method, operation)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    if path.startswith(OPEN):
        return
    operation["security"] = [{"token": []}]
    if method == "post":
        needed = [KEY, VERSION] if path.endswith(DECISIONS) else [KEY]
        operation["parameters"] = [*operation.get("parameters", []), *needed]


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the events, from their registry."""
    names = list(EVENT_TYPES)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tieout events", "version": __version__,
            "description": "What became true, written in the transaction of the change, read in order.",
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
