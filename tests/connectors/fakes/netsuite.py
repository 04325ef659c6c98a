"""NetSuite in memory: SuiteQL with texts and keyset, records by external id."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.connectors.fakes.common import HOSTILE, Fake, FakeRig, UnknownColumn, run_query
from tieout.connectors.kit.interface import Command
from tieout.connectors.netsuite.client import MANIFEST, connect

EXTRA = {
    "currency": {"id", "symbol", "name"}, "term": {"id", "name", "daysuntilnetdue"},
    "item": {"id", "itemid", "incomeaccount"}, "account": {"id", "acctnumber", "acctname"},
    "salestaxitem": {"id", "itemid"}, "nexttransactionlinelink": {"previousdoc", "nextdoc", "foreignamount"},
    "deletedrecord": {"recordid", "type", "deleteddate"},
}  # fmt: skip
RECORD_TABLES = {"customer": "customer", "job": "job", "invoice": "transaction", "creditMemo": "transaction"}
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class FakeNetSuite(Fake):
    def __init__(self) -> None:
        self.document_fields: dict[str, Any] = {"tranId": {"type": "string"}}
        super().__init__()
        self.columns: dict[str, set[str]] = dict(EXTRA)
        for name, source in MANIFEST.objects.items():
            self.columns[name] = {*source.fields}
        self.columns["transaction"] |= self.columns.pop("customerpayment")
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in self.columns}
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.counter = 100

    def put(self, table: str, row: dict[str, Any]) -> str:
        self.counter += 1
        self.tables[table].append({"id": str(self.counter), **row, "lastmodifieddate": self._stamp()})
        return str(self.counter)

    def change(self, table: str, row_id: str, **values: Any) -> None:
        row = next(r for r in self.tables[table] if r["id"] == row_id)
        row.update(values, lastmodifieddate=self._stamp())

    def remove(self, table: str, row_id: str, kind: str) -> None:
        self.tables[table] = [r for r in self.tables[table] if r["id"] != row_id]
        self.tables["deletedrecord"].append({"recordid": row_id, "type": kind, "deleteddate": self._stamp()})

    def _stamp(self) -> str:
        return self.tick().strftime("%Y-%m-%d %H:%M:%S")

    def is_write(self, request: httpx.Request) -> bool:
        return request.method in ("PUT", "PATCH", "POST") and "/record/" in request.url.path

    def signed_in(self, token: str) -> httpx.Response:
        return httpx.Response(200, json={"access_token": token, "expires_in": "3600", "token_type": "bearer"})

    def refused(self) -> httpx.Response:
        return _error(401, "INVALID_LOGIN", "Invalid login attempt.")

    def throttled(self) -> httpx.Response:
        return _error(429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded.")

    def serve(self, request: httpx.Request, fault: str) -> httpx.Response:
        if request.url.path.endswith("/suiteql"):
            assert request.headers["prefer"] == "transient"
            return self._query(
                json.loads(request.content)["q"], *(int(request.url.params[n]) for n in ("limit", "offset"))
            )
        if "/metadata-catalog/" in request.url.path:
            return httpx.Response(200, json={"properties": self.document_fields})
        match = re.fullmatch(r"/services/rest/record/v1/(\w+)/eid:([A-Za-z0-9_-]+)", request.url.path)
        assert match, request.url.path
        record, key = match.groups()
        if request.method == "GET":
            held = self.records.get((record, key))
            return httpx.Response(200, json=held) if held else _error(404, "NONEXISTENT_ID", "does not exist")
        return self._put(record, key, json.loads(request.content), fault)

    def _put(self, record: str, key: str, sent: dict[str, Any], fault: str) -> httpx.Response:
        if sent.get("tranDate", "2026-12-31") < "2025-01-01":
            return _error(400, "USER_ERROR", "You cannot post to a closed period.")
        self.counter += 1
        held = self.records.setdefault((record, key), {"id": str(self.counter), "externalId": key})
        held.update(sent)
        rows = sent.get("item", {}).get("items", [])
        if rows:
            held["total"] = float(sum(Decimal(str(r["amount"])) for r in rows))
        if fault == "mutate":
            held["total"] = 0.01
        address = (
            f"https://x.suitetalk.api.netsuite.com/services/rest/record/v1/{record.lower()}/{held['id']}"
        )
        return httpx.Response(204, headers={"Location": address})

    def _query(self, text: str, limit: int, offset: int) -> httpx.Response:
        try:
            rows = run_query(text, self.tables, self.columns, _comparable)
        except UnknownColumn as error:
            return _error(400, "INVALID_PARAMETER", f"Invalid search query. Field '{error}' was not found.")
        shown = [
            {"links": [], **{k: str(v) for k, v in r.items() if v is not None}}
            for r in rows[offset : offset + limit]
        ]
        body = {
            "links": [], "count": len(shown), "hasMore": len(rows) > offset + limit, "items": shown, "offset": offset,
            "totalResults": len(rows),
        }  # fmt: skip
        return httpx.Response(200, json=body)


class NetSuiteRig(FakeRig):
    object = "customer"
    page_size = 3
    batches = False

    def __init__(self) -> None:
        self.fake: FakeNetSuite = FakeNetSuite()
        fake = self.fake
        self.usd = fake.put("currency", {"symbol": "USD"})
        self.us01 = fake.put(
            "subsidiary", {"externalid": "US01", "name": "US", "country": "US", "currency": self.usd}
        )
        self.net30 = fake.put("term", {"name": "Net 30", "daysuntilnetdue": "30"})
        secrets = {"client_id": "c", "certificate_id": "k", "private_key_pem": PEM}
        self.connector = connect({"account": "TEST_SB1", "page_size": 3}, secrets, fake.options())

    def add(self, count: int) -> list[str]:
        return [self.customer(f"C-{n}", f"Firm {n}") for n in range(count)]

    def customer(self, number: str, name: str) -> str:
        row = {
            "entityid": number, "companyname": name, "subsidiary": self.us01, "currency": self.usd, "terms": self.net30
        }  # fmt: skip
        return self.fake.put("customer", row)

    def touch(self, source_id: str) -> None:
        self.fake.change("customer", source_id, companyname=f"changed {self.fake.now}")

    def delete(self, source_id: str) -> None:
        self.fake.remove("customer", source_id, "customer")

    def hostile(self) -> Sequence[str]:
        return [self.customer(f"H-{n}", text) for n, text in enumerate(HOSTILE)]

    def remove_field(self) -> str:
        self.fake.columns["customer"].remove("terms")
        return "terms"

    def command(self, number: int) -> Command:
        lines = [
            {
                "line": n,
                "item": {"id": "5"},
                "quantity": 1.25,
                "rate": 100,
                "amount": 125.00,
                "description": "Work",
            }
            for n in (1, 2)
        ]
        body = {"tranId": f"INV-{number}", "tranDate": "2026-01-31", "item": {"items": lines}}
        return Command("upsert_invoice", f"INV-{number}", json.dumps(body).encode())

    def applied(self, command: Command) -> int:
        return sum(
            1 for record, key in self.fake.records if (record, key) == ("invoice", command.external_key)
        )


def _error(status: int, code: str, detail: str) -> httpx.Response:
    body = {"type": "about:blank", "title": "Error", "status": status}
    return httpx.Response(status, json={**body, "o:errorDetails": [{"detail": detail, "o:errorCode": code}]})


def _comparable(column: str, value: Any) -> Any:
    return (
        int(value)
        if column in ("id", "recordid", "previousdoc", "nextdoc", "daysuntilnetdue")
        else str(value or "")
    )
