"""What every connector is: a source of changes, a target of commands, a receiver of webhooks.

A connector knows one outside system and nothing else: no business rule, no SQL, no other connector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol


@dataclass(frozen=True)
class Change:
    """One version of one source record, as the source stated it.

    `source_version` sorts as text: a later version of the same record compares greater.
    `document` is the source's record (numbers as Decimal or text, never float); `raw` the exact bytes.
    `tombstone` marks a deletion: it beats every version at or below its own.
    """

    object: str
    source_id: str
    source_version: str
    observed_at: datetime
    document: Mapping[str, Any]
    raw: bytes
    tombstone: bool = False


@dataclass(frozen=True)
class Page:
    """One page of changes and the cursor that a next call continues from. `more` = ask again at once."""

    changes: Sequence[Change]
    cursor: str
    more: bool


@dataclass(frozen=True)
class Hint:
    """What a webhook says: something about this record may have changed. It carries no facts."""

    event_id: str
    object: str
    source_id: str


@dataclass(frozen=True)
class Command:
    """One frozen intent for a target: `body` are the exact bytes of every attempt.

    `external_key` is the deterministic key under which the target stores the record (letters, digits, `_`, `-`).
    `operation` is one of the manifest's `writes`, e.g. `upsert_invoice`.
    """

    operation: str
    external_key: str
    body: bytes


@dataclass(frozen=True)
class Receipt:
    """The target's acknowledgement: its own id for the record, and what it said (small, no secrets)."""

    target_id: str
    external_key: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One field that the target holds differently from what was sent (found by read-back)."""

    field: str
    sent: str
    held: str


@dataclass(frozen=True)
class ReportedFact:
    """One keyed fact of a tie-out report: a document, account balance or posting of the target."""

    key: str
    amount: Decimal
    currency: str
    period: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchRow:
    """The outcome of one row of `apply_batch`, matched by external key (never by position)."""

    external_key: str
    receipt: Receipt | None
    error: ConnectorError | None


class ConnectorError(Exception):
    """Base of what a vendor can answer. `code` is the vendor's own code; text never holds a secret."""

    retryable = False

    def __init__(self, message: str, code: str = "", field_name: str = "", after_seconds: int | None = None):
        super().__init__(message)
        self.message, self.code, self.field_name, self.after_seconds = (
            message,
            code,
            field_name,
            after_seconds,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.code, self.field_name, self.after_seconds)


class Retryable(ConnectorError):
    """A passing failure before anything was applied; try again after `after_seconds` (None = back off)."""

    retryable = True


class RateLimited(Retryable):
    """The target's budget is spent; no call before `after_seconds`."""


class Conflict(ConnectorError):
    """The record already exists or was changed meanwhile: look up, then adopt or report."""


class Rejected(ConnectorError):
    """The target understood and refused: a person must change something."""


class AuthFailed(ConnectorError):
    """Credential expired beyond refresh, revoked or short of a scope."""


class UnknownOutcome(ConnectorError):
    """No answer, or one that proves nothing: the write may or may not have been applied."""


class Drift(ConnectorError):
    """The answer has not the shape the connector was written for."""


class Connector(Protocol):
    """The whole interface. All calls block; all raise only ConnectorError."""

    def objects(self) -> Sequence[str]:
        """Source objects read by `changes`, in the order a first sync should take them."""

    def changes(self, object: str, cursor: str | None) -> Page:
        """The next page of changes after `cursor` (None = from the beginning): at least once, any order."""

    def fetch(self, object: str, source_id: str) -> Change | None:
        """The current version of one record; None when the source has none and keeps no tombstone."""

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """(source id, source version) of every record of the span, inclusive: for the gap sweep."""

    def apply(self, command: Command) -> Receipt:
        """Carry out one command. Raises Retryable, RateLimited, Conflict, Rejected, AuthFailed, UnknownOutcome."""

    def apply_batch(self, operation: str, commands: Sequence[Command]) -> Sequence[BatchRow]:
        """Carry out up to the manifest's `batch.size` commands of one operation; one result row per command."""

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The record stored under our key, or None when the target says it has none."""

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """What the target now holds compared with what the command asked for; empty = proven."""

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """The declared business undo of a command (never a delete); None where the manifest says none exists."""

    def report(self, check: str, entity: str, start: date, end: date) -> Sequence[ReportedFact]:
        """Keyed facts for a tie-out check over booking dates start..end inclusive.

        Raises Drift when the report was cut short: an incomplete report is never taken as complete.
        """

    def reference(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """One record of the target's own reference data (manifest `reference`): e.g. subsidiary, terms, item, period."""

    def describe(self) -> Mapping[str, Sequence[str]]:
        """Field names by object as the system states them now: the schema fingerprint for drift."""

    def test(self) -> str:
        """Sign in and make one harmless call; a short sentence about what answered."""


class WebhookReceiver(Protocol):
    """Turns an authentic request into hints; raises AuthFailed (wrong secret) or Drift (malformed)."""

    def hints(self, secret: str, headers: Mapping[str, str], body: bytes) -> Sequence[Hint]: ...
