"""Kantata's webhook: a hint that something may have changed. It carries no facts and no signature.

The secret stands in the registered URL. The body `{"event_id","event_type","subject_type","subject_id"}` only says
which record to read again.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence

from tieout.connectors.kantata.api import PLURALS
from tieout.connectors.kit.interface import AuthFailed, Drift, Hint

MAX_BODY = 64 * 1024
_EVENT = re.compile(r"^[A-Za-z0-9_.:-]{1,100}$")
_ID = re.compile(r"^[0-9]{1,20}$")
_TYPES = frozenset(
    {"time_entry:created", "time_entry:updated", "time_entry:deleted", "workspace:created", "workspace:updated",
     "story:created", "story:updated", "user:created", "user:updated"}
)  # fmt: skip


class KantataWebhook:
    """The receiver of one connection. During a rotation it knows two secrets."""

    def __init__(self, secrets: Sequence[str]):
        self._secrets = [secret.encode() for secret in secrets if secret]

    def hints(self, secret: str, headers: Mapping[str, str], body: bytes) -> Sequence[Hint]:
        """The hint of one request. AuthFailed: another secret than ours; Drift: not a body Kantata sends."""
        given = secret.encode("utf-8", "surrogatepass")
        matches = [hmac.compare_digest(given, known) for known in self._secrets]
        if not any(matches):
            raise AuthFailed("the webhook's secret is not this connection's", "wrong-secret")
        if len(body) > MAX_BODY:
            raise Drift(f"a hint is at most {MAX_BODY} bytes", "oversized-body")
        return [_hint(body)]


def _hint(body: bytes) -> Hint:
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Drift("the body is no JSON", "malformed-body") from error
    if not isinstance(document, dict):
        raise Drift("the body is no JSON object", "malformed-body")
    event_id, event_type, subject_type, subject_id = (
        _text(document.get(name)) for name in ("event_id", "event_type", "subject_type", "subject_id")
    )
    if not _EVENT.match(event_id) or not _ID.match(subject_id):
        raise Drift("event_id or subject_id is missing or no id", "malformed-body")
    if (
        event_type not in _TYPES
        or subject_type not in PLURALS
        or not event_type.startswith(f"{subject_type}:")
    ):
        raise Drift("the event is none that was subscribed to", "unknown-event")
    return Hint(event_id, subject_type, subject_id)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
