"""Roll-forwards of the books: how each account moved in a period, as known now or at any earlier moment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tieout.domain.frames import ACCOUNT_MOVES, frame
from tieout.domain.subledger import roll_forward as rolled
from tieout.hub.refusals import Conflict, Invalid
from tieout.store import clock
from tieout.store import subledger as store

_PERIOD = re.compile(r"\d{4}-P?\d{2}")


def roll_forward(
    conn: Connection,
    period: str,
    *,
    entity: str | None = None,
    contract: str | None = None,
    known_at: datetime | None = None,
    functional: bool = False,
) -> list[dict[str, Any]]:
    """One row per entity, account and currency: the columns of ROLL_FORWARD and `movements`, by cause type.

    `functional`: in the currency of the entity's books. The same question with the same `known_at` has the same answer,
    byte for byte, whatever is booked later: a moment that books are still being written about is refused (`Conflict`).
    """
    if not _PERIOD.fullmatch(period):
        raise Invalid(
            f"{period[:20]!r} is not a period.",
            fields={"period": "not a period"},
            remedy="Say it as 2026-01.",
        )
    if known_at is not None:
        _must_be_settled(conn, known_at)
    told = store.movements(
        conn, period, entity=entity, contract=contract, known_at=known_at, functional=functional
    )
    by_cause: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in told:
        if row["cause_type"] is not None:
            by_cause.setdefault(_place(row), {})[row["cause_type"]] = row["amount"]
    rows = rolled(frame(told, ACCOUNT_MOVES)).to_dicts()
    return [{**row, "movements": by_cause.get(_place(row), {})} for row in rows]


def _place(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["entity"], row["account"], row["currency"]


def _must_be_settled(conn: Connection, moment: datetime) -> None:
    settled = clock.settled(conn)
    if moment >= settled:
        raise Conflict(
            f"Books may still be written as of {moment.isoformat()}: all that is known before {settled.isoformat()} is"
            " final.",
            fields={"known_at": "not settled"}, remedy="Ask for an earlier moment, or without one.", retryable=True,
        )  # fmt: skip
