"""Refusals: what the hub will not do, with a stable code, what was seen, and the remedy.

A refusal is an answer, not a fault: it has a status for the API, says whether trying again helps, and survives being
stored and loaded by the durable engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """Base of all refusals. `fields` maps a field to what is wrong with it; nothing was written."""

    status = 400
    default_code = "TIE-100"
    retryable = False

    def __init__(
        self,
        message: str,
        code: str = "",
        fields: Mapping[str, str] | None = None,
        remedy: str = "",
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.fields = dict(fields or {})
        self.remedy = remedy
        if retryable is not None:
            self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.code, self.fields, self.remedy, self.retryable)

    def __str__(self) -> str:
        return " ".join(part for part in (self.code, self.message, self.remedy) if part)


class Invalid(Refusal):
    """The request itself is wrong."""

    status = 422
    default_code = "TIE-101"


class Forbidden(Refusal):
    """The actor may not do this (role, scope, entity or segregation of duties)."""

    status = 403
    default_code = "TIE-103"


class NotFound(Refusal):
    """Nothing of that name that the actor may see."""

    status = 404
    default_code = "TIE-104"


class Unauthenticated(Refusal):
    """The credential is missing, wrong, expired, used or revoked."""

    status = 401
    default_code = "TIE-105"


class Conflict(Refusal):
    """The state of the record does not allow it."""

    status = 409
    default_code = "TIE-109"


class Stale(Refusal):
    """The record changed after it was read."""

    status = 412
    default_code = "TIE-112"
