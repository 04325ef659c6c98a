"""The committed contract is what the code does: documents are current, break nobody, and answers fit them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from tests.hub import verified
from tieout.api.app import create_app
from tieout.api.contract import event_schema
from tieout.bootstrap import read_settings
from tieout.hub import events, people
from tieout.hub.actors import SYSTEM
from tieout.hub.reading import RESOURCES
from tieout.model.event_types import EVENT_TYPES
from tools import contracts

WANTED = contracts.documents()


def test_the_committed_documents_are_current() -> None:
    assert contracts.stale(WANTED) == []


def test_nothing_is_taken_away_from_those_who_use_the_committed_documents() -> None:
    """A removed path, field or value, or a newly required field, needs another version of the package."""
    assert contracts.breaking(WANTED) == []


def test_a_breaking_change_is_not_written_over_the_committed_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen red on a type of event that is gone."""
    before = contracts.ASYNCAPI.read_text(encoding="utf-8")
    monkeypatch.delitem(EVENT_TYPES, "tieout.invoice.paid.v1")  # type: ignore[arg-type]
    assert contracts.main(check=False) == 1
    assert "tieout.invoice.paid.v1: the message is gone" in capsys.readouterr().err
    assert contracts.ASYNCAPI.read_text(encoding="utf-8") == before


def test_every_type_of_event_is_registered_with_its_data() -> None:
    stated = {value for value in vars(events).values() if isinstance(value, str) and value.endswith(".v1")}
    assert stated == set(EVENT_TYPES)


def complaints(engine: Engine) -> tuple[set[str], list[str]]:
    """The types of all stored events, and what in them is not as their contract says."""
    known = {
        name: jsonschema_rs.validator_for(closed(event_schema(one))) for name, one in EVENT_TYPES.items()
    }
    with engine.connect() as conn:
        rows = [dict(row) for row in conn.execute(text("SELECT * FROM event")).mappings()]
    found = []
    for row in rows:
        told = {
            **row,
            "id": str(row["id"]),
            "sequence": str(row["sequence"]),
            "time": row["time"].isoformat(),
        }
        found += [f"{row['type']}: {error}" for error in known[row["type"]].iter_errors(told)]
    return {row["type"] for row in rows}, found


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that also refuses what it does not name."""
    parts = {
        name: closed(part) if part["type"] == "object" else part
        for name, part in schema["properties"].items()
    }
    return {**schema, "properties": parts, "additionalProperties": False}


def test_events_have_the_data_of_their_contract(engine: Engine) -> None:
    """Of a firm with a contract, approved time, a released and posted invoice and an exception."""
    with engine.begin() as conn:
        verified.build(conn)
    types, found = complaints(engine)
    assert found == []
    assert len(types) >= 10


def test_records_have_the_shape_of_the_document(engine: Engine, migrated_url: str, tmp_path: Path) -> None:
    """Every list of the read side; nothing is shown that the document does not name."""
    with engine.begin() as conn:
        verified.build(conn)
        people.add_person(conn, "lead@x.example", "Lead", ["finance_lead"], SYSTEM)
        headers = {"Authorization": f"Bearer {people.create_token(conn, 'lead@x.example').secret}"}
    settings = replace(read_settings({"TIEOUT_HOME": str(tmp_path)}), database_url=migrated_url)
    document = contracts.openapi()
    with TestClient(create_app(settings, console=False)) as client:
        answers = {name: client.get(f"/v1/{name}", headers=headers).json() for name in RESOURCES}
    for name, answer in answers.items():
        assert fits(document, f"/v1/{name}", answer) == [], name
        shape = document["components"]["schemas"][name_of(document, f"/v1/{name}/{{key}}")]
        assert {member for row in answer["data"] for member in row} <= set(shape["properties"]), name
    assert sum(len(answer["data"]) for answer in answers.values()) > 20


def fits(document: dict[str, Any], path: str, answer: Any) -> list[str]:
    """What in an answer is not as the document says."""
    schema = {"$ref": f"#/components/schemas/{name_of(document, path)}", "components": document["components"]}
    return [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(answer)]


def name_of(document: dict[str, Any], path: str) -> str:
    """The name of the schema of the answer to a GET."""
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    return str(content["schema"]["$ref"].rpartition("/")[2])
