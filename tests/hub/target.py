"""A target with a ledger of its own that answers as scripted, and a bench that delivers to it on the injected clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select

from tests.hub.builders import MOMENT
from tieout.connectors.kit.interface import (
    AuthFailed,
    BatchRow,
    Command,
    Conflict,
    ConnectorError,
    Difference,
    Drift,
    RateLimited,
    Receipt,
    Rejected,
    Retryable,
    UnknownOutcome,
)
from tieout.connectors.kit.manifest import Manifest
from tieout.hub import outbox
from tieout.hub.outbox import Delivery, NewIntent
from tieout.store import clock, tables
from tieout.store import outbox as store

LAG, SERVER = 60, 300


def manifest(**writes: Mapping[str, Any]) -> Manifest:
    """A declaration with the operations of these tests."""
    undo = {"inverse": "void_invoice"}
    none = {"no_inverse_because": "a test has none"}
    declared: dict[str, Any] = {
        "upsert_invoice": {
            "record": "invoice",
            "idempotency": "external_ref_unique",
            "batch": True,
            "lookup_lag_seconds": LAG,
        }
        | undo,
        "void_invoice": {"record": "invoice", "idempotency": "natural"} | none,
        "set_status": {"record": "invoice", "idempotency": "natural"} | none,
        "blind": {"record": "invoice", "idempotency": "none"} | none,
    }
    return Manifest.model_validate(
        {
            "manifest": 1, "name": "ledger", "title": "Ledger", "api_version": "1", "releases": "never", "docs": "-",
            "region": "-", "hosts": ["ledger.example"], "sign_in": {"kind": "bearer", "secrets": ["token"]},
            "max_server_seconds": SERVER, "batch": {"size": 10}, "limits": {"page_size": 10}, "objects": {},
            "writes": declared | writes, "errors": [],
        }
    )  # fmt: skip


@dataclass
class Record:
    """One record of the target."""

    id: str
    key: str
    body: bytes
    applied_at: datetime
    live: bool = True


@dataclass
class Target:
    """Creates a record at every send: whoever sends twice makes two. `script` says how the next sends end."""

    engine: Engine
    manifest: Manifest
    script: list[Any] = field(default_factory=list)
    reading: list[Any] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    calls: list[tuple[datetime, str, str]] = field(default_factory=list)
    lag_seconds: int = 0
    during: Callable[[], None] | None = None

    def now(self) -> datetime:
        assert self.engine.pool.checkedout() == 0, "no call while a transaction is open"  # type: ignore[attr-defined]
        with self.engine.begin() as conn:
            return clock.now(conn)

    def live(self, key: str) -> list[Record]:
        return [r for r in self.records if r.key == key and r.live]

    def _put(self, command: Command, after: int = 0) -> Record:
        if command.operation in ("void_invoice", "set_status"):
            held = self.live(command.external_key)
            for one in held:
                one.live = command.operation != "void_invoice"
            return next(r for r in self.records if r.key == command.external_key)
        record = Record(
            f"T-{len(self.records) + 1}",
            command.external_key,
            command.body,
            self.now() + timedelta(seconds=after),
        )
        self.records.append(record)
        return record

    def apply(self, command: Command) -> Receipt:
        self.calls.append((self.now(), "send", command.external_key))
        if self.during is not None:
            during, self.during = self.during, None
            during()
        return self._answer(command, self.script.pop(0) if self.script else "ok")

    def _answer(self, command: Command, how: Any) -> Receipt:
        if isinstance(how, ConnectorError):
            raise how
        name, _, seconds = str(how).partition(":")
        if name == "timeout":
            raise UnknownOutcome("no answer")
        record = self._put(command, int(seconds or 0))
        if name in ("apply_then_timeout", "apply_late"):
            raise UnknownOutcome("no answer")
        if name == "apply_then_drift":
            raise Drift("an HTML page")
        if name == "swap":
            return Receipt(record.id, "ANOTHER-KEY")
        if name == "mutate":
            record.body += b" rounded"
        return Receipt("" if name == "no_id" else record.id, command.external_key, {"record": "invoice"})

    def apply_batch(self, operation: str, commands: Sequence[Command]) -> list[BatchRow]:
        self.calls.append((self.now(), "batch", ",".join(c.external_key for c in commands)))
        scripted = dict(self.script.pop(0)) if self.script else {}
        if scripted.get("lost"):
            for command in commands[: int(scripted["lost"])]:
                self._put(command)
            raise UnknownOutcome("no answer")
        rows = []
        for command in commands:
            try:
                receipt = self._answer(command, scripted.get(command.external_key, "ok"))
                rows.append(BatchRow(command.external_key, receipt, None))
            except ConnectorError as error:
                rows.append(BatchRow(command.external_key, None, error))
        return [row for row in reversed(rows) if row.external_key != scripted.get("left_out")]

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        self.calls.append((self.now(), "look_up", external_key))
        if self.reading:
            raise self.reading.pop(0)
        seen = self.now() - timedelta(seconds=self.lag_seconds)
        found = [r for r in self.live(external_key) if r.applied_at <= seen]
        return Receipt(found[0].id, external_key) if found else None

    def read_back(self, command: Command, receipt: Receipt) -> list[Difference]:
        self.calls.append((self.now(), "read_back", command.external_key))
        if self.reading:
            raise self.reading.pop(0)
        held = next((r for r in self.records if r.id == receipt.target_id), None)
        if held is None:
            return [Difference("record", receipt.target_id, "nothing")]
        same = held.key == command.external_key and held.body == command.body
        return [] if same else [Difference("body", command.body.decode(), held.body.decode())]

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        undo = self.manifest.writes[command.operation].inverse
        return None if undo is None else Command(undo, command.external_key, b'{"void":true}')


@dataclass
class Bench:
    """The outside of a delivery: one connection `ledger` to one scripted target."""

    engine: Engine
    target: Target

    def connector(self, name: str) -> Any:
        assert name == "ledger"
        return self.target

    @property
    def now(self) -> datetime:
        with self.engine.begin() as conn:
            return clock.now(conn)

    def advance(self, moment: datetime) -> None:
        with self.engine.begin() as conn:
            clock.set_now(conn, moment)

    def put(self, key: str = "INV-1", body: bytes = b'{"total":"10.00"}', **more: Any) -> str:
        with self.engine.begin() as conn:
            return outbox.put(conn, [intent(key, body, **more)])[0]

    def deliver(self, one: str) -> Delivery:
        return outbox.deliver(self, one)

    def until_ended(self, one: str, passes: int = 8) -> Delivery:
        """Go on at each due moment, as the flows do."""
        for _ in range(passes):
            stands = self.deliver(one)
            if stands.due_at is None:
                return stands
            self.advance(max(self.now, stands.due_at))
        raise AssertionError(f"{stands} after {passes} passes: {self.target.calls}")

    def exceptions(self) -> dict[tuple[str, str], str]:
        """State of every exception by kind and key."""
        columns = tables.exception.c
        with self.engine.begin() as conn:
            rows = conn.execute(select(columns.kind, columns.key, columns.state))
            return {(row.kind, row.key): row.state for row in rows}

    def open(self) -> set[tuple[str, str]]:
        return {name for name, state in self.exceptions().items() if state not in ("resolved", "waived")}

    def attempts(self, one: str) -> list[tuple[str, str]]:
        with self.engine.begin() as conn:
            return [(a["action"], a["outcome"]) for a in store.attempts(conn, one)]


def intent(key: str = "INV-1", body: bytes = b'{"total":"10.00"}', **more: Any) -> NewIntent:
    """An invoice to post."""
    operation = more.pop("operation", "upsert_invoice")
    fields = {"revision": 1, "external_key": key, "contract": "K-1", "currency": "USD"} | more
    return NewIntent("ledger", operation, "invoice", key, body=body, **fields)


def bench(engine: Engine, budget: int = 6000, **writes: Mapping[str, Any]) -> Bench:
    """A bench on a fresh database."""
    with engine.begin() as conn:
        clock.set_now(conn, MOMENT)
        conn.execute(
            insert(tables.connection).values(
                name="ledger", connector="ledger", config={}, budget_per_minute=budget
            )
        )
    return Bench(engine, Target(engine, manifest(**writes)))


__all__ = [
    "LAG", "SERVER", "AuthFailed", "Bench", "Conflict", "RateLimited", "Rejected", "Retryable", "Target", "bench",
    "intent",
]  # fmt: skip
