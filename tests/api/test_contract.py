"""The committed contract is what the code does: documents are current, whole, and break nobody; events fit them.

Answers are compared with it in test_answers.py.
"""

from __future__ import annotations

import jsonschema_rs
import pytest
from sqlalchemy import Engine, text

from tests.api.checked import closed
from tests.hub import verified
from tieout.api.contract import event_schema
from tieout.api.feed import BATCH
from tieout.api.schemas import ContractCap, ContractLine
from tieout.hub import contract_lines, events
from tieout.model.event_types import EVENT_TYPES
from tools import contracts

WANTED = contracts.documents()


def test_the_committed_documents_are_current() -> None:
    assert contracts.stale(WANTED) == []


def test_nothing_is_taken_away_from_those_who_use_the_committed_documents() -> None:
    """A removed path, field or value, or a newly required field, needs another version of the package."""
    assert contracts.breaking(WANTED) == []


def test_every_success_has_a_shape_with_a_name_or_is_a_file() -> None:
    """An answer that may be anything is no contract."""
    for path, operations in contracts.openapi()["paths"].items():
        for method, told in operations.items():
            [body] = [
                answer.get("content", {}) for status, answer in told["responses"].items() if status[0] == "2"
            ]
            files = sorted(body) == ["application/pdf", "application/xml"]
            assert files or set(body) <= {"application/json", BATCH}, (method, path)
            assert files or "$ref" in body["application/json"]["schema"], (method, path)


def test_the_terms_of_contract_lines_and_caps_are_published() -> None:
    """They come from a list of their own; a term that is added there is added to the shape."""
    assert set(ContractLine.model_fields) == set(contract_lines.LINE_TERMS)
    assert set(ContractCap.model_fields) == set(contract_lines.CAP_TERMS)


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
    """The types of all stored events, and what in them as they are told is not as their contract says."""
    known = {
        name: jsonschema_rs.validator_for(closed(event_schema(one))) for name, one in EVENT_TYPES.items()
    }
    with engine.connect() as conn:
        rows = [dict(row) for row in conn.execute(text("SELECT * FROM event")).mappings()]
    found = []
    for row in rows:
        told = {**events.cloud_event(row), "id": str(row["id"]), "time": row["time"].isoformat()}
        found += [f"{row['type']}: {error}" for error in known[row["type"]].iter_errors(told)]
    return {row["type"] for row in rows}, found


def test_events_have_the_data_of_their_contract(engine: Engine) -> None:
    """Of a firm with a contract, approved time, a released and posted invoice and an exception."""
    with engine.begin() as conn:
        verified.build(conn)
    types, found = complaints(engine)
    assert found == []
    assert len(types) >= 10
