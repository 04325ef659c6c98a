"""Kantata's envelope: `{"count", "results": [{"key", "id"}], "<plural>": {id: {...}}, "meta"}`.

Order and membership come only from `results`; the maps also hold what `include` brought along.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tieout.connectors.kit.errors import VendorError
from tieout.connectors.kit.families.rest import RestCaller, loaded, text_of
from tieout.connectors.kit.http import Answer
from tieout.connectors.kit.interface import Drift, Rejected
from tieout.connectors.kit.jsontext import Element

BASE = "/api/v1"
PLURALS = {"user": "users", "workspace": "workspaces", "story": "stories", "time_entry": "time_entries"}


@dataclass(frozen=True)
class Listing:
    """The records of one page in the order of `results`."""

    records: list[Element]
    full: bool
    """Whether a further page may exist."""


class KantataApi:
    """Typed calls on the envelope."""

    def __init__(self, caller: RestCaller, per_page: int = 200):
        self._caller, self._per_page = caller, per_page

    def page(self, plural: str, params: Mapping[str, str]) -> Listing:
        """One page of a collection."""
        sent = {"per_page": str(self._per_page), **params}
        records = _ordered(self._caller.read(f"{BASE}/{plural}.json", sent), plural)
        return Listing(records, full=len(records) >= self._per_page)

    def every(self, plural: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Every record of a small collection, page after page."""
        number = 1
        while True:
            listing = self.page(plural, {**params, "page": str(number)})
            yield from (element.value for element in listing.records)
            if not listing.full:
                return
            number += 1

    def create(self, plural: str, singular: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record that a POST made."""
        return self._write("POST", f"{BASE}/{plural}.json", plural, singular, record)

    def update(self, plural: str, singular: str, record_id: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record after a PUT; the id must be Kantata's own (digits)."""
        if not (record_id.isascii() and record_id.isdigit()):
            raise Rejected("a Kantata id is a number", "invalid-id")
        return self._write("PUT", f"{BASE}/{plural}/{record_id}.json", plural, singular, record)

    def _write(
        self, method: str, path: str, plural: str, singular: str, record: Mapping[str, Any]
    ) -> dict[str, Any]:
        content = json.dumps({singular: record}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        answer = self._caller.write(method, path, content.encode())
        records = _ordered(answer, plural)
        if len(records) != 1:
            raise answer.misshapen(f"one {singular} back")
        value: dict[str, Any] = records[0].value
        for name, sent in record.items():
            if name == "title" and str(value.get(name)) != str(sent):
                raise answer.misshapen(f"the {singular} that came back is another one")
        return value


def said(answer: Answer) -> VendorError:
    """Type, message and attribute of `{"errors": [{"type", "message", "attribute"}]}`."""
    body = loaded(answer)
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return VendorError(
        text_of(first.get("type")), text_of(first.get("message")), text_of(first.get("attribute"))
    )


def _ordered(answer: Answer, plural: str) -> list[Element]:
    body = answer.json_object(plural)
    results = body.get("results")
    if not isinstance(results, list):
        raise answer.misshapen("an envelope without results")
    members = body.get(plural)
    known = {element.key: element for element in members if isinstance(element, Element)} if members else {}
    ordered = []
    for result in results:
        if not isinstance(result, dict) or result.get("key") != plural:
            raise answer.misshapen(f"results that are no {plural}")
        element = known.get(str(result.get("id")))
        if element is None or not isinstance(element.value, dict):
            raise answer.misshapen(f"a result without its record in {plural}")
        if str(element.value.get("id")) != element.key:
            raise Drift("a record stands under another id than its own", "unexpected-shape")
        ordered.append(element)
    return ordered
