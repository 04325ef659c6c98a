"""Mappings: strict on every value, total on every record, exact on every number."""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.hub.converters import CONVERTERS, Unfit
from tieout.hub.mapping import InboundMapping, InvalidMapping, follow, load_mappings, parse_mapping
from tieout.hub.outbound import InvalidBody, OutboundMapping
from tieout.hub.settings import mappings_of

GOOD = [
    ("integer", "8", 8), ("integer", 8, 8), ("integer", "8.0", 8), ("decimal", "1.10", Decimal("1.10")),
    ("decimal", "1e3", Decimal(1000)), ("date", "2026-03-29T23:30:00-05:00", date(2026, 3, 29)),
    ("date", "2026-02-28", date(2026, 2, 28)), ("boolean", "T", True), ("boolean", False, False),
    ("timestamp", "2026-03-01T10:00:00.000+0000", datetime(2026, 3, 1, 10, tzinfo=timezone.utc)),
    ("currency", "USD", "USD"), ("country", "US", "US"), ("country", "United States", "US"),
    ("minutes_to_hours", 50, Decimal("0.833333")), ("cents_to_amount", "1999", Decimal("19.99")),
    ("percent_to_share", "12.5", Decimal("0.125")), ("number_text", 12, "12"), ("text", " as it came ", " as it came "),
]  # fmt: skip
BAD = [
    ("integer", "8,0"), ("integer", "8.5"), ("integer", True), ("integer", 2**40), ("integer", ""), ("decimal", "NaN"),
    ("decimal", "Infinity"), ("decimal", "1e400"), ("decimal", 1.5), ("decimal", "１２"), ("decimal", "0x10"),
    ("decimal", "1_000"), ("date", "02/03/2026"), ("date", "2026-02-30"), ("date", "0001-01-01"),
    ("date", "9999-12-31"), ("date", 20260203), ("boolean", "yes"), ("boolean", 1), ("currency", "usd"),
    ("currency", "XX1"), ("country", "Atlantis"), ("text", {"a": 1}), ("text", "a\x00b"), ("text", "\ud800"),
    ("text", "x" * 5000), ("timestamp", "2026-03-01T10:00:00"), ("number_text", "12a"), ("cents_to_amount", "1.5"),
    ("percent_to_share", "150"), ("percent_to_share", "-1"), ("percent_to_share", "0.12345"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_a_good_value_becomes_exact(name: str, value: Any, expected: Any) -> None:
    assert CONVERTERS[name](value) == expected


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_doubtful_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Unfit):
        CONVERTERS[name](value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", sorted(CONVERTERS))
@given(value=JSON)
def test_a_converter_answers_or_refuses_and_never_breaks(name: str, value: Any) -> None:
    with contextlib.suppress(Unfit):
        CONVERTERS[name](value)


def mapping(**more: Any) -> InboundMapping:
    document = {
        "mapping": 1, "version": 3, "direction": "in", "object": "Account", "canonical": "customer", "key": "Number",
        "fields": {
            "legal_name": {"group": "customer.profile", "path": "Name", "required": True},
            "terms_days": {"group": "customer.profile", "path": "deep.Terms", "convert": "integer", "default": "30"},
            "state": {"group": "x", "path": "S", "convert": "enum", "values": {"Open": "open", True: "yes"}},
            "owner": {"group": "x", "path": "Owner", "convert": "reference", "object": "user"},
        },
    } | more  # fmt: skip
    parsed = parse_mapping(document)
    assert isinstance(parsed, InboundMapping)
    return parsed


def test_a_record_is_mapped_with_its_references_open() -> None:
    mapped = mapping().apply({"Number": "C-1", "Name": "Acme", "S": "Open", "Owner": 7})
    assert mapped.key == "C-1"
    assert mapped.values == {"legal_name": "Acme", "terms_days": 30, "state": "open", "owner": None}
    assert [(r.field, r.object, r.source_id) for r in mapped.references] == [("owner", "user", "7")]
    assert not mapped.findings


def test_every_finding_of_a_record_is_told_at_once() -> None:
    mapped = mapping().apply({"Number": "", "S": "Dreaming", "deep": {"Terms": "x"}})
    assert [(f.kind, f.field) for f in mapped.findings] == [
        ("invalid-payload", "key"), ("invalid-payload", "legal_name"), ("invalid-payload", "terms_days"),
        ("unmapped-value", "state"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", [" C-1", "C-1\n", "", None, [], "x" * 201, "a\x00", "\u202eC-1"])
def test_a_key_is_plain_text(key: Any) -> None:
    assert mapping().apply({"Number": key, "Name": "A"}).findings[0].field == "key"


def test_a_left_out_record_is_left_out() -> None:
    assert mapping(ignore_when="S == 'Draft'").apply({"S": "Draft"}).ignored


@given(document=JSON)
def test_a_mapping_is_total(document: Any) -> None:
    """Whatever the record is, the answer is values or findings."""
    assert mapping(ignore_when="length(S) > `3`").apply(document).findings


def test_the_fields_a_mapping_reads_are_known_for_drift() -> None:
    children = {"rows": {"path": "joined.rows[?kind=='x']", "fields": {"a": {"path": "b"}}}}
    read = mapping(children=children, ignore_when="Status == 'Draft' || !Name").source_fields()
    assert read == {"Number", "Name", "deep", "S", "Owner", "joined", "Status"}


BROKEN = [
    {"mapping": 2}, {"direction": "sideways"}, {"key": "a["}, {"surprise": 1}, {"key": {"by": "x"}},
    {"fields": {"a": {"group": "g", "path": "x", "convert": "magic"}}}, {"fields": {"a": {"path": "x"}}},
    {"fields": {"a": {"group": "g", "path": "x", "convert": "enum"}}}, {"fields": {"a": {"group": "g", "path": "]["}}},
    {"fields": {"a": {"group": "g", "path": "x", "convert": "integer", "default": "many"}}},
    {"fields": {"a": {"group": "g", "path": "x", "convert": "reference"}}},
]  # fmt: skip


@pytest.mark.parametrize("change", BROKEN, ids=str)
def test_a_broken_file_is_refused_when_it_is_loaded(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidMapping):
        mapping(**change)


def test_a_tenant_s_file_replaces_the_vendor_s(tmp_path: Path) -> None:
    text = "mapping: 1\nversion: %d\ndirection: in\nobject: A\ncanonical: customer\nkey: id\nfields: {}\n"
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.yaml").write_text(text % 1)
    (tmp_path / "own.yaml").write_text(text % 2)
    found = load_mappings(tmp_path / "vendor", [tmp_path / "own.yaml"]).inbound("A")
    assert found is not None
    assert found.version == 2
    (tmp_path / "own.yaml").write_text("{ not yaml")
    with pytest.raises(InvalidMapping, match="own"):
        load_mappings(tmp_path / "vendor", [tmp_path / "own.yaml"])


@pytest.mark.parametrize("connector", ["salesforce", "kantata", "netsuite"])
def test_the_shipped_mappings_load_and_fill_only_columns_that_exist(connector: str) -> None:
    mappings = mappings_of(connector)
    assert mappings.incoming
    assert mappings.outgoing


def body(spec: Any) -> OutboundMapping:
    parsed = parse_mapping(
        {
            "mapping": 1,
            "version": 1,
            "direction": "out",
            "operation": "op",
            "canonical": "invoice",
            "body": spec,
        }
    )
    assert isinstance(parsed, OutboundMapping)
    return parsed


def test_a_body_has_exact_digits_sorted_keys_and_no_empty_parts() -> None:
    spec = {
        "z": "=number",
        "entity": {"id": "=target.customer"},
        "gone": {"id": "=target.nothing"},
        "lines": {
            "for_each": "lines",
            "do": {"q": {"value": "=q", "convert": "number"}, "item": "=$.target.item"},
        },
        "day": {"value": "=day", "convert": "date_iso"},
        "fixed": "2",
    }
    context = {
        "number": "Ünï-1", "target": {"customer": "57", "item": "9"}, "day": date(2026, 3, 1),
        "lines": [{"q": Decimal("1.10")}, {"q": Decimal("1E+2")}],
    }  # fmt: skip
    assert body(spec).render(context).decode() == (
        '{"day":"2026-03-01","entity":{"id":"57"},"fixed":"2",'
        '"lines":[{"item":"9","q":1.10},{"item":"9","q":100}],"z":"Ünï-1"}'
    )


@pytest.mark.parametrize(
    ("convert", "value"),
    [("number", "many"), ("number", Decimal("NaN")), ("integer", "1.5"), ("boolean", "T"), ("text", True),
     ("date_iso", 5)],
)  # fmt: skip
def test_a_context_value_of_the_wrong_kind_makes_no_body(convert: str, value: Any) -> None:
    with pytest.raises(InvalidBody):
        body({"a": {"value": "=v", "convert": convert}}).render({"v": value})


@given(
    amounts=st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12)
    )
)
def test_bodies_lose_no_digit_and_repeat_byte_by_byte(amounts: list[Decimal]) -> None:
    mapping_ = body({"a": {"for_each": "rows", "do": {"value": "=@", "convert": "number"}}})
    made = mapping_.render({"rows": amounts})
    assert made == mapping_.render({"rows": list(amounts)})
    assert json.loads(made, parse_float=Decimal, parse_int=Decimal).get("a", []) == amounts


@pytest.mark.parametrize("path", ["a", "b.c", "b.c.d", "b.c[0]", '"a"', "b.*", "a || b", "@"])
def test_a_plain_path_is_followed_as_the_expression_language_does(path: str) -> None:
    documents: list[Any] = [
        {"a": 1, "b": {"c": {"d": "x"}}},
        {"b": None},
        {"b": [1]},
        None,
        "text",
        [],
        {"b": {"c": [2]}},
    ]
    compiled = jmespath.compile(path)
    found = [follow(compiled, document) for document in documents]
    assert found == [compiled.search(document) for document in documents]
