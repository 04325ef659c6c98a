"""Salesforce's writing side: records by id and external id, collections of up to 200, composite requests of up to 25."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from tieout.sandbox.exact import dumps, loads
from tieout.sandbox.simulators.common import Answer, Call, Refused, json_answer
from tieout.sandbox.simulators.salesforce_schema import (
    EXTERNAL_IDS,
    LONG_TEXTS,
    LONGEST_TEXT,
    NUMBERS,
    READ_ONLY,
    REQUIRED,
)
from tieout.sandbox.world import Record

if TYPE_CHECKING:
    from tieout.sandbox.simulators.salesforce import Salesforce

LARGEST_COLLECTION, LARGEST_COMPOSITE = 200, 25
_REFERENCE = re.compile(r"@\{(\w+)\.([\w.\[\]]+)\}")


class Writes:
    """Creates, updates, upserts and deletes of one org."""

    def __init__(self, org: Salesforce) -> None:
        self._org, self._world = org, org.world

    def route(self, call: Call, parts: list[str]) -> Answer:
        """By the parts of the path after the version."""
        org = self._org
        match (call.method, parts):
            case ("POST", ["sobjects", type]):
                id, _ = self._save(call, org.known(type), self._body(call), None)
                return json_answer({"id": id, "success": True, "errors": []}, 201)
            case ("PATCH", ["sobjects", type, id]):
                self._save(call, type, self._body(call), org.by_id(org.known(type), id))
                return Answer(204)
            case ("PATCH", ["sobjects", type, field, key]):
                return self._upsert(call, org.known(type), field, key)
            case ("DELETE", ["sobjects", type, id]):
                self._delete(call, org.by_id(org.known(type), id))
                return Answer(204)
            case ("DELETE", ["sobjects", type, field, key]):
                self._delete(call, org.by_key(org.known(type), field, key))
                return Answer(204)
            case ("PATCH", ["composite", "sobjects", type, field]):
                return self._collection(call, org.known(type), field)
        raise Refused(org.refusal(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{call.method}' not allowed."))

    def _upsert(self, call: Call, type: str, field: str, key: str) -> Answer:
        values = self._body(call)
        if field in values:
            message = f"The field '{field}' should not be specified in the sobject data."
            raise Refused(self._org.refusal(400, "INVALID_FIELD", message))
        with self._world.transaction():
            found = self._org.with_key(type, field, key)
            if len(found) > 1:
                self._org.by_key(type, field, key)
            id, created = self._save(call, type, {field: key, **values}, found[0] if found else None, key)
        return json_answer(
            {"id": id, "success": True, "errors": [], "created": created}, 201 if created else 200
        )

    def _save(
        self, call: Call, type: str, values: Mapping[str, Any], held: Record | None, key: str = ""
    ) -> tuple[str, bool]:
        """Make or change one record; its id and whether it is new."""
        with self._world.transaction():
            self._check(type, values, held)
            values = self._mutated(call, type, {k: v for k, v in values.items() if k != "attributes"})
            id = self._world.put("salesforce", type, values, held.id if held else None, by="api")
            self._org.lag(call, type, id)
            key = key or next((str(values[f]) for f in EXTERNAL_IDS.get(type, ()) if values.get(f)), "")
            self._world.record_write("salesforce", call.method, call.path, type, id, key, call.body)
        return id, held is None

    def _mutated(self, call: Call, type: str, values: dict[str, Any]) -> dict[str, Any]:
        """What triggers of the org make of the values (scripted: `mutate` with `fields`)."""
        if call.fault.kind != "mutate":
            return values
        return values | call.fault.detail.get("fields", {})

    def _delete(self, call: Call, held: Record) -> None:
        with self._world.transaction():
            self._world.delete("salesforce", held.type, held.id)
            self._world.record_write("salesforce", call.method, call.path, held.type, held.id, "", call.body)

    def _check(self, type: str, values: Mapping[str, Any], held: Record | None) -> None:
        """Unknown, read-only, missing, too long, of the wrong type, already used."""
        org, fields = self._org, self._org.fields_of(type)
        for name, value in values.items():
            if name == "attributes":
                continue
            if name not in fields:
                message = f"No such column '{name}' on sobject of type {type}"
                raise Refused(org.refusal(400, "INVALID_FIELD", message))
            if name in READ_ONLY:
                message = f"Unable to create/update fields: {name}."
                raise Refused(org.refusal(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, name))
            self._check_value(name, fields[name], value)
        after = {**(held.fields if held else {}), **values}
        if missing := [name for name in REQUIRED.get(type, ()) if after.get(name) in (None, "")]:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise Refused(org.refusal(400, "REQUIRED_FIELD_MISSING", message, *missing))
        for field in EXTERNAL_IDS.get(type, ()):
            if values.get(field) and any(
                r.id != (held.id if held else "") for r in org.with_key(type, field, values[field])
            ):
                raise Refused(org.refusal(400, "DUPLICATE_VALUE", f"duplicate value found: {field}", field))

    def _check_value(self, name: str, kind: str, value: Any) -> None:
        if value is None:
            return
        org = self._org
        if (
            kind == "string"
            and (not isinstance(value, str) or len(value) > LONGEST_TEXT)
            and name not in LONG_TEXTS
        ):
            code, why = (
                ("STRING_TOO_LONG", "data value too large") if isinstance(value, str) else _wrong(value)
            )
            raise Refused(org.refusal(400, code, f"{name}: {why}", name))
        if kind in NUMBERS and not _is_number(value):
            raise Refused(org.refusal(400, "JSON_PARSER_ERROR", _wrong(value)[1], name))
        if kind == "date" and not _is_date(value):
            raise Refused(org.refusal(400, "JSON_PARSER_ERROR", _wrong(value)[1], name))
        if kind.startswith("-") and self._world.get("salesforce", kind[1:], str(value)) is None:
            message = f"{name}: id value of incorrect type: {value}"
            raise Refused(org.refusal(400, "MALFORMED_ID", message, name))

    def _body(self, call: Call) -> dict[str, Any]:
        try:
            body = call.json()
        except ValueError as error:
            raise Refused(self._org.refusal(400, "JSON_PARSER_ERROR", "Unexpected character")) from error
        if not isinstance(body, dict):
            raise Refused(self._org.refusal(400, "JSON_PARSER_ERROR", "Unexpected value"))
        return body

    # --- many at once ---------------------------------------------------------------------------------

    def _collection(self, call: Call, type: str, field: str) -> Answer:
        """Well-formed means status 200, whatever became of the rows; results in the order of the request."""
        body = self._body(call)
        records = body.get("records")
        if not isinstance(records, list) or len(records) > LARGEST_COLLECTION:
            message = (
                f"record limit reached. cannot submit more than {LARGEST_COLLECTION} records in this request"
            )
            raise Refused(self._org.refusal(400, "INVALID_INPUT", message))
        failing = call.fault.detail.get("rows", [1, 3]) if call.fault.kind == "partial" else []
        results, stop = [], body.get("allOrNone") is True
        try:
            with self._world.transaction():
                for place, row in enumerate(records):
                    results.append(self._row(call, type, field, row, place in failing))
                if stop and any(not r["success"] for r in results):
                    raise _RolledBack
        except _RolledBack:
            results = [r if not r["success"] else _halted() for r in results]
        return json_answer(results[::-1] if call.fault.kind == "shuffled" else results)

    def _row(self, call: Call, type: str, field: str, row: Any, fails: bool) -> dict[str, Any]:
        if fails:
            return _failed(
                call.fault.detail.get("code", "UNABLE_TO_LOCK_ROW"), "unable to obtain exclusive access"
            )
        try:
            if not isinstance(row, dict) or row.get("attributes", {}).get("type") != type:
                return _failed("INVALID_INPUT", "each record needs the type of the request in its attributes")
            if row.get(field) in (None, ""):
                return _failed("MISSING_ARGUMENT", f"{field} not specified")
            found = self._org.with_key(type, field, row[field])
            if len(found) > 1:
                return _failed("DUPLICATE_EXTERNAL_ID", f"{field}: more than one record found")
            part = Call(call.method, call.path, call.query, call.headers, dumps(row).encode(), call.fault)
            id, created = self._save(part, type, row, found[0] if found else None, str(row[field]))
            return {"id": id, "success": True, "errors": [], "created": created}
        except Refused as refused:
            said = loads(refused.answer.body)[0]
            return _failed(said["errorCode"], said["message"], said.get("fields", []))

    def composite(self, call: Call, base: str) -> Answer:
        """Requests that may use results of earlier ones; with `allOrNone` one failure undoes all."""
        body = self._body(call)
        requests = body.get("compositeRequest")
        if not isinstance(requests, list) or not 0 < len(requests) <= LARGEST_COMPOSITE:
            message = f"Limit of {LARGEST_COMPOSITE} subrequests reached"
            raise Refused(self._org.refusal(400, "LIMIT_EXCEEDED", message))
        answers: list[dict[str, Any]] = []
        try:
            with self._world.transaction():
                for request in requests:
                    answers.append(
                        self._part(call, base, request, {a["referenceId"]: a["body"] for a in answers})
                    )
                    if body.get("allOrNone") is True and answers[-1]["httpStatusCode"] >= 400:
                        raise _RolledBack
        except _RolledBack:
            answers = [*(_halted_part(r) for r in requests[: len(answers) - 1]), answers[-1]]
            answers += [_halted_part(r) for r in requests[len(answers) :]]
        return json_answer({"compositeResponse": answers})

    def _part(self, call: Call, base: str, request: Any, earlier: Mapping[str, Any]) -> dict[str, Any]:
        text = _REFERENCE.sub(lambda m: json.dumps(str(_at(earlier, m[1], m[2])))[1:-1], dumps(request))
        wanted = loads(text)
        path, _, query = str(wanted.get("url", "")).partition("?")
        sent = dumps(wanted["body"]).encode() if wanted.get("body") is not None else b""
        part = Call(str(wanted.get("method")), path, query, call.headers, sent, call.fault)
        try:
            if not path.startswith(base + "/") or "/composite" in path.removeprefix(base):
                raise Refused(
                    self._org.refusal(400, "INVALID_BATCH_REQUEST", "not a request that can be part")
                )
            answer = self._org.route(part, base, [p for p in path.removeprefix(base).split("/") if p])
        except Refused as refused:
            answer = refused.answer
        return {
            "body": loads(answer.body) if answer.body else None, "httpHeaders": {}, "httpStatusCode": answer.status,
            "referenceId": wanted.get("referenceId"),
        }  # fmt: skip


class _RolledBack(Exception):
    """Everything of the request is undone."""


def _failed(code: str, message: str, fields: Any = ()) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


def _halted() -> dict[str, Any]:
    message = (
        "Record rolled back because not all records were valid and the request was using AllOrNone header"
    )
    return _failed("ALL_OR_NONE_OPERATION_ROLLED_BACK", message)


def _halted_part(request: Mapping[str, Any]) -> dict[str, Any]:
    message = "The transaction was rolled back since another operation in the same transaction failed."
    return {
        "body": [{"errorCode": "PROCESSING_HALTED", "message": message}], "httpHeaders": {}, "httpStatusCode": 400,
        "referenceId": request.get("referenceId"),
    }  # fmt: skip


def _at(earlier: Mapping[str, Any], reference: str, path: str) -> Any:
    value: Any = earlier.get(reference)
    for step in re.findall(r"\w+", path):
        value = value[int(step)] if isinstance(value, list) else (value or {}).get(step)
    return value


def _wrong(value: Any) -> tuple[str, str]:
    return "JSON_PARSER_ERROR", f"Cannot deserialize instance of the field from {str(value)[:60]}"


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _is_date(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(str(value)))
    except ValueError:
        return False
