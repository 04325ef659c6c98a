"""What all simulated vendors share: a request, an answer, and the ways in which an answer can go wrong."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from tieout.sandbox.exact import dumps, loads
from tieout.sandbox.world import Fault, Record, World

NOTHING = Fault("", {})


@dataclass(frozen=True)
class Call:
    """One request; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: Fault = NOTHING

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def origin(self) -> str:
        """`https://host:port` as the caller sees it."""
        return f"https://{self.headers.get('host', '127.0.0.1')}"

    @property
    def token(self) -> str:
        """The bearer token."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() in ("bearer", "oauth") else ""

    def json(self) -> Any:
        """The JSON body; ValueError when it is none."""
        try:
            return loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


@dataclass(frozen=True)
class Answer:
    """One answer. `drop` closes the connection before the body is complete; `hold_seconds` waits first."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    hold_seconds: float = 0


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON, numbers with their digits."""
    told = {"content-type": "application/json;charset=UTF-8", **(headers or {})}
    return Answer(status, dumps(value).encode(), told)


class Refused(Exception):
    """The vendor refuses; carries its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Simulator(ABC):
    """One vendor. Subclasses serve; this class signs in, counts, and misbehaves on demand."""

    name: ClassVar[str]
    sign_in_path: ClassVar[str] = ""

    def __init__(self, world: World, credentials: Mapping[str, str]) -> None:
        self.world, self.credentials = world, credentials
        self.tokens: set[str] = set()
        self._earlier: dict[str, list[tuple[str, Answer]]] = {}

    # --- what a vendor says in its own words ----------------------------------------------------------

    @abstractmethod
    def serve(self, call: Call) -> Answer:
        """The answer of a signed-in call."""

    @abstractmethod
    def sign_in(self, call: Call) -> Answer:
        """A token for good credentials."""

    @abstractmethod
    def refusal(self, status: int, code: str, message: str) -> Answer:
        """An error in the vendor's envelope."""

    @abstractmethod
    def unauthorized(self) -> Answer:
        """The token is none or has run out."""

    @abstractmethod
    def throttled(self) -> Answer:
        """The budget is spent, in the vendor's dialect (without Retry-After)."""

    def is_write(self, call: Call) -> bool:
        """Whether a call changes something."""
        return call.method != "GET"

    def is_token(self, token: str) -> bool:
        """Whether a bearer token is good."""
        return token in self.tokens

    # --- one request ----------------------------------------------------------------------------------

    def handle(self, call: Call) -> Answer:
        """Sign in, or check the token, meet a scripted fault, serve."""
        if self.sign_in_path and call.path == self.sign_in_path:
            return self._served(call, self.sign_in)
        if not self.is_token(call.token):
            return self.unauthorized()
        fault = self.world.take_fault(self.name, call.method, self._place(call))
        return self._served(call, self.serve) if fault is None else self._misbehave(call, fault)

    def apply_late(self, method: str, path: str, body: bytes) -> Answer:
        """Apply a write that was taken earlier."""
        return self._served(Call(method, path, "", {}, body), self.serve)

    def _served(self, call: Call, serve: Any) -> Answer:
        try:
            answer: Answer = serve(call)
        except Refused as refused:
            return refused.answer
        if answer.status == 200:
            self._remember(self._family(call), call.path + call.query, answer)
        return answer

    def _remember(self, family: str, place: str, answer: Answer) -> None:
        """Keep the last two answers of a kind to different requests, for the day they are mixed up."""
        kept = [(p, a) for p, a in self._earlier.get(family, []) if p != place]
        self._earlier[family] = [*kept[-1:], (place, answer)]

    def _misbehave(self, call: Call, fault: Fault) -> Answer:
        detail = fault.detail
        if fault.kind == "fail_before_apply":
            status = int(detail.get("status", 500))
            if "code" in detail:
                return self.refusal(status, str(detail["code"]), str(detail.get("message", "refused")))
            return Answer(status, b"<h1>broken</h1>", {"content-type": "text/html"})
        if fault.kind == "rate_limited":
            answer = self.throttled()
            after = detail.get("retry_after")
            return (
                answer
                if after is None
                else replace(answer, headers={**answer.headers, "retry-after": str(after)})
            )
        if fault.kind == "expired_token":
            self.tokens.clear()
            return self.unauthorized()
        if fault.kind == "drop":
            return Answer(drop=True)
        if fault.kind == "apply_late":
            due = self.world.now() + timedelta(seconds=float(detail.get("seconds", 300)))
            self.world.add_late(due, self.name, call.method, call.path, call.body)
            return Answer(drop=True)
        if fault.kind == "slow":
            time.sleep(float(detail.get("seconds", 1)))
        if fault.kind == "swap":
            return self._swapped(call)
        return self._spoil(self._served(replace(call, fault=fault), self.serve), fault)

    def _swapped(self, call: Call) -> Answer:
        """The answer that belongs to another request of the same kind (a proxy mixed them up)."""
        answer = self._served(call, self.serve)
        others = self._earlier.get(self._family(call), [])
        return others[0][1] if len(others) == 2 else answer

    def _spoil(self, answer: Answer, fault: Fault) -> Answer:
        """What becomes of a good answer on its way."""
        if fault.kind == "apply_then_fail":
            return Answer(int(fault.detail.get("status", 500)))
        if fault.kind == "apply_then_timeout":
            return Answer(drop=True, hold_seconds=float(fault.detail.get("hold_seconds", 0)))
        if fault.kind == "html_body":
            page = b"<html><body>Please sign in</body></html>"
            return Answer(200, page, {"content-type": "text/html"})
        if fault.kind == "truncated_json":
            return Answer(200, (answer.body or b'{"id":"1","x":[')[:-3] or b"{", answer.headers)
        if fault.kind == "error_body":
            return replace(self.refusal(200, "UNKNOWN_EXCEPTION", "not done"), status=200)
        return answer

    def _place(self, call: Call) -> str:
        """What the path pattern of a fault is held against: `read PATH?QUERY` or `write PATH`."""
        kind = "write" if self.is_write(call) else "read"
        return f"{kind} {call.path}{'?' + call.query if call.query else ''}"

    def _family(self, call: Call) -> str:
        return call.method + " " + re.sub(r"[^/]+$", "", call.path)

    def lag(self, call: Call, type: str, id: str) -> None:
        """Scripted: look-ups do not find what this write made until some seconds of the sandbox clock later."""
        if call.fault.kind == "lookup_lag":
            until = self.world.now() + timedelta(seconds=float(call.fault.detail.get("seconds", 60)))
            self.world.hide(self.name, type, id, until)

    def visible(self, record: Record) -> bool:
        """Whether look-ups find a record already."""
        return record.visible_from is None or record.visible_from <= self.world.now()

    # --- drift ----------------------------------------------------------------------------------------

    def drifted(self, type: str, fields: dict[str, Any]) -> dict[str, Any]:
        """A record's fields as the vendor states them since its last release."""
        for change in self.world.standing(self.name, "drift"):
            if change.get("type", type) != type:
                continue
            for name in change.get("remove", []):
                fields.pop(name, None)
            for old, new in change.get("rename", {}).items():
                if old in fields:
                    fields[new] = fields.pop(old)
            fields.update(change.get("add", {}))
        return fields

    def removed(self, type: str) -> set[str]:
        """Names that the vendor no longer knows."""
        gone: set[str] = set()
        for change in self.world.standing(self.name, "drift"):
            if change.get("type", type) == type:
                gone |= {*change.get("remove", []), *change.get("rename", {})}
        return gone

    def added(self, type: str) -> dict[str, Any]:
        """Names that are new, with their values."""
        new: dict[str, Any] = {}
        for change in self.world.standing(self.name, "drift"):
            if change.get("type", type) == type:
                new |= dict.fromkeys(change.get("rename", {}).values()) | change.get("add", {})
        return new
