"""Salesforce in memory: queryAll with locators, collections upsert, describe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.connectors.fakes.common import HOSTILE, Fake, FakeRig, UnknownColumn, run_query
from tieout.connectors.kit.interface import Command
from tieout.connectors.salesforce.client import BASE, MANIFEST, connect

URL = "https://example.my.salesforce.com"


class FakeSalesforce(Fake):
    def __init__(self, page_size: int) -> None:
        super().__init__()
        self.page_size = page_size
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in MANIFEST.objects}
        self.columns = {name: set(source.fields) for name, source in MANIFEST.objects.items()}
        self.locators: dict[str, list[dict[str, Any]]] = {}

    def put(self, table: str, record: dict[str, Any]) -> str:
        number = sum(len(rows) for rows in self.tables.values()) + 1
        record = {"attributes": {"type": table}, "Id": f"{number:018d}", "IsDeleted": False, **record}
        record["SystemModstamp"] = self._stamp()
        self.tables[table].append(record)
        return str(record["Id"])

    def change(self, table: str, source_id: str, **values: Any) -> None:
        record = next(r for r in self.tables[table] if r["Id"] == source_id)
        record.update(values, SystemModstamp=self._stamp())

    def _stamp(self) -> str:
        return self.tick().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"

    def signed_in(self, token: str) -> httpx.Response:
        return httpx.Response(200, json={"access_token": token, "instance_url": URL, "token_type": "Bearer"})

    def refused(self) -> httpx.Response:
        return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def throttled(self) -> httpx.Response:
        return _error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

    def serve(self, request: httpx.Request, fault: str) -> httpx.Response:
        path = request.url.path.removeprefix(BASE)
        if path == "/queryAll":
            return self._query(request.url.params["q"])
        if path.startswith("/query/"):
            return self._next(path)
        if path == "/limits":
            return httpx.Response(200, json={}, headers={"Sforce-Limit-Info": "api-usage=18/15000"})
        if path.endswith("/describe"):
            fields = [{"name": n} for n in self.columns[path.split("/")[2]]]
            return httpx.Response(200, json={"fields": fields})
        if path.startswith("/composite/sobjects/"):
            return self._collection(request, *path.split("/")[3:5], fault=fault)
        table, field, key = path.split("/")[2:5]
        found = [r for r in self.tables[table] if r.get(field) == key]
        return httpx.Response(200, json=found[0]) if found else _error(404, "NOT_FOUND", "does not exist")

    def _query(self, soql: str) -> httpx.Response:
        try:
            rows = run_query(soql, self.tables, self.columns, _comparable)
        except UnknownColumn as error:
            return _error(400, "INVALID_FIELD", f"No such column '{error}'")
        return self._page([dict(r) for r in rows], 0)

    def _page(self, rows: list[dict[str, Any]], start: int) -> httpx.Response:
        end = start + self.page_size
        body: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows), "records": rows[start:end]}
        if end < len(rows):
            name = f"01g{len(self.locators):05d}-{end}"
            self.locators[name] = rows
            body["nextRecordsUrl"] = f"{BASE}/query/{name}"
        return httpx.Response(200, json=body)

    def _next(self, path: str) -> httpx.Response:
        name = path.split("/")[2]
        if name not in self.locators:
            return _error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(self.locators[name], int(name.split("-")[1]))

    def _collection(self, request: httpx.Request, table: str, field: str, fault: str) -> httpx.Response:
        results = []
        for place, row in enumerate(json.loads(request.content)["records"]):
            if fault == "partial" and place in (1, 3):
                error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}
                results.append({"success": False, "errors": [{**error, "fields": []}]})
                continue
            values = {k: v for k, v in row.items() if k != "attributes"}
            if fault == "mutate":
                values["Project_Status__c"] = "changed by a trigger"
            held = [r for r in self.tables[table] if r.get(field) == row[field]]
            source_id = held[0]["Id"] if held else self.put(table, values)
            self.change(table, source_id, **values)
            results.append({"id": source_id, "success": True, "errors": [], "created": not held})
        return httpx.Response(200, json=results)


class SalesforceRig(FakeRig):
    object = "Account"
    page_size = 3
    batches = True

    def __init__(self) -> None:
        self.fake: FakeSalesforce = FakeSalesforce(self.page_size)
        secrets = {"client_id": "id", "client_secret": "secret"}
        self.connector = connect({"url": URL}, secrets, self.fake.options())

    def add(self, count: int) -> list[str]:
        return [
            self.fake.put("Account", {"Name": f"Firm {n}", "AccountNumber": f"A-{n}"}) for n in range(count)
        ]

    def touch(self, source_id: str) -> None:
        self.fake.change("Account", source_id, Name="changed")

    def delete(self, source_id: str) -> None:
        self.fake.change("Account", source_id, IsDeleted=True)

    def hostile(self) -> Sequence[str]:
        return [self.fake.put("Account", {"Name": text}) for text in HOSTILE]

    def remove_field(self) -> str:
        self.fake.columns["Account"].remove("Tax_Id__c")
        return "Tax_Id__c"

    def command(self, number: int) -> Command:
        key = f"OPP-{number}"
        body = {
            "attributes": {"type": "Opportunity"}, "Opportunity_Number__c": key, "Project_Status__c": "active",
            "Billed_Amount__c": 1250.5,
        }  # fmt: skip
        return Command("upsert_opportunity", key, json.dumps(body).encode())

    def applied(self, command: Command) -> int:
        held = self.fake.tables["Opportunity"]
        return sum(1 for r in held if r.get("Opportunity_Number__c") == command.external_key)


def _error(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json=[{"message": message, "errorCode": code}])


def _comparable(column: str, value: Any) -> Any:
    if column == "SystemModstamp":
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    return str(value)
