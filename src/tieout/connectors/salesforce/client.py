"""The Salesforce REST API: SOQL sweeps by SystemModstamp, collections upsert by external id.

Every list of records comes as `{"done", "nextRecordsUrl", "records": [{"attributes": {...}, ...}]}`, every error as
`[{"message", "errorCode", "fields"}]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tieout.connectors.kit import cursor as cursors
from tieout.connectors.kit.base import System, open_http
from tieout.connectors.kit.compare import differences, same
from tieout.connectors.kit.errors import CursorLost, VendorError, classify
from tieout.connectors.kit.families.rest import (
    Grant,
    RestCaller,
    loaded,
    oauth_token,
    secret,
    setting,
    text_of,
)
from tieout.connectors.kit.http import Answer, Http, HttpOptions
from tieout.connectors.kit.interface import (
    BatchRow,
    Change,
    Command,
    ConnectorError,
    Difference,
    Drift,
    Page,
    Receipt,
    Rejected,
)
from tieout.connectors.kit.jsontext import Element
from tieout.connectors.kit.manifest import load_manifest
from tieout.connectors.kit.select import select

MANIFEST = load_manifest(Path(__file__).parent)
ORDER = "SystemModstamp, Id"
BASE = f"/services/data/{MANIFEST.api_version}"


def connect(
    config: Mapping[str, Any], secrets: Mapping[str, str], options: HttpOptions | None = None
) -> Salesforce:
    """A connection. `config`: url (My Domain), optional ca (file), sandbox, overlap_seconds, page_size."""
    return Salesforce(open_http(MANIFEST, setting(config, "url"), config, options), config, secrets)


class Salesforce(System):
    """One org."""

    manifest = MANIFEST

    def __init__(self, http: Http, config: Mapping[str, Any], secrets: Mapping[str, str]):
        super().__init__(config)
        self._http, self._secrets = http, secrets
        self._caller = RestCaller(MANIFEST, self._sign_in, said)

    def changes(self, object: str, cursor: str | None) -> Page:
        """One page of a sweep; a sweep begins `overlap_seconds` before the last one's newest stamp.

        Why the overlap: a long transaction commits with an earlier SystemModstamp than what is already visible.
        """
        self.known(object)
        state = cursors.load(cursor)
        try:
            answer = self._page(object, state)
        except CursorLost:
            state.pop("next", None)
            answer = self._page(object, state)
        elements, following = _records(answer)
        changes = self._changes(object, elements)
        newest = max([state.get("newest", ""), *(c.source_version for c in changes)])
        if following:
            after = {"from": state.get("from"), "newest": newest or None, "next": following}
            return Page(changes, cursors.dump(after), more=True)
        begin = cursors.earlier(newest, self.overlap_seconds(object)) if newest else state.get("from")
        return Page(changes, cursors.dump({"from": begin, "newest": newest or None}), more=False)

    def _page(self, object: str, state: Mapping[str, Any]) -> Answer:
        if state.get("next"):
            if not str(state["next"]).startswith(f"{BASE}/query"):
                raise Drift("the next page is not one of this org's queries", "unexpected-shape")
            return self._caller.read(str(state["next"]), headers=self._batch_size())
        where = [f"SystemModstamp >= {_datetime(state['from'])}"] if state.get("from") else []
        return self._query(select(MANIFEST.objects[object].fields, object, where, ORDER))

    def fetch(self, object: str, source_id: str) -> Change | None:
        """One record by id; a deleted one comes as its tombstone while the recycle bin keeps it."""
        fields = MANIFEST.objects[self.known(object)].fields
        found, _ = _records(self._query(select(fields, object, [f"Id = {_literal(source_id)}"])))
        return self._changes(object, found[:1])[0] if found else None

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """Id and stamp of every record that was last changed on a day of the span (UTC days)."""
        self.known(object)
        span = [
            f"SystemModstamp >= {since}T00:00:00Z",
            f"SystemModstamp < {until + timedelta(days=1)}T00:00:00Z",
        ]
        answer = self._query(select("Id, SystemModstamp", object, span, ORDER))
        while True:
            elements, following = _records(answer)
            for element in elements:
                yield str(element.value["Id"]), _version(element.value)
            if not following:
                return
            answer = self._caller.read(following, headers=self._batch_size())

    def apply(self, command: Command) -> Receipt:
        """One command through the collections upsert."""
        row = self.apply_batch(command.operation, [command])[0]
        if row.error is not None or row.receipt is None:
            raise row.error or Drift("the upsert gave neither result nor error", "unexpected-shape")
        return row.receipt

    def apply_batch(self, operation: str, commands: Sequence[Command]) -> Sequence[BatchRow]:
        """Up to 200 rows in one call; status 200 says nothing about the rows, each has its own result.

        The rows go out byte for byte as they are in the commands; results stand in the order of the request.
        """
        write = MANIFEST.writes.get(operation)
        if write is None or not write.batch:
            raise Rejected(f"salesforce has no operation {operation}", "unknown-operation")
        if len(commands) > MANIFEST.batch.size:
            raise Rejected(f"a batch holds at most {MANIFEST.batch.size} rows", "batch-too-large")
        if len({c.external_key for c in commands}) != len(commands):
            raise Rejected("a batch holds each key once", "duplicate-key")
        if not commands:
            return []
        body = b'{"allOrNone":false,"records":[' + b",".join(c.body for c in commands) + b"]}"
        path = f"{BASE}/composite/sobjects/{write.record}/{write.key_field}"
        answer = self._caller.write("PATCH", path, body)
        results = answer.json()
        if not isinstance(results, list) or len(results) != len(commands):
            raise answer.misshapen(f"{len(commands)} row results")
        return [_row(answer, command, result) for command, result in zip(commands, results, strict=True)]

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The record that holds our key in its external id field."""
        held = self._by_key(operation, external_key)
        return None if held is None else Receipt(str(held["Id"]), external_key, {"version": _version(held)})

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """Every field that was sent, compared with the record under the key."""
        held = self._by_key(command.operation, command.external_key)
        if held is None:
            return [Difference("record", command.external_key, "nothing")]
        sent = {k: v for k, v in _sent(command).items() if k != "attributes"}
        found = differences(sent, held)
        if not same(receipt.target_id, held.get("Id")):
            found.append(Difference("Id", receipt.target_id, str(held.get("Id"))))
        return found

    def describe(self) -> Mapping[str, Sequence[str]]:
        """Field names of every object that is read."""
        out: dict[str, Sequence[str]] = {}
        for name in MANIFEST.objects:
            answer = self._caller.read(f"{BASE}/sobjects/{name}/describe")
            body = answer.json()
            fields = body.get("fields") if isinstance(body, dict) else None
            if not isinstance(fields, list):
                raise answer.misshapen("a describe answer without fields")
            out[name] = sorted(str(f["name"]) for f in fields if isinstance(f, dict) and "name" in f)
        return out

    def test(self) -> str:
        """Sign in and read the limits."""
        answer = self._caller.read(f"{BASE}/limits")
        used = answer.headers.get("sforce-limit-info", "no limit information")
        return f"Salesforce answered as {self._http.place.host} ({used})"

    def _sign_in(self) -> Grant:
        form = {
            "grant_type": "client_credentials",
            "client_id": secret(self._secrets, "client_id"), "client_secret": secret(self._secrets, "client_secret"),
        }  # fmt: skip
        body = oauth_token(self._http, "/services/oauth2/token", form)
        instance = body.get("instance_url")
        if not isinstance(instance, str):
            raise Drift("the token answer names no instance", "unexpected-shape")
        return Grant(body["access_token"], self._http.at(instance))

    def _query(self, soql: str) -> Answer:
        return self._caller.read(f"{BASE}/queryAll", {"q": soql}, self._batch_size())

    def _batch_size(self) -> dict[str, str]:
        return {"Sforce-Query-Options": f"batchSize={self.page_size}"}

    def _by_key(self, operation: str, external_key: str) -> dict[str, Any] | None:
        write = MANIFEST.writes.get(operation)
        if write is None:
            raise Rejected(f"salesforce has no operation {operation}", "unknown-operation")
        path = f"{BASE}/sobjects/{write.record}/{write.key_field}/{quote(external_key, safe='')}"
        try:
            answer = self._caller.read(path)
        except Rejected as error:
            if error.code == "NOT_FOUND":
                return None
            raise
        held = answer.json()
        if not isinstance(held, dict) or not same(held.get(write.key_field), external_key):
            raise Drift("the record that came is not the one asked for", "wrong-record")
        return held

    def _changes(self, object: str, elements: Sequence[Element]) -> list[Change]:
        """The records of one page, observed at one moment."""
        at = self._http.options.clock()
        return [
            Change(
                object, str(e.value["Id"]), _version(e.value), at, e.value, e.raw,
                tombstone=e.value.get("IsDeleted") is True,
            )
            for e in elements
        ]  # fmt: skip


