"""Row identifiers: UUIDv7, so that ids of one table sort by the moment they were given out."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID


def new_id(moment: datetime) -> str:
    """A UUIDv7 for the given business moment (RFC 9562: 48 bits of milliseconds, the rest random)."""
    milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(UUID(int=value))


def new_trace_id() -> str:
    """A random trace id (32 hexadecimal digits), as W3C trace context writes it."""
    return os.urandom(16).hex()


def is_id(text: str) -> bool:
    """Whether a text that came from outside is an id of ours by its form."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
