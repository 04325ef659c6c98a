"""From a vendor's answer to one of our error classes, by the table in the connector's manifest.

The table wins; without an entry the status decides. A write that met a 5xx, a redirect or an unreadable answer has
an unknown outcome: it may have been applied, so nothing here calls it a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tieout.connectors.kit.interface import (
    AuthFailed,
    Conflict,
    ConnectorError,
    Drift,
    RateLimited,
    Rejected,
    Retryable,
    UnknownOutcome,
)

ErrorClass = Literal[
    "retryable",
    "rate_limited",
    "conflict",
    "rejected",
    "auth",
    "expired",
    "unknown_outcome",
    "drift",
    "restart",
]


class Expired(AuthFailed):
    """The access token has run out: sign in again and repeat once (nothing was applied)."""


class CursorLost(Retryable):
    """The vendor no longer knows a paging cursor: begin the sweep again from its watermark."""


_CLASSES: dict[str, type[ConnectorError]] = {
    "retryable": Retryable, "rate_limited": RateLimited, "conflict": Conflict, "rejected": Rejected,
    "auth": AuthFailed, "expired": Expired, "unknown_outcome": UnknownOutcome, "drift": Drift, "restart": CursorLost,
}  # fmt: skip


class ErrorRule(BaseModel):
    """One row of a manifest's error table: what it matches (all that is stated) and the class it means."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    status: int | None = None
    code: str | None = None
    contains: str | None = None
    means: ErrorClass
    note: str = ""


@dataclass(frozen=True)
class VendorError:
    """What a vendor's error body said: its code, its message (cut to a bounded length), the field it names."""

    code: str = ""
    message: str = ""
    field: str = ""


def classify(
    rules: Sequence[ErrorRule], status: int, said: VendorError, *, write: bool, retry_after: str = ""
) -> ConnectorError:
    """The error of one answer; the first matching rule wins."""
    for rule in rules:
        if rule.status not in (None, status) or rule.code not in (None, said.code):
            continue
        if rule.contains is not None and rule.contains.lower() not in said.message.lower():
            continue
        return _make(_CLASSES[rule.means], status, said, retry_after)
    return _make(_by_status(status, write), status, said, retry_after)


def _by_status(status: int, write: bool) -> type[ConnectorError]:
    if status == 429:
        return RateLimited
    if status == 408:
        return UnknownOutcome if write else Retryable
    if status in (401, 403):
        return AuthFailed
    if status in (409, 412):
        return Conflict
    if 400 <= status < 500:
        return Rejected
    if status >= 500:
        return UnknownOutcome if write else Retryable
    return UnknownOutcome if write else Drift


def _make(kind: type[ConnectorError], status: int, said: VendorError, retry_after: str) -> ConnectorError:
    message = (said.message or f"the system answered with status {status}")[:500]
    after = seconds_from(retry_after) if issubclass(kind, Retryable) else None
    return kind(message, said.code or str(status), said.field, after)


def seconds_from(retry_after: str, now: datetime | None = None) -> int | None:
    """Seconds of a Retry-After header, which is a number or an HTTP date; None when it says nothing usable."""
    text = retry_after.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text), 86_400)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0, round(seconds)), 86_400)
