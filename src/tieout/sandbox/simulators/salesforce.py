"""Salesforce: OAuth, SOQL, records by id and external id, collections upsert, composite requests.

Lists come as `{"totalSize", "done", "nextRecordsUrl", "records"}`, errors as `[{"message", "errorCode", "fields"}]`.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import unquote

from tieout.sandbox.simulators.common import Answer, Call, Refused, Simulator, json_answer
from tieout.sandbox.simulators.query import BadQuery, Parser, Query
from tieout.sandbox.simulators.salesforce_schema import EXTERNAL_IDS, SCHEMA
from tieout.sandbox.simulators.salesforce_writes import Writes
from tieout.sandbox.world import Record, World

OLDEST, NEWEST = 31, 67
SMALLEST_BATCH, LARGEST_BATCH = 200, 2000
KEPT_CURSORS = 50
DAILY_CALLS = 15_000
_PATH = re.compile(r"^/services/data/v(\d+)\.0(/.*)?$")


class Salesforce(Simulator):
    """One org."""

    name: ClassVar[str] = "salesforce"
    sign_in_path: ClassVar[str] = "/services/oauth2/token"

    def __init__(self, world: World, credentials: Mapping[str, str]) -> None:
        super().__init__(world, credentials)
        self._cursors: OrderedDict[str, list[Mapping[str, Any]]] = OrderedDict()
        self._rows: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        self._lock = threading.Lock()
        self._used = 0
        self._writes = Writes(self)

    # --- sign-in and errors ---------------------------------------------------------------------------

    def sign_in(self, call: Call) -> Answer:
        """Client credentials; the answer has no `expires_in`."""
        form = call.form
        good = (
            form.get("grant_type") == "client_credentials"
            and hmac.compare_digest(
                form.get("client_id", "").encode(), self.credentials["client_id"].encode()
            )
            and hmac.compare_digest(
                form.get("client_secret", "").encode(), self.credentials["client_secret"].encode()
            )
        )
        if not good:
            told = {"error": "invalid_client", "error_description": "invalid client credentials"}
            return json_answer(told, 400)
        token = "00D5g0000000001!" + secrets.token_urlsafe(24)
        self.tokens.add(token)
        issued = str(int(datetime.now(UTC).timestamp() * 1000))
        return json_answer(
            {
                "access_token": token, "instance_url": call.origin, "id": f"{call.origin}/id/00D/005",
                "token_type": "Bearer", "issued_at": issued, "scope": "api", "signature": secrets.token_urlsafe(16),
            }
        )  # fmt: skip

    def refusal(self, status: int, code: str, message: str, *fields: str) -> Answer:
        """`[{"message", "errorCode", "fields"}]`."""
        told: dict[str, Any] = {"message": message, "errorCode": code}
        return json_answer([told | ({"fields": list(fields)} if fields else {})], status)

    def unauthorized(self) -> Answer:
        """401."""
        return self.refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def throttled(self) -> Answer:
        """403, not 429, and no Retry-After."""
        return self.refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

    # --- serving --------------------------------------------------------------------------------------

    def serve(self, call: Call) -> Answer:
        """One call of the data API."""
        match = _PATH.match(call.path)
        if match is None:
            raise Refused(self.refusal(404, "NOT_FOUND", "The requested resource does not exist"))
        if not OLDEST <= int(match[1]) <= NEWEST:
            raise Refused(
                self.refusal(404, "UNSUPPORTED_API_VERSION", f"Invalid Api version specified: {match[1]}")
            )
        base = f"/services/data/v{match[1]}.0"
        parts = [unquote(p) for p in (match[2] or "").split("/") if p]
        self._used += 1
        answer = self.route(call, base, parts)
        limit = {"sforce-limit-info": f"api-usage={self._used}/{DAILY_CALLS}"}
        return Answer(answer.status, answer.body, {**answer.headers, **limit})

    def route(self, call: Call, base: str, parts: list[str]) -> Answer:
        """By the parts of the path after the version."""
        match (call.method, parts):
            case ("GET", ["query" | "queryAll" as kind]):
                return self._query(call, base, deleted=kind == "queryAll")
            case ("GET", ["query" | "queryAll", cursor]):
                return self._next(base, cursor)
            case ("GET", ["limits"]):
                left = DAILY_CALLS - self._used
                return json_answer({"DailyApiRequests": {"Max": DAILY_CALLS, "Remaining": left}})
            case ("GET", ["sobjects"]):
                names = [{"name": n, "label": n, "queryable": True} for n in SCHEMA]
                return json_answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": names})
            case ("GET", ["sobjects", type, "describe"]):
                return self._describe(self.known(type))
            case ("GET", ["sobjects", type, "updated" | "deleted" as kind]):
                return self._changed_ids(self.known(type), call.params, deleted=kind == "deleted")
            case ("GET", ["sobjects", type, id]):
                return self._retrieve(base, self.by_id(self.known(type), id), call.params)
            case ("GET", ["sobjects", type, field, key]):
                return self._retrieve(base, self.by_key(self.known(type), field, key), call.params)
            case ("POST", ["composite"]):
                return self._writes.composite(call, base)
            case _:
                return self._writes.route(call, parts)

    def known(self, type: str) -> str:
        """An object of this org, or NOT_FOUND."""
        if type not in SCHEMA:
            raise Refused(self.refusal(404, "NOT_FOUND", "The requested resource does not exist"))
        return type

    def fields_of(self, type: str) -> dict[str, str]:
        """Fields of an object as this release of the org has them."""
        gone = self.removed(type)
        known = {name: kind for name, kind in SCHEMA[type].items() if name not in gone}
        return known | dict.fromkeys(self.added(type), "string")

    def by_id(self, type: str, id: str) -> Record:
        """A living record by its 15- or 18-character id."""
        held = self.world.get("salesforce", type, id)
        if held is None and len(id) == 15:
            held = next((r for r in self.world.all("salesforce", type) if r.id.startswith(id)), None)
        if held is None:
            if self.world.get("salesforce", type, id, deleted=True):
                raise Refused(self.refusal(404, "ENTITY_IS_DELETED", "entity is deleted"))
            raise Refused(self.refusal(404, "NOT_FOUND", "The requested resource does not exist"))
        return held

    def by_key(self, type: str, field: str, key: str) -> Record:
        """A living record by a field that holds another system's key."""
        found = [r for r in self.with_key(type, field, key) if self.visible(r)]
        if not found:
            raise Refused(self.refusal(404, "NOT_FOUND", "The requested resource does not exist"))
        if len(found) > 1:
            raise Refused(
                json_answer([f"/services/data/v{NEWEST}.0/sobjects/{type}/{r.id}" for r in found], 300)
            )
        return found[0]

    def with_key(self, type: str, field: str, key: Any) -> list[Record]:
        """All living records that hold a key; the field must be an external id of the object."""
        if field not in EXTERNAL_IDS.get(type, ()) or field in self.removed(type):
            message = f"Provided external ID field does not exist or is not accessible: {field}"
            raise Refused(self.refusal(404, "NOT_FOUND", message))
        return self.world.find("salesforce", type, **{field: key})

    # --- reading --------------------------------------------------------------------------------------

    def _query(self, call: Call, base: str, *, deleted: bool) -> Answer:
        query = self._parsed(call.params.get("q", ""))
        rows: list[Any] = self.rows(query.table)
        if dotted := [name for name in query.named if "." in name]:
            rows = [{**row, **{n: self._of_parent(query.table, row, n) for n in dotted}} for row in rows]
        found = query.run(
            rows if deleted else [r for r in rows if not r["IsDeleted"]], self._comparable(query.table)
        )
        if query.columns in (["COUNT()"], ["count()"]):
            return json_answer({"totalSize": len(found), "done": True, "records": []})
        shown = [self._shown(base, query, row) for row in found]
        cursor = f"01g5g{secrets.token_hex(6)}AAA"
        if len(shown) > SMALLEST_BATCH:
            with self._lock:
                self._cursors[cursor] = shown
                while len(self._cursors) > KEPT_CURSORS:
                    self._cursors.popitem(last=False)
        return self._batch(base, cursor, shown, 0, _batch_size(call))

    def _next(self, base: str, name: str) -> Answer:
        cursor, _, place = name.partition("-")
        shown = self._cursors.get(cursor)
        start, _, size = place.partition(".")
        if shown is None or not start.isdigit() or not size.isdigit():
            raise Refused(self.refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))
        return self._batch(base, cursor, shown, int(start), int(size))

    def _batch(self, base: str, cursor: str, shown: list[Mapping[str, Any]], start: int, size: int) -> Answer:
        end = start + size
        body: dict[str, Any] = {
            "totalSize": len(shown),
            "done": end >= len(shown),
            "records": shown[start:end],
        }
        if end < len(shown):
            body["nextRecordsUrl"] = f"{base}/query/{cursor}-{end}.{size}"
        return json_answer(body)

    def forget_cursors(self) -> None:
        """Every query locator has run out."""
        self._cursors.clear()

    def _parsed(self, soql: str) -> Query:
        table = re.search(r"\bFROM\s+(\w+)", soql, re.I)
        type = table[1] if table else ""
        try:
            query = Parser(soql, self._comparable(type), backslash=True).query()
        except BadQuery as error:
            raise Refused(self.refusal(400, "MALFORMED_QUERY", str(error))) from error
        if query.table not in SCHEMA:
            message = f"sObject type '{query.table}' is not supported."
            raise Refused(self.refusal(400, "INVALID_TYPE", message))
        for name in [*query.columns, *query.named]:
            if name.lower() != "count()":
                self._check_column(query.table, name)
        return query

    def _check_column(self, type: str, name: str) -> None:
        fields, (head, _, rest) = self.fields_of(type), name.partition(".")
        if rest:
            parent = fields.get(head[:-3] + "__c" if head.endswith("__r") else head + "Id", "")
            if parent.startswith("-") and rest in self.fields_of(parent[1:]):
                return
        elif head in fields:
            return
        message = f"\n{name}\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{type}'."
        raise Refused(self.refusal(400, "INVALID_FIELD", message))

    def rows(self, type: str) -> list[dict[str, Any]]:
        """All rows of an object, deleted ones too, with system fields and one level of parents' fields."""
        version = self.world.version("salesforce", type)
        kept = self._rows.get(type)
        if kept is None or kept[0] != version:
            records = self.world.all("salesforce", type, deleted=True)
            kept = self._rows[type] = (version, [self._row(r) for r in records])
        return kept[1]

    def _row(self, record: Record) -> dict[str, Any]:
        fields = {name: record.fields.get(name) for name in SCHEMA[record.type]}
        return {
            **fields, "Id": record.id, "IsDeleted": record.deleted, "CreatedDate": stamp(record.created_at),
            "LastModifiedDate": stamp(record.modified_at), "SystemModstamp": stamp(record.modified_at),
            **_derived(record.type, fields), "@": record.modified_at, "@type": record.type,
        }  # fmt: skip

    def _shown(self, base: str, query: Query, row: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{base}/sobjects/{query.table}/{row['Id']}"
        shown: dict[str, Any] = {"attributes": {"type": query.table, "url": url}}
        added = self.added(query.table)
        for name in query.columns:
            head, _, rest = name.partition(".")
            if not rest:
                shown[name] = row.get(name, added.get(name))
                continue
            parent = self._parent(query.table, row, head)
            held = shown.setdefault(
                head, None if parent is None else {"attributes": {"type": parent["@type"]}}
            )
            if held is not None and parent is not None:
                held[rest] = parent.get(rest)
        return shown

    def _parent(self, type: str, row: Mapping[str, Any], relation: str) -> dict[str, Any] | None:
        reference = relation[:-3] + "__c" if relation.endswith("__r") else relation + "Id"
        parents = SCHEMA[type][reference][1:]
        return next((r for r in self.rows(parents) if r["Id"] == row.get(reference)), None)

    def _of_parent(self, type: str, row: Mapping[str, Any], name: str) -> Any:
        relation, _, field = name.partition(".")
        return (self._parent(type, row, relation) or {}).get(field)

    def _comparable(self, type: str) -> Any:
        kinds = SCHEMA.get(type, {})

        def comparable(column: str, value: Any) -> Any:
            if value is None:
                return None
            kind = kinds.get(column, "string")
            if kind == "datetime":
                return value if isinstance(value, datetime) else moment(value)
            if kind in ("currency", "double", "percent", "int"):
                return Decimal(str(value))
            if kind == "id" or kind.startswith("-"):
                return str(value)[:15]
            return value.lower() if isinstance(value, str) else value

        return comparable

    def _retrieve(self, base: str, record: Record, params: Mapping[str, str]) -> Answer:
        row = self._row(record)
        names = params["fields"].split(",") if "fields" in params else list(SCHEMA[record.type])
        for name in names:
            if "fields" in params:
                self._check_column(record.type, name)
        url = f"{base}/sobjects/{record.type}/{record.id}"
        shown = {name: row.get(name) for name in names}
        shown = self.drifted(record.type, shown)
        return json_answer({"attributes": {"type": record.type, "url": url}, **shown})

    def _describe(self, type: str) -> Answer:
        keys = EXTERNAL_IDS.get(type, ())
        fields = [
            {
                "name": name, "label": name, "type": "reference" if kind.startswith("-") else kind,
                "externalId": name in keys, "unique": name in keys, "referenceTo": [kind[1:]] if kind[:1] == "-" else [],
                "custom": name.endswith("__c"), "nillable": True,
            }
            for name, kind in self.fields_of(type).items()
        ]  # fmt: skip
        return json_answer({"name": type, "label": type, "custom": type.endswith("__c"), "fields": fields})

    def _changed_ids(self, type: str, params: Mapping[str, str], *, deleted: bool) -> Answer:
        start, end = (moment(unquote(params[n]).replace(" ", "+")) for n in ("start", "end"))
        rows = [r for r in self.rows(type) if r["IsDeleted"] is deleted and start <= r["@"] < end]
        body: dict[str, Any] = {"latestDateCovered": stamp(end)}
        if not deleted:
            return json_answer({"ids": [r["Id"] for r in rows], **body})
        gone = [{"id": r["Id"], "deletedDate": stamp(r["@"])} for r in rows]
        return json_answer({"deletedRecords": gone, "earliestDateAvailable": stamp(start), **body})


def stamp(value: datetime) -> str:
    """`2026-01-31T12:00:00.000+0000`, without a colon in the offset."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def moment(text: Any) -> datetime:
    """The moment of a stamp; UTC unless it says otherwise."""
    value = datetime.fromisoformat(str(text))
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _derived(type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the org computes: won and closed by stage."""
    if type == "Opportunity":
        stage = str(fields.get("StageName"))
        return {"IsWon": stage == "Closed Won", "IsClosed": stage.startswith("Closed")}
    return {
        name: False
        for name, kind in SCHEMA[type].items()
        if kind == "boolean" and fields.get(name) is None and name != "IsDeleted"
    }


def _batch_size(call: Call) -> int:
    asked = re.search(r"batchSize=(\d+)", call.headers.get("sforce-query-options", ""))
    return min(max(int(asked[1]), SMALLEST_BATCH), LARGEST_BATCH) if asked else LARGEST_BATCH