def said(answer: Answer) -> VendorError:
    """Code, message and field of `[{"message","errorCode","fields"}]`."""
    body = loaded(answer)
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return VendorError()
    fields = first.get("fields")
    named = ",".join(map(str, fields))[:200] if isinstance(fields, list) else ""
    return VendorError(
        text_of(first.get("errorCode") or first.get("error")), text_of(first.get("message")), named
    )


def _row(answer: Answer, command: Command, result: Any) -> BatchRow:
    if not isinstance(result, dict):
        raise answer.misshapen("a row result that is no object")
    if result.get("success") is True and result.get("id"):
        detail = {"created": result.get("created") is True}
        return BatchRow(command.external_key, Receipt(str(result["id"]), command.external_key, detail), None)
    errors = result.get("errors")
    if result.get("success") is not False or not (
        isinstance(errors, list) and errors and isinstance(errors[0], dict)
    ):
        raise answer.misshapen("a row result that says neither success nor why not")
    first = errors[0]
    fields = first.get("fields")
    error = VendorError(
        text_of(first.get("statusCode")), text_of(first.get("message")),
        ",".join(map(str, fields)) if isinstance(fields, list) else "",
    )  # fmt: skip
    problem = classify(MANIFEST.errors, 400, error, write=True)
    return BatchRow(command.external_key, None, problem if isinstance(problem, ConnectorError) else None)


def _records(answer: Answer) -> tuple[list[Element], str | None]:
    body = answer.json_object("records")
    records = body.get("records")
    if not isinstance(records, list) or not isinstance(body.get("done"), bool):
        raise answer.misshapen("a query answer without records")
    following = body.get("nextRecordsUrl")
    if not body["done"] and not isinstance(following, str):
        raise answer.misshapen("an unfinished query without nextRecordsUrl")
    for element in records:
        if (
            not isinstance(element, Element)
            or not isinstance(element.value, dict)
            or not element.value.get("Id")
        ):
            raise answer.misshapen("a record without Id")
    return records, None if body["done"] else following


def _version(record: Mapping[str, Any]) -> str:
    return cursors.stamp(cursors.moment(record.get("SystemModstamp")))


def _sent(command: Command) -> dict[str, Any]:
    body = json.loads(command.body, parse_float=str)
    if not isinstance(body, dict):
        raise Rejected("the body of an upsert is one record", "invalid-body")
    return body


def _datetime(text: str) -> str:
    return cursors.stamp(cursors.moment(text))


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
