"""Kantata in memory: envelopes, updated_after, subscribed events, external references, custom field values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tests.connectors.fakes.common import HOSTILE, Fake, FakeRig
from tieout.connectors.kantata.client import connect
from tieout.connectors.kit.interface import Command

URL = "https://api.mavenlink.com"
SINGULAR = {
    "users": "user", "workspaces": "workspace", "stories": "story", "time_entries": "time_entry", "roles": "role",
    "external_references": "external_reference", "custom_field_values": "custom_field_value",
    "subscribed_events": "subscribed_event",
}  # fmt: skip


class FakeKantata(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.valid_tokens = {"long-lived"}
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in SINGULAR}
        self.hidden: set[str] = set()
        self.counter = 0

    def put(self, table: str, record: dict[str, Any]) -> str:
        self.counter += 1
        stamp = self._stamp()
        self.tables[table].append(
            {"id": str(self.counter), **record, "updated_at": stamp, "created_at": stamp}
        )
        return str(self.counter)

    def change(self, table: str, source_id: str, **values: Any) -> dict[str, Any]:
        record = next(r for r in self.tables[table] if r["id"] == source_id)
        record.update(values, updated_at=self._stamp())
        return record

    def remove(self, table: str, source_id: str) -> None:
        self.tables[table] = [r for r in self.tables[table] if r["id"] != source_id]
        event = {
            "event_type": f"{SINGULAR[table]}:deleted",
            "subject_type": SINGULAR[table],
            "subject_id": source_id,
        }
        self.put("subscribed_events", {**event, "subject_changed_at": self._stamp()})

    def _stamp(self) -> str:
        return self.tick().isoformat(timespec="milliseconds")

    def is_sign_in(self, request: httpx.Request) -> bool:
        return False

    def signed_in(self, token: str) -> httpx.Response:
        raise AssertionError("tokens of Kantata are made in its screens")

    def refused(self) -> httpx.Response:
        return httpx.Response(401, json={"errors": [{"type": "oauth", "message": "Invalid OAuth 2 Request"}]})

    def throttled(self) -> httpx.Response:
        return httpx.Response(429, json={"errors": [{"type": "rate_limit", "message": "slow down"}]})

    def serve(self, request: httpx.Request, fault: str) -> httpx.Response:
        parts = request.url.path.removeprefix("/api/v1/").removesuffix(".json").split("/")
        table = parts[0]
        if request.method == "GET":
            return self._list(table, dict(request.url.params))
        record = json.loads(request.content)[SINGULAR[table]]
        if fault == "mutate" and table == "workspaces":
            record["currency"] = "EUR"
        if isinstance(record.get("status"), dict):
            record["status"] = {"key": "x", **record["status"]}
        if request.method == "POST":
            if not record.get("title", "x"):
                error = {"type": "validation", "message": "can't be blank", "attribute": "title"}
                return httpx.Response(422, json={"errors": [error]})
            record_id = self.put(table, record)
        else:
            record_id = parts[1]
            self.change(table, record_id, **record)
        return self._envelope(table, [next(r for r in self.tables[table] if r["id"] == record_id)])

    def _list(self, table: str, params: dict[str, str]) -> httpx.Response:
        rows = self.tables[table]
        filters: dict[str, Callable[[dict[str, Any], str], bool]] = {
            "ids": lambda r, v: r["id"] in v.split(","),
            "updated_after": lambda r, v: r["updated_at"] > v.replace("Z", "+00:00"),
            "created_after": lambda r, v: r["created_at"] > v.replace("Z", "+00:00"),
            "event_types": lambda r, v: r["event_type"] in v.split(","),
            "search": lambda r, v: v in r["title"],
        }
        for name, value in params.items():
            if name in ("per_page", "page", "order"):
                continue
            test = filters.get(name, lambda r, v, n=name: str(r.get(n)) == v)
            rows = [r for r in rows if test(r, value)]
        column = params.get("order", "created_at:asc").split(":")[0]
        rows = sorted(rows, key=lambda r: r[column])
        if table == "subscribed_events":
            rows = rows[::-1]
        size, page = int(params["per_page"]), int(params.get("page", 1))
        return self._envelope(table, rows[(page - 1) * size : page * size], len(rows))

    def _envelope(self, table: str, rows: list[dict[str, Any]], count: int = 1) -> httpx.Response:
        shown = [{k: v for k, v in r.items() if k not in self.hidden} for r in rows]
        body = {
            "count": count, "results": [{"key": table, "id": r["id"]} for r in rows],
            table: {r["id"]: r for r in sorted(shown, key=lambda r: r["id"], reverse=True)},
            "meta": {"count": count},
        }  # fmt: skip
        return httpx.Response(200, json=body)


class KantataRig(FakeRig):
    object = "time_entry"
    page_size = 3
    batches = False

    def __init__(self) -> None:
        self.fake: FakeKantata = FakeKantata()
        secrets = {"token": "long-lived", "webhook_secret": "s3cret"}
        self.connector = connect({"url": URL, "page_size": 3}, secrets, self.fake.options())
        self.role = self.fake.put("roles", {"name": "Consultant II"})

    def add(self, count: int) -> list[str]:
        entry = {
            "workspace_id": "10", "user_id": "20", "date_performed": "2026-01-05", "time_in_minutes": 75,
            "billable": True, "approved": True, "notes": "work", "story_id": None, "role_id": self.role,
        }  # fmt: skip
        return [self.fake.put("time_entries", entry) for _ in range(count)]

    def touch(self, source_id: str) -> None:
        self.fake.change("time_entries", source_id, time_in_minutes=90)

    def delete(self, source_id: str) -> None:
        self.fake.remove("time_entries", source_id)

    def hostile(self) -> Sequence[str]:
        ids = self.add(len(HOSTILE))
        for source_id, text in zip(ids, HOSTILE, strict=True):
            self.fake.change("time_entries", source_id, notes=text)
        return ids

    def remove_field(self) -> str:
        self.fake.hidden.add("billable")
        return "billable"

    def expire_tokens(self) -> bool:
        return False

    def command(self, number: int) -> Command:
        workspace = {"title": f"Roll-out [P-{number}]", "currency": "USD", "start_date": "2026-01-01"}
        body = {"workspace": workspace, "stories": ["Delivery", "Management"]}
        return Command("create_project", f"P-{number}", json.dumps(body).encode())

    def applied(self, command: Command) -> int:
        return sum(1 for w in self.fake.tables["workspaces"] if f"[{command.external_key}]" in w["title"])
