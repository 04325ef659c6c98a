"""Nothing secret and nothing personal reaches a log line: by field name, and by the values known to be secret."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"
_NAMES = re.compile(
    r"(secret|password|passwd|token|authorization|api_?key|private_?key|signature|cookie|credential|"
    r"email|full_name|bank|iban|salary|cost_rate|tax_id)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_SHORTEST = 6

_known: set[str] = set()
_lock = threading.Lock()


def register_secret(value: str) -> None:
    """Remember a secret value so that every later log line hides it (values under 6 characters are not searched)."""
    if len(value) >= _SHORTEST:
        with _lock:
            _known.add(value)


def redact_text(text: str) -> str:
    """The text without known secrets and without authorization headers."""
    for secret in sorted(_known, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _BEARER.sub(lambda found: f"{found.group(1)} {HIDDEN}", text)


def redact(value: Any) -> Any:
    """A copy of a structure with sensitive fields and known secrets hidden."""
    if isinstance(value, Mapping):
        return {k: HIDDEN if _is_sensitive(k, v) else redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    return redact_text(value) if isinstance(value, str) else value


def _is_sensitive(name: Any, value: Any) -> bool:
    return value is not None and isinstance(name, str) and _NAMES.search(name) is not None
