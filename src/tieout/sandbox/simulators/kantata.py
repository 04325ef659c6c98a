"""Kantata OX: envelopes, paging, subscribed events, external references, custom field values.

Every answer is `{"count", "results": [{"key", "id"}], "<plural>": {id: {...}}, "meta"}`; order and membership come only
from `results`. Errors are `{"errors": [{"type", "message", "attribute"}]}`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import or_

from tieout.sandbox.simulators.common import Answer, Call, Refused, Simulator, json_answer
from tieout.sandbox.simulators.kantata_rules import STATUSES, check
from tieout.sandbox.tables import record as table
from tieout.sandbox.world import Record

SINGULAR = {
    "users": "user", "workspaces": "workspace", "stories": "story", "time_entries": "time_entry", "roles": "role",
    "external_references": "external_reference", "custom_field_values": "custom_field_value",
    "subscribed_events": "subscribed_event",
}  # fmt: skip
PLURAL = {singular: plural for plural, singular in SINGULAR.items()}
INCLUDES = {
    "user": ("user", "user_id"), "workspace": ("workspace", "workspace_id"), "story": ("story", "story_id"),
    "role": ("role", "role_id"), "default_role": ("role", "default_role_id"),
}  # fmt: skip
EQUAL = {
    "workspace_id", "user_id", "story_id", "subject_type", "subject_id", "service_name", "service_model",
    "service_model_ref", "title", "story_type", "custom_field_name",
}  # fmt: skip
FLAGS = {"billable", "approved", "archived"}
DEFAULT_PAGE, LARGEST_PAGE = 20, 200
EVENTS_KEPT = timedelta(days=9)
_PATH = re.compile(r"^/api/v1/([a-z_]+)(?:/(\d+))?(?:\.json)?$")


class Kantata(Simulator):
    """One account."""

    name: ClassVar[str] = "kantata"

    def sign_in(self, call: Call) -> Answer:
        """Tokens are made in the vendor's screens and do not expire."""
        raise Refused(self.refusal(404, "system", "Not found"))

    def is_token(self, token: str) -> bool:
        """The account's one token."""
        return hmac.compare_digest(token.encode(), self.credentials["token"].encode())

    def refusal(self, status: int, code: str, message: str, attribute: str | None = None) -> Answer:
        """`{"errors": [{"type", "message", "attribute"}]}`."""
        error: dict[str, Any] = {"type": code, "message": message}
        return json_answer({"errors": [error | ({"attribute": attribute} if attribute else {})]}, status)

    def unauthorized(self) -> Answer:
        """401."""
        return self.refusal(401, "oauth", "Invalid OAuth 2 Request")

    def throttled(self) -> Answer:
        """429 without Retry-After."""
        return self.refusal(429, "rate_limit", "Too many requests: retry after a small delay")

    def serve(self, call: Call) -> Answer:
        """One call of the API."""
        match = _PATH.match(call.path)
        if match is None or match[1] not in SINGULAR:
            raise Refused(self.refusal(404, "system", "Not found"))
        plural, id = match[1], match[2]
        if call.method == "GET":
            params = call.params if id is None else {"ids": id, "only": id}
            return self._list(plural, params, shuffled=call.fault.kind == "shuffled")
        if plural in ("subscribed_events", "roles"):
            raise Refused(self.refusal(403, "system", "You may not change this"))
        if call.method == "POST" and id is None:
            return self._save(call, SINGULAR[plural], None)
        if call.method == "PUT" and id is not None:
            return self._save(call, SINGULAR[plural], self._held(SINGULAR[plural], id))
        if call.method == "DELETE" and id is not None:
            held = self._held(SINGULAR[plural], id)
            with self.world.transaction():
                self.world.delete("kantata", held.type, id)
                self._note(call, held.type, id, "")
            return Answer(204)
        raise Refused(self.refusal(405, "system", "Method not allowed"))

    # --- reading --------------------------------------------------------------------------------------

    def _list(self, plural: str, params: Mapping[str, str], *, shuffled: bool) -> Answer:
        size = min(max(_whole(params.get("per_page"), DEFAULT_PAGE), 1), LARGEST_PAGE)
        page = max(_whole(params.get("page"), 1), 1)
        column, _, direction = params.get("order", "created_at:asc").partition(":")
        order = table.c.modified_at if column == "updated_at" else table.c.created_at
        conditions = self._conditions(plural, params)
        records, count = self.world.where(
            "kantata", SINGULAR[plural], conditions, limit=size, offset=(page - 1) * size,
            newest_first=direction == "desc", order=order,
        )  # fmt: skip
        if "only" in params and not records:
            raise Refused(self.refusal(404, "system", "Record not found"))
        records = records[::-1] if shuffled else records
        include = [i for i in params.get("include", "").split(",") if i in INCLUDES]
        return self._envelope(records, plural, count, page, size, include)

    def _conditions(self, plural: str, params: Mapping[str, str]) -> list[Any]:
        c = table.c
        found: list[Any] = (
            [c.created_at >= self.world.now() - EVENTS_KEPT] if plural == "subscribed_events" else []
        )
        if "ids" not in params:
            found.append(or_(c.visible_from.is_(None), c.visible_from <= self.world.now()))
        for name, value in params.items():
            if name == "ids":
                found.append(c.id.in_(value.split(",")))
            elif name == "event_types":
                found.append(c.fields["event_type"].astext.in_(value.split(",")))
            elif name in EQUAL:
                found.append(c.fields.contains({name: value}))
            elif name in FLAGS:
                found.append(c.fields.contains({name: value == "true"}))
            elif name in ("updated_after", "updated_before", "created_after", "created_before"):
                moment, column = self._moment(value, name), c.modified_at if name[0] == "u" else c.created_at
                found.append(column > moment if name.endswith("after") else column < moment)
            elif name == "date_performed_between":
                first, _, last = value.partition(":")
                found.append(c.fields["date_performed"].astext.between(first, last))
            elif name == "search":
                found.append(c.fields["title"].astext.icontains(value, autoescape=True))
        return found

    def _moment(self, text: str, name: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Refused(self.refusal(422, "validation", "is not a moment in ISO 8601", name))
        return moment

    def _held(self, type: str, id: str) -> Record:
        held = self.world.get("kantata", type, id)
        if held is None:
            raise Refused(self.refusal(404, "system", "Record not found"))
        return held

    def _envelope(
        self, records: Sequence[Record], plural: str, count: int, page: int = 1, size: int = DEFAULT_PAGE,
        include: Sequence[str] = (),
    ) -> Answer:  # fmt: skip
        body: dict[str, Any] = {
            "count": count, "results": [{"key": plural, "id": r.id} for r in records],
            plural: {r.id: self._shown(r) for r in sorted(records, key=lambda r: r.id, reverse=True)},
        }  # fmt: skip
        for name in include:
            type, column = INCLUDES[name]
            wanted = {str(r.fields[column]) for r in records if r.fields.get(column) is not None}
            beside, _ = self.world.where("kantata", type, [table.c.id.in_(wanted)])
            body.setdefault(PLURAL[type], {}).update({r.id: self._shown(r) for r in beside})
        pages = -(-count // size)
        body["meta"] = {"count": count, "page_count": pages, "page_number": page, "page_size": size}
        return json_answer(body)

    def _shown(self, record: Record) -> dict[str, Any]:
        shown = {
            "id": record.id, **record.fields, "created_at": stamp(record.created_at),
            "updated_at": stamp(record.modified_at),
        }  # fmt: skip
        return self.drifted(record.type, shown)

    # --- writing --------------------------------------------------------------------------------------

    def _save(self, call: Call, type: str, held: Record | None) -> Answer:
        values = self._body(call, type)
        with self.world.transaction():
            problem = check(self.world, type, values, held)
            if problem is not None:
                raise Refused(self.refusal(422, "validation", problem.message, problem.attribute))
            values = {**_defaults(type, held), **_normal(type, values)}
            if call.fault.kind == "mutate":
                values |= call.fault.detail.get("fields", {})
            id = self.world.put("kantata", type, values, held.id if held else None, by="api")
            self.lag(call, type, id)
            self._note(call, type, id, str(values.get("service_model_ref", "")))
            made = self._held(type, id)
        return self._envelope([made], PLURAL[type], 1)

    def _note(self, call: Call, type: str, id: str, key: str) -> None:
        self.world.record_write("kantata", call.method, call.path, type, id, key, call.body)

    def _body(self, call: Call, type: str) -> dict[str, Any]:
        try:
            body: Any = call.json()
        except ValueError:
            body = None
        values = body.get(type) if isinstance(body, dict) else None
        if not isinstance(values, dict):
            raise Refused(self.refusal(400, "system", f"param is missing or the value is empty: {type}"))
        return {
            name: value for name, value in values.items() if name not in ("id", "created_at", "updated_at")
        }


def stamp(value: datetime) -> str:
    """`2026-01-31T12:00:00.000+00:00`."""
    return value.isoformat(timespec="milliseconds")


def _normal(type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """As Kantata keeps it: ids as text, a status with its key."""
    kept = {n: str(v) if n.endswith("_id") and v is not None else v for n, v in values.items()}
    status = kept.get("status")
    if type == "workspace" and isinstance(status, Mapping):
        message = str(status.get("message"))
        kept["status"] = {"key": STATUSES[message], "message": message}
    return kept


def _defaults(type: str, held: Record | None) -> dict[str, Any]:
    if held is not None:
        return {}
    if type == "workspace":
        status = {"key": STATUSES["Not Started"], "message": "Not Started"}
        return {"currency": "USD", "archived": False, "price_in_cents": None, "status": status}
    if type == "story":
        return {"state": "not started", "story_type": "task"}
    if type == "time_entry":
        return {"billable": True, "approved": False, "notes": "", "story_id": None, "role_id": None}
    return {}


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default
