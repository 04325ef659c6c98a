"""Small in-memory vendors behind httpx.MockTransport: enough of each dialect for the conformance suite."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tieout.connectors.kit.http import HttpOptions

HOSTILE = (
    "O'Brien \\ Söhne",
    '"><script>alert(1)</script>',
    '=HYPERLINK("x")',
    "日本語 🧾 \u202e",
    "a AND b = 'c'",
    "[X]",
)
CLOCK = datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC)


@dataclass
class Fault:
    behaviour: str
    write: bool
    times: int


class Fake(ABC):
    """One vendor: requests, faults, clock."""

    def __init__(self) -> None:
        self.now = CLOCK
        self.faults: list[Fault] = []
        self.requests: list[httpx.Request] = []
        self.valid_tokens: set[str] = set()
        self.issued = 0

    def options(self) -> HttpOptions:
        return HttpOptions(
            transport=httpx.MockTransport(self.handle),
            resolve=lambda h, p: ["93.184.215.14"],
            clock=lambda: CLOCK,
        )

    def tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def handle(self, request: httpx.Request) -> httpx.Response:
        if self.is_sign_in(request):
            self.issued += 1
            token = f"token-{self.issued}"
            self.valid_tokens.add(token)
            return self.signed_in(token)
        self.requests.append(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.valid_tokens:
            return self.refused()
        fault = self._fault(self.is_write(request))
        if fault == "refuse_connection":
            raise httpx.ConnectError("refused")
        if fault == "fail_before_apply":
            return httpx.Response(500, html="<h1>broken</h1>")
        if fault == "throttle":
            return self.throttled()
        answer = self.serve(request, fault)
        if fault == "apply_then_fail":
            return httpx.Response(500, text="")
        if fault == "apply_then_timeout":
            raise httpx.ReadTimeout("no answer")
        if fault == "html_body":
            return httpx.Response(200, html="<html><body>Please sign in</body></html>")
        if fault == "truncated_json":
            return httpx.Response(200, content=(answer.content or b'{"id":"1","x":[')[:-3] or b"{")
        return answer

    def _fault(self, write: bool) -> str:
        for fault in self.faults:
            if fault.write == write and fault.times > 0:
                fault.times -= 1
                return fault.behaviour
        return ""

    def is_sign_in(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/token")

    def is_write(self, request: httpx.Request) -> bool:
        return request.method != "GET"

    @abstractmethod
    def signed_in(self, token: str) -> httpx.Response:
        """A token for good credentials."""

    @abstractmethod
    def refused(self) -> httpx.Response:
        """The token is none or has run out."""

    @abstractmethod
    def throttled(self) -> httpx.Response:
        """The budget is spent, in the vendor's dialect."""

    @abstractmethod
    def serve(self, request: httpx.Request, fault: str) -> httpx.Response:
        """The answer of a signed-in call."""


class FakeRig(ABC):
    """The parts of a Rig that are the same for all fakes."""

    fake: Fake

    @abstractmethod
    def add(self, count: int) -> list[str]:
        """People make records; their ids."""

    def add_late(self, seconds: int) -> str:
        newest, self.fake.now = self.fake.now, self.fake.now - timedelta(seconds=seconds)
        (source_id,) = self.add(1)
        self.fake.now = newest
        return source_id

    def fault(self, behaviour: str, *, write: bool, times: int = 1) -> None:
        self.fake.faults.append(Fault(behaviour, write, times))

    def expire_tokens(self) -> bool:
        self.fake.valid_tokens.clear()
        return True

    def bodies(self) -> Sequence[bytes]:
        return [r.content for r in self.fake.requests if self.fake.is_write(r)]

    def calls(self) -> int:
        return len(self.fake.requests)


_QUERY = re.compile(r"SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY ([\w, ]+))?$", re.S)
_CONDITION = re.compile(
    r"(\w+)\s*(>=|<=|!=|=|>|<|IN)\s*"
    r"(TO_\w+\('[^']*', '[^']*'\)|\([^)]*\)|'(?:[^'\\]|''|\\.)*'|[\w:.\-]+)(?: AND |$)",
    re.S,
)


class UnknownColumn(Exception):
    pass


def run_query(
    text: str, tables: dict[str, list[dict[str, Any]]], columns: dict[str, set[str]],
    comparable: Callable[[str, Any], Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of the small SQL both vendors speak; `comparable(column, value)` makes values comparable."""
    match = _QUERY.match(text)
    assert match, text
    names, table, where, order = match.groups()
    wanted = [n.strip() for n in names.split(",")]
    for name in wanted:
        if name not in columns[table]:
            raise UnknownColumn(name)
    rows = tables[table]
    for column, operator, value in _conditions(where or ""):
        rows = [
            r for r in rows if _holds(comparable(column, r.get(column)), operator, column, value, comparable)
        ]
    for column in reversed([o.strip() for o in (order or "").split(",") if o.strip()]):
        rows = sorted(rows, key=lambda r: comparable(column, r.get(column)))
    return [{n: r[n] for n in wanted if n in r} for r in rows]


def _conditions(where: str) -> list[tuple[str, str, Any]]:
    found, at = [], 0
    while at < len(where):
        match = _CONDITION.match(where, at)
        assert match, where[at:]
        column, operator, value = match.groups()
        found.append((column, operator, _value(value)))
        at = match.end()
    return found


def _value(text: str) -> Any:
    if text.startswith("TO_"):
        return text.split("'")[1]
    if text.startswith("("):
        return [_value(part.strip()) for part in text[1:-1].split(",")]
    if text.startswith("'"):
        return re.sub(r"\\(.)|''", lambda m: m.group(1) or "'", text[1:-1])
    return text


def _holds(held: Any, operator: str, column: str, value: Any, comparable: Callable[[str, Any], Any]) -> bool:
    if operator == "IN":
        return held in [comparable(column, v) for v in value]
    wanted = comparable(column, value)
    return {
        "=": held == wanted, "!=": held != wanted, ">": held > wanted, "<": held < wanted, ">=": held >= wanted,
        "<=": held <= wanted,
    }[operator]  # fmt: skip
