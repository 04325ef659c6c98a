"""What became of the mess that the firm made: each item's outcome from rows, never from what was expected of it.

`handled`: absorbed, with figures that are right now. `found`: an exception or a tie-out difference names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import canonical
from tieout.hub.exceptions import CLOSED
from tieout.model.periods import MONTHS, period_bounds
from tieout.sandbox.firm.planted import Planted, from_row
from tieout.store import demo as store

HANDLED, FOUND, MISSED = "handled", "found", "missed"


@dataclass(frozen=True)
class Outcome:
    """What became of one planted item, and under which kind of place and key that is seen."""

    what: str
    outcome: str
    kind: str
    key: str

    def as_json(self) -> dict[str, Any]:
        """In the form of interfaces.md."""
        return {"what": self.what, "outcome": self.outcome, "where": {"kind": self.kind, "key": self.key}}


def compare(conn: Connection, planted: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Every planted item with its outcome."""
    found = []
    for item in map(from_row, planted):
        outcome = _JUDGES[item.what](conn, item)
        found.append(Outcome(item.what, outcome, item.kind, item.key))
    return found


def _when(holds: bool, outcome: str = HANDLED) -> str:
    return outcome if holds else MISSED


# --- figures of entries --------------------------------------------------------------------------------


def _right(
    conn: Connection, item: Planted, also: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> bool:
    """Whether every entry says its last hours, stands where it was moved to, and is billed for what it is worth, once."""
    keys: Collection[str] = item.hints["entries"]
    moved = item.what == "wrong_project_code"
    minutes: Mapping[str, int] = item.hints.get("minutes", {})
    held = store.entries(conn, keys)
    return set(held) == set(keys) and all(
        row["state"] == "approved"
        and (not moved or row["contract"] == item.hints["contract"])
        and row["worked_minutes"] == minutes.get(key, row["worked_minutes"])
        and row["worked_hours"] is not None
        and round(row["worked_hours"] * 60) == row["worked_minutes"]
        and row["amount"] > 0
        and row["billed_amount"] == row["amount"]
        and also(row)
        for key, row in held.items()
    )


def _late_time(conn: Connection, item: Planted) -> str:
    """Billed, and on an invoice after that of its own month."""
    _, end = period_bounds(item.hints["period"], MONTHS)
    return _when(_right(conn, item, lambda row: min(row["through"]) > end))


def _corrected(conn: Connection, item: Planted) -> str:
    return _when(_right(conn, item))


def _duplicate(conn: Connection, item: Planted) -> str:
    """The same webhook came twice and counts once."""
    return _when(_right(conn, item) and store.deliveries(conn, item.key)["repeats"] > 0)


def _out_of_order(conn: Connection, item: Planted) -> str:
    """Webhooks of two changes came, and the last change stands."""
    return _when(_right(conn, item) and store.deliveries(conn, item.key)["hints"] > 1)


def _missing_webhook(conn: Connection, item: Planted) -> str:
    """More versions were taken in than webhooks told of."""
    came = store.deliveries(conn, item.key)
    return _when(_right(conn, item) and came["versions"] > came["hints"])


def _rate_change(conn: Connection, item: Planted) -> str:
    price = Decimal(item.hints["price"])
    return _when(_right(conn, item, lambda row: row["price"] == price))


# --- exceptions ----------------------------------------------------------------------------------------


def _told(conn: Connection, item: Planted, key: str) -> list[dict[str, Any]]:
    return store.exceptions_about(conn, item.hints["exceptions"], key)


def _closed(rows: Sequence[Mapping[str, Any]]) -> bool:
    return bool(rows) and all(row["state"] in CLOSED for row in rows)


def _wrong_project(conn: Connection, item: Planted) -> str:
    """Each entry was shown; what was moved is billed where it belongs."""
    shown = [_told(conn, item, entry) for entry in item.hints["entries"]]
    if item.expected == FOUND:
        return _when(all(shown), FOUND)
    return _when(all(_closed(rows) for rows in shown) and _right(conn, item))


def _missing_order(conn: Connection, item: Planted) -> str:
    """The contract was stopped for it; the one that was completed is active with its order."""
    rows = _told(conn, item, item.hints["contract"])
    if item.expected == FOUND:
        return _when(bool(rows), FOUND)
    contract = _contract(conn, item)
    return _when(_closed(rows) and bool(contract.get("purchase_order")))


def _amendment(conn: Connection, item: Planted) -> str:
    """The cap stopped what was over it; when it was raised everything went on."""
    raised = Decimal(item.hints["raised"])
    over = _told(conn, item, item.hints["contract"])
    return _when(_closed(over) and _contract(conn, item).get("cap_amount") == raised)


def _contract(conn: Connection, item: Planted) -> Mapping[str, Any]:
    number = item.hints["contract"]
    return canonical.current(conn, "contract", [number]).get(number, {})


def _partial_batch(conn: Connection, item: Planted) -> str:
    """Rows that failed for a moment got their answer later; the one that was refused is an exception of its own."""
    if item.expected == FOUND:
        return _when(bool(_told(conn, item, item.key)), FOUND)
    failed = store.troubled(conn, item.hints["system"], _FAILED, _LOCKED)
    return _when(bool(failed) and all(_went_on(row) for row in failed))


def _went_on(row: Mapping[str, Any]) -> bool:
    """Done, withdrawn, or refused for a reason of its own: not given up on the lock."""
    return row["state"] in ("done", "cancelled") or (
        row["state"] == "rejected" and row["last_code"] != _LOCKED
    )


# --- connections and the ERP ------------------------------------------------------------------------------

_LOCKED = "UNABLE_TO_LOCK_ROW"
_FAILED = ("retryable", "rejected", "conflict", "rate_limited", "unknown")


def _throttled(conn: Connection, item: Planted) -> str:
    """The connection was left alone for a while, and nothing of it is left over."""
    paused = store.pauses(conn, item.key) or store.troubled(conn, item.key, ["rate_limited"])
    return _when(bool(paused))


def _timeout(conn: Connection, item: Planted) -> str:
    """An answer was lost; the look-up proved the effect, and it is there once (the tie-out matches it)."""
    lost = store.troubled(conn, item.hints["system"], ["unknown"])
    doubled = [one for row in lost for one in store.differences_of(conn, row["key"])]
    return _when(bool(lost) and all(row["state"] == "done" for row in lost) and not doubled)


def _credit(conn: Connection, item: Planted) -> str:
    """Credited on the invoice of its month, posted, and billed again."""
    _, through = period_bounds(item.hints["period"], MONTHS)
    notes = store.credit_notes(conn, item.hints["contract"], through)
    posted = bool(notes) and all(note["posted_at"] is not None for note in notes)
    return _when(posted and _right(conn, item, lambda row: len(row["through"]) > 1))


def _manual(conn: Connection, item: Planted) -> str:
    found = store.differences_of(conn, item.hints["document"])
    return _when(any(row["outcome"] == "theirs_only" for row in found), FOUND)


_JUDGES: Mapping[str, Callable[[Connection, Planted], str]] = {
    "late_time": _late_time, "corrected_time": _corrected, "amendment_mid_month": _amendment,
    "wrong_project_code": _wrong_project, "missing_purchase_order": _missing_order, "rate_change": _rate_change,
    "duplicate_delivery": _duplicate, "out_of_order": _out_of_order, "missing_webhook": _missing_webhook,
    "throttled": _throttled, "timeout_applied": _timeout, "partial_batch": _partial_batch,
    "credit_and_rebill": _credit, "manual_erp_entry": _manual,
}  # fmt: skip


def requests(planted: Sequence[Mapping[str, Any]], today: date) -> list[Mapping[str, Any]]:
    """What customers have asked for so far: hours to be credited and billed again."""
    items = [from_row(row) for row in planted if row["what"] == "credit_and_rebill"]
    return [item.hints for item in items if date.fromisoformat(item.hints["requested_on"]) <= today]
