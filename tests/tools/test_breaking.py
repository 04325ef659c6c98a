"""What counts as breaking, one small change at a time."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tools.breaking import allowed, asyncapi_breaks, openapi_breaks
from tools.corrections import CORRECTED, uncorrected

OLD: dict[str, Any] = {
    "paths": {
        "/v1/notes": {
            "get": {
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 500}}],
                "responses": {"200": {"headers": {"ETag": {}}, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}}},
            },
            "post": {
                "security": [],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                "responses": {"201": {}},
            },
        }
    },
    "components": {
        "schemas": {
            "Note": {"type": "object", "required": ["id"], "properties": {
                "id": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "next": {"$ref": "#/components/schemas/Note"}}},
            "New": {"type": "object", "required": ["text"], "properties": {
                "text": {"type": ["string", "null"], "maxLength": 10}, "kind": {"enum": ["a", "b"]}}},
        }
    },
}  # fmt: skip


def at(document: dict[str, Any], path: str) -> Any:
    """The member at `a|b|c`."""
    for part in path.split("|"):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


NOTE, NEW = "components|schemas|Note", "components|schemas|New"
GET = "paths|/v1/notes|get"


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("paths", {"/v1/notes": None}, "/v1/notes: the path is gone"),
        ("paths|/v1/notes", {"post": None}, "POST /v1/notes: the operation is gone"),
        (GET, {"parameters": []}, "the query parameter limit is gone"),
        (f"{GET}|parameters|0", {"required": True}, "the query parameter limit is newly required"),
        (f"{GET}|parameters|0|schema", {"maximum": 100}, "maximum fell to 100"),
        (f"{GET}|responses", {"200": None}, "the answer 200 is gone"),
        (f"{NOTE}|properties", {"kind": None}, "the field kind is gone"),
        (f"{NOTE}|properties|id", {"type": "integer"}, "string became integer"),
        (f"{NOTE}|properties|id", {"type": ["string", "null"]}, "string became null or string"),
        (f"{NOTE}|properties|kind", {"enum": ["a"]}, "the value b is gone"),
        (f"{NOTE}|properties", {"id": {}}, "string became anything"),
        (f"{NOTE}|properties|id", {"$ref": "#/components/schemas/Note"}, "string became object"),
        (f"{GET}|responses|200", {"headers": {}}, "the header ETag is gone"),
        ("paths|/v1/notes|post", {"security": [{"token": []}]}, "sign-in is newly required"),
        (NOTE, {"required": []}, "id is no longer certain"),
        (NEW, {"required": ["text", "kind"]}, "kind is newly required"),
        (f"{NEW}|properties", {"kind": None}, "the field kind is gone"),
        (f"{NEW}|properties|text", {"type": "string"}, "null or string became string"),
        (f"{NEW}|properties|text", {"maxLength": 5}, "maxLength fell to 5"),
        (f"{NEW}|properties|kind", {"enum": ["a", "c"]}, "the value b is gone"),
        ("paths|/v1/notes|post|requestBody", {"required": True}, "a body is newly required"),
    ],
)  # fmt: skip
def test_what_is_taken_away_is_told(where: str, change: dict[str, Any], said: str) -> None:
    new = copy.deepcopy(OLD)
    held = at(new, where)
    held.update(change)
    for name in [name for name, value in change.items() if value is None]:
        del held[name]
    found = openapi_breaks(OLD, new)
    assert any(said in line for line in found), found


def test_additions_break_nobody() -> None:
    """A path, an optional field and parameter, a value, a wider request, a narrower answer."""
    new = copy.deepcopy(OLD)
    new["paths"]["/v1/more"] = {"get": {"responses": {"200": {}}}}
    at(new, f"{GET}|parameters").append({"in": "query", "name": "more", "schema": {"type": "string"}})
    at(new, f"{NOTE}|properties")["more"] = {"type": "string"}
    at(new, f"{NEW}|properties")["more"] = {"type": "string"}
    at(new, f"{NEW}|properties|kind")["enum"].append("c")
    at(new, f"{NEW}|properties|text")["maxLength"] = 20
    at(new, NOTE)["required"].append("kind")
    assert openapi_breaks(OLD, new) == []
    assert openapi_breaks(OLD, OLD) == []


def test_a_type_that_gets_a_name_or_an_answer_that_is_referred_to_breaks_nobody() -> None:
    """A nullable text becomes a named enumeration; a body moves to the components."""
    old = copy.deepcopy(OLD)
    at(old, f"{NOTE}|properties")["kind"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    new = copy.deepcopy(old)
    new["components"]["schemas"]["Kind"] = {"type": "string", "enum": ["a", "b"]}
    at(new, f"{NOTE}|properties")["kind"] = {
        "anyOf": [{"$ref": "#/components/schemas/Kind"}, {"type": "null"}]
    }
    new["components"]["responses"] = {"Note": at(new, f"{GET}|responses")["200"]}
    at(new, f"{GET}|responses")["200"] = {"$ref": "#/components/responses/Note"}
    assert openapi_breaks(old, new) == []
    del new["components"]["schemas"]["Note"]["properties"]["id"]
    assert openapi_breaks(old, new) == ["GET /v1/notes 200: the field id is gone"]


def test_a_correction_names_one_mistake_of_the_document() -> None:
    other = ["GET /v1/notes 200: application/json is gone", "POST /v1/replays: the answer 202 is gone"]
    assert uncorrected(["POST /v1/replays: the answer 200 is gone", *other]) == other
    assert all(CORRECTED.values())


def test_a_message_and_a_field_of_an_event_stay() -> None:
    payload = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}
    old = {"components": {"messages": {"a.v1": {"payload": payload}, "b.v1": {"payload": payload}}}}
    new = copy.deepcopy(old)
    del new["components"]["messages"]["b.v1"]
    del new["components"]["messages"]["a.v1"]["payload"]["properties"]["key"]  # type: ignore[attr-defined]
    assert asyncapi_breaks(old, new) == ["a.v1: the field key is gone", "b.v1: the message is gone"]


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [("0.1.0", "0.1.1", False), ("0.1.0", "0.2.0", True), ("1.4.0", "1.5.0", False), ("1.4.0", "2.0.0", True),
     ("1.0.0", "0.9.0", False)],
)  # fmt: skip
def test_a_new_major_may_break_and_before_the_first_a_new_minor(old: str, new: str, may: bool) -> None:
    assert allowed(old, new) is may
