"""JSON that loses nothing, errors by table, read-back, cursors, manifests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.connectors.kit import cursor as cursors
from tieout.connectors.kit.compare import differences, same
from tieout.connectors.kit.errors import ErrorRule, VendorError, classify, seconds_from
from tieout.connectors.kit.interface import (
    AuthFailed,
    Conflict,
    ConnectorError,
    Drift,
    RateLimited,
    Rejected,
    Retryable,
    UnknownOutcome,
)
from tieout.connectors.kit.jsontext import Unreadable, parse, parse_object, with_joined
from tieout.connectors.kit.manifest import InvalidManifest, load_manifest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@given(st.lists(st.dictionaries(st.text(), JSON)), st.sampled_from([None, 2]))
def test_each_record_keeps_its_own_bytes(records: list[dict[str, Any]], indent: int | None) -> None:
    """Splitting a page gives every record's exact bytes and the values of a plain parse."""
    text = json.dumps({"done": True, "records": records, "z": [1]}, indent=indent)
    found = parse_object(text.encode(), ["records"])
    assert [e.value for e in found["records"]] == records
    assert all(e.raw.decode() in text and json.loads(e.raw) == e.value for e in found["records"])
    assert found["z"] == [1]


def test_numbers_stay_exact_and_oddities_stay_with_their_record() -> None:
    """0.1 is 0.1; NaN, huge numbers and bad UTF-8 reach one record and harm no other."""
    body = b'{"records": [{"a": 0.10}, {"a": NaN}, {"a": 1e400}, {"a": "\xff"}, {"a": "\\ud800"}, {"a": 1}]}'
    values = [e.value["a"] for e in parse_object(body, ["records"])["records"]]
    assert values[0] == Decimal("0.10")
    assert str(values[0]) == "0.10"
    assert values[1] == "NaN"
    assert values[2] == Decimal("1E+400")
    assert values[5] == 1
    assert parse_object(body, ["records"])["records"][3].raw == b'{"a": "\xff"}'


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b'{"records"', b'{"records": [', b'{"records": [{}', b'{"records": [{}]', b"[]", b"null",
     b'{"records": [{}]} x', b'{"records": [{},]}', b'{"records" [1]}', b'{1: 2}', b"[" * 100_000,
     b'{"records": [' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    """One error, whatever is wrong; never a crash of the parser."""
    with pytest.raises(Unreadable):
        parse_object(body, ["records"])


def test_what_was_joined_stands_beside_the_bytes() -> None:
    """The vendor's bytes are kept untouched; the addition is one last member."""
    assert with_joined(b'{"a":  1.50 }', {"r": "ü"}) == '{"a":  1.50 ,"joined":{"r":"ü"}}'.encode()
    assert parse(b" [1.5] ") == [Decimal("1.5")]


RULES = [
    ErrorRule(status=401, code="EXPIRED", means="expired"), ErrorRule(code="BUSY", means="rate_limited"),
    ErrorRule(code="USER", contains="already exists", means="conflict"), ErrorRule(code="USER", means="rejected"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "message", "write", "expected"),
    [
        (401, "EXPIRED", "", False, AuthFailed), (403, "BUSY", "", True, RateLimited),
        (400, "USER", "It ALREADY exists.", True, Conflict), (400, "USER", "period closed", True, Rejected),
        (429, "", "", True, RateLimited), (401, "", "", True, AuthFailed), (403, "", "", True, AuthFailed),
        (409, "", "", True, Conflict), (412, "", "", True, Conflict), (404, "", "", True, Rejected),
        (422, "", "", True, Rejected), (500, "", "", True, UnknownOutcome), (503, "", "", True, UnknownOutcome),
        (503, "", "", False, Retryable), (408, "", "", True, UnknownOutcome), (408, "", "", False, Retryable),
        (302, "", "", True, UnknownOutcome), (302, "", "", False, Drift),
    ],
)  # fmt: skip
def test_an_answer_means_what_the_table_says(
    status: int, code: str, message: str, write: bool, expected: type[ConnectorError]
) -> None:
    """The first matching row, else the status."""
    found = classify(RULES, status, VendorError(code, message), write=write)
    assert isinstance(found, expected)
    assert found.code == (code or str(status))


def test_retry_after_in_both_forms() -> None:
    """Seconds or a date; nonsense and the past are no promise; a year is cut to a day."""
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    told = [
        "7",
        "Thu, 01 Jan 2026 12:00:30 GMT",
        "Thu, 01 Jan 2026 11:00:00 GMT",
        "soon",
        "",
        "-5",
        "99999999",
    ]
    assert [seconds_from(t, now) for t in told] == [7, 30, 0, None, None, None, 86_400]
    assert classify([], 429, VendorError(), write=True, retry_after="7").after_seconds == 7
    assert classify([], 400, VendorError(), write=True, retry_after="7").after_seconds is None


def test_read_back_compares_values_and_not_their_spelling() -> None:
    """10 is 10.00 and "10"; a reference is its id; a missing row is a difference."""
    sent = {
        "a": Decimal("10.00"),
        "r": {"id": "5"},
        "f": False,
        "x": {"items": [{"line": 1, "n": 2}, {"line": 2, "n": 3}]},
    }
    held = {
        "a": "10",
        "r": {"id": 5, "refName": "Five"},
        "f": "F",
        "x": {"items": [{"line": 2, "n": "3.0"}, {"line": 1, "n": 2}]},
    }
    assert differences(sent, held) == []
    changed = {**held, "a": "10.01", "r": {"id": "6"}, "f": True, "x": {"items": [{"line": 2, "n": 4}]}}
    found = {d.field for d in differences(sent, changed)}
    assert found == {"a", "r.id", "f", "x.items", "x.items[1]", "x.items[2].n"}
    assert same(None, "")
    assert not same("0", None)
    assert not same("007", 7)
    assert same("5", 5)
    assert same(Decimal("0.10"), "0.1")


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 30)), st.datetimes())  # noqa: DTZ001
def test_stamps_sort_as_text(first: datetime, second: datetime) -> None:
    """Earlier moments give smaller texts, from the first year to the last."""
    one, two = cursors.stamp(first.replace(tzinfo=UTC)), cursors.stamp(second.replace(tzinfo=UTC))
    assert len(one) == len(two) == 24
    assert (one < two) == (cursors.moment(one) < cursors.moment(two))
    assert cursors.earlier(one, 0.001) < one


@pytest.mark.parametrize("cursor", ["", "x", "[]", "1", "null"])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    """Never silently a beginning from scratch."""
    with pytest.raises(Drift):
        cursors.load(cursor)


@pytest.mark.parametrize("text", ["", "manifest: 2", "{", "manifest: 1\nname: x", "- 1", "a: &a [*a]"])
def test_a_bad_manifest_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    """Every finding in one message."""
    (tmp_path / "manifest.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidManifest, match="manifest"):
        load_manifest(tmp_path)
