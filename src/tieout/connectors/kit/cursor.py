"""Cursors are small JSON texts; stamps are UTC texts of one width, so that they sort as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tieout.connectors.kit.interface import Drift


def dump(state: dict[str, Any]) -> str:
    """The cursor of a state; equal states give equal texts."""
    return json.dumps(
        {k: v for k, v in state.items() if v is not None}, sort_keys=True, separators=(",", ":")
    )


def load(cursor: str | None) -> dict[str, Any]:
    """The state of a cursor; empty for None, Drift for one that this connector did not write."""
    if cursor is None:
        return {}
    try:
        state = json.loads(cursor)
    except ValueError as error:
        raise Drift("the stored cursor is not one of this connector", "bad-cursor") from error
    if not isinstance(state, dict):
        raise Drift("the stored cursor is not one of this connector", "bad-cursor")
    return state


def moment(text: Any) -> datetime:
    """The moment of a vendor's ISO stamp (with offset, `Z` or neither = UTC); Drift when it is none."""
    try:
        value = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Drift("a change stamp is not a moment", "bad-stamp") from error
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def stamp(value: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`: UTC, milliseconds, always the same width."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def earlier(text: str, seconds: float) -> str:
    """A stamp moved back; never before year 1."""
    value = moment(text)
    floor = datetime(1, 1, 1, tzinfo=UTC)
    step = timedelta(seconds=seconds)
    return stamp(value - step if value - floor > step else floor)
