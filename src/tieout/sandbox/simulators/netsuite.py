"""NetSuite: a signed statement for a token, records by internal and external id, SuiteQL, the metadata catalog.

A write is answered by 204 with the record's address and nothing else; errors are `{"type", "title", "status",
"o:errorDetails": [{"detail", "o:errorCode", "o:errorPath"}]}`.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tieout.sandbox.simulators.common import Answer, Call, Refused, Simulator, json_answer
from tieout.sandbox.simulators.netsuite_books import Books, read_books, total_of
from tieout.sandbox.simulators.netsuite_rules import Problem, Rules
from tieout.sandbox.simulators.netsuite_schema import (
    BY_LOWER,
    COMMON,
    DOCUMENTS,
    FIELDS,
    NAMES,
    REFERENCES,
    WRITABLE,
)
from tieout.sandbox.simulators.netsuite_suiteql import SuiteQl
from tieout.sandbox.world import Record, World

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"
RECORDS = "/services/rest/record/v1"
SUITEQL = "/services/rest/query/v1/suiteql"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_SECONDS = 3600
_RECORD = re.compile(rf"^{RECORDS}/(\w+)(?:/(\d+|eid:[A-Za-z0-9_-]+))?$")


class NetSuite(Simulator):
    """One account. `credentials` hold the private key whose public part was uploaded as the certificate."""

    name: ClassVar[str] = "netsuite"
    sign_in_path: ClassVar[str] = TOKEN_PATH

    def __init__(self, world: World, credentials: Mapping[str, str]) -> None:
        super().__init__(world, credentials)
        key = serialization.load_pem_private_key(credentials["private_key_pem"].encode(), password=None)
        self._public = key.public_key()
        self._until: dict[str, float] = {}
        self._suiteql = SuiteQl(self)
        self._rules = Rules(world)
        self._books: tuple[int, Books] | None = None

    # --- sign-in and errors ---------------------------------------------------------------------------

    def sign_in(self, call: Call) -> Answer:
        """A token of 60 minutes for a statement that our certificate has signed for this address."""
        form = call.form
        good = (
            form.get("grant_type") == "client_credentials" and form.get("client_assertion_type") == ASSERTION
        )
        if not good or not self._is_signed(form.get("client_assertion", ""), call.origin + TOKEN_PATH):
            return json_answer({"error": "invalid_grant"}, 400)
        token = secrets.token_urlsafe(32)
        self.tokens.add(token)
        self._until[token] = time.monotonic() + TOKEN_SECONDS
        return json_answer({"access_token": token, "expires_in": str(TOKEN_SECONDS), "token_type": "bearer"})

    def is_token(self, token: str) -> bool:
        """Handed out, not withdrawn, not too old."""
        return token in self.tokens and time.monotonic() < self._until.get(token, 0)

    def _is_signed(self, assertion: str, audience: str) -> bool:
        try:
            head, claims, signature = assertion.split(".")
            header, told = (json.loads(_bytes(part)) for part in (head, claims))
            if header.get("kid") != self.credentials["certificate_id"]:
                return False
            self._verify(str(header.get("alg")), _bytes(signature), f"{head}.{claims}".encode())
            fresh = int(told["exp"]) > time.time() and int(told["exp"]) - int(told["iat"]) <= 3600
            scope = told.get("scope")
            return (
                fresh and told.get("iss") == self.credentials["client_id"] and told.get("aud") == audience
                and "rest_webservices" in (scope if isinstance(scope, list) else str(scope).split())
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            return False

    def _verify(self, algorithm: str, signature: bytes, signed: bytes) -> None:
        key = self._public
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        elif algorithm == "PS256" and isinstance(key, rsa.RSAPublicKey):
            how = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
            key.verify(signature, signed, how, hashes.SHA256())
        else:
            raise InvalidSignature

    def refusal(self, status: int, code: str, message: str, path: str = "") -> Answer:
        """The error envelope."""
        detail = {"detail": message, "o:errorCode": code} | ({"o:errorPath": path} if path else {})
        titles = {400: "Invalid Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
        body = {
            "type": "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html", "title": titles.get(status, "Error"),
            "status": status, "o:errorDetails": [detail],
        }  # fmt: skip
        return json_answer(body, status, {"content-type": "application/vnd.oracle.resource+json; type=error"})

    def unauthorized(self) -> Answer:
        """401."""
        return self.refusal(401, "INVALID_LOGIN", "Invalid login attempt.")

    def throttled(self) -> Answer:
        """429 without Retry-After: concurrency belongs to the whole account."""
        return self.refusal(
            429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked."
        )

    def is_write(self, call: Call) -> bool:
        """SuiteQL is a POST that changes nothing."""
        return call.method != "GET" and call.path != SUITEQL

    # --- serving --------------------------------------------------------------------------------------

    def serve(self, call: Call) -> Answer:
        """One call of the record API or of SuiteQL."""
        if call.path == SUITEQL and call.method == "POST":
            return self._suiteql.answer(call)
        if call.path.startswith(f"{RECORDS}/metadata-catalog"):
            return self._catalog(call)
        match = _RECORD.match(call.path)
        type = BY_LOWER.get(match[1].lower()) if match else None
        if match is None or type is None:
            raise Refused(self.refusal(404, "NOT_FOUND", "The record type or path does not exist."))
        if call.method == "GET":
            return self._list(call, type) if match[2] is None else self._get(call, type, match[2])
        if type not in WRITABLE:
            raise Refused(
                self.refusal(403, "INSUFFICIENT_PERMISSION", f"You may not change records of type {type}.")
            )
        return self._change(call, type, match[2])

    def _change(self, call: Call, type: str, address: str | None) -> Answer:
        with self.world.transaction():
            held = None if address is None else self._held(type, address)
            if call.method == "DELETE" and held is not None:
                self._refuse(self._rules.check_delete(held))
                self.world.delete("netsuite", type, held.id)
                self._note(call, held)
                return Answer(204)
            if (call.method == "POST" and address is None) or (call.method == "PATCH" and held is not None):
                return self._saved(call, type, held, None)
            if call.method == "PUT" and address is not None and address.startswith("eid:"):
                return self._saved(call, type, held, address[4:])
        if held is None and address is not None:
            raise Refused(self._nobody(type, address))
        raise Refused(self.refusal(405, "METHOD_NOT_ALLOWED", f"{call.method} is not allowed here."))

    def _saved(self, call: Call, type: str, held: Record | None, key: str | None) -> Answer:
        values = self._body(call)
        if key is not None:
            if str(values.get("externalId", key)) != key:
                raise Refused(
                    self.refusal(400, "INVALID_CONTENT", "externalId differs from the address.", "externalId")
                )
            values["externalId"] = key
        if self.world.take_fault("netsuite", call.method, self._place(call), kinds=("closed_period",)):
            self._refuse(Problem("USER_ERROR", "You cannot create or edit a transaction in a closed period."))
        made = self._rules.prepared(type, values, held)
        if isinstance(made, Problem):
            self._refuse(made)
            raise RuntimeError("a problem is always refused")
        if call.fault.kind == "mutate":
            made |= call.fault.detail.get("fields", {})
        id = self.world.put("netsuite", type, made, held.id if held else None, by="api")
        self.lag(call, type, id)
        record = self.world.get("netsuite", type, id)
        if record is None:
            raise RuntimeError("a saved record is there")
        self._note(call, record)
        origin = call.origin
        return Answer(204, b"", {"location": f"{origin}{RECORDS}/{type.lower()}/{id}"})

    def _note(self, call: Call, record: Record) -> None:
        key = str(record.fields.get("externalId") or "")
        self.world.record_write("netsuite", call.method, call.path, record.type, record.id, key, call.body)

    def _refuse(self, problem: Problem | None) -> None:
        if problem is not None:
            raise Refused(self.refusal(400, problem.code, problem.detail, problem.path))

    def _body(self, call: Call) -> dict[str, Any]:
        try:
            body = call.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(self.refusal(400, "INVALID_CONTENT", "Invalid content in the request body."))
        return body

    def _held(self, type: str, address: str) -> Record | None:
        if not address.startswith("eid:"):
            return self.world.get("netsuite", type, address)
        found = self.world.find("netsuite", type, externalId=address[4:])
        return found[0] if found else None

    def _nobody(self, type: str, address: str) -> Answer:
        return self.refusal(
            404,
            "NONEXISTENT_ID",
            f"The record instance does not exist. Provide a valid record instance ID: {type} {address}",
        )

    # --- reading --------------------------------------------------------------------------------------

    def _get(self, call: Call, type: str, address: str) -> Answer:
        held = self._held(type, address)
        if held is None or not self.visible(held):
            raise Refused(self._nobody(type, address))
        shown = self.drifted(type, self._shown(call, held))
        if call.params.get("expandSubResources") != "true":
            for name in ("item", "apply"):
                if name in shown:
                    shown[name] = {"links": [{"rel": "self", "href": f"{call.origin}{call.path}/{name}"}]}
        return json_answer(
            shown, 200, {"content-type": "application/vnd.oracle.resource+json; type=singular"}
        )

    def _list(self, call: Call, type: str) -> Answer:
        params = call.params
        limit, offset = int(params.get("limit", "1000")), int(params.get("offset", "0"))
        found, total = self.world.where("netsuite", type, [], limit=limit, offset=offset)
        items = [
            {"links": [{"rel": "self", "href": f"{call.origin}{RECORDS}/{type}/{r.id}"}], "id": r.id}
            for r in found
        ]
        more = total > offset + limit
        return json_answer(
            {"links": [], "count": len(items), "hasMore": more, "items": items, "offset": offset, "totalResults": total}
        )  # fmt: skip

    def _shown(self, call: Call, record: Record) -> dict[str, Any]:
        moment = record.modified_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        shown: dict[str, Any] = {
            "links": [{"rel": "self", "href": f"{call.origin}{RECORDS}/{record.type}/{record.id}"}], "id": record.id,
            "createdDate": record.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "lastModifiedDate": moment,
        }  # fmt: skip
        for name, value in record.fields.items():
            if name != "createdBy":
                shown[name] = (
                    self._sublist(value)
                    if name in ("item", "apply") and record.type in DOCUMENTS
                    else self._value(name, value)
                )
        if record.type in DOCUMENTS:
            books = self._books_now()
            word = books.state(record)[1]
            shown["total"], shown["status"] = total_of(record), {"id": word, "refName": word}
            if record.type == "invoice":
                shown["amountRemaining"] = books.remaining(record)
        return shown

    def _books_now(self) -> Books:
        version = sum(self.world.version("netsuite", type) for type in DOCUMENTS)
        if self._books is None or self._books[0] != version:
            self._books = (version, read_books(self.world))
        return self._books[1]

    def _sublist(self, value: Any) -> Any:
        rows = value.get("items", []) if isinstance(value, Mapping) else value
        shown = [{name: self._value(name, held) for name, held in row.items()} for row in rows]
        return {
            "items": shown,
            "count": len(shown),
            "hasMore": False,
            "offset": 0,
            "totalResults": len(shown),
        }

    def _value(self, name: str, value: Any) -> Any:
        """A reference with the name of what it leads to."""
        if not isinstance(value, Mapping) or "id" not in value:
            return value
        type = REFERENCES.get(name)
        leads_to = self.world.get("netsuite", type, str(value["id"])) if type else None
        name_of = (
            next((leads_to.fields[n] for n in NAMES if leads_to.fields.get(n)), None) if leads_to else None
        )
        return {"links": [], "id": str(value["id"])} | ({"refName": name_of} if name_of else {})

    def _catalog(self, call: Call) -> Answer:
        """Names of the record types, or the fields of one."""
        asked = call.params.get("select") or call.path.removeprefix(f"{RECORDS}/metadata-catalog").strip("/")
        if not asked:
            return json_answer({"items": [{"name": name, "links": []} for name in FIELDS]})
        type = BY_LOWER.get(asked.lower())
        if type is None:
            raise Refused(self.refusal(404, "NOT_FOUND", f"There is no record type {asked}."))
        names = {*FIELDS[type], *COMMON, "id", "lastModifiedDate"} - self.removed(type) | set(
            self.added(type)
        )
        kinds = {
            name: {"type": "object" if name in REFERENCES else "string", "title": name}
            for name in sorted(names)
        }
        return json_answer(
            {"$schema": "http://json-schema.org/draft-06/schema#", "type": "object", "properties": kinds}
        )


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
