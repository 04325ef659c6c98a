"""Mess that the firm makes on purpose, and how the other side should answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MESS = (
    "late_time", "corrected_time", "amendment_mid_month", "wrong_project_code", "missing_purchase_order", "rate_change",
    "duplicate_delivery", "out_of_order", "missing_webhook", "throttled", "timeout_applied", "partial_batch",
    "credit_and_rebill", "manual_erp_entry",
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """One planted item.

    `expected`: `handled` (absorbed, figures right, visible in the audit) or `found` (an exception or a tie-out
    difference names it, open or closed since). `kind`: where it is seen: `exception`, `tie_out` or `audit`, under `key`:
    an entry id, a contract number, an opportunity number, a document number or a system.
    `hints` say more: `entries` (ids), `contract`, `exceptions` (kinds, one of which is opened), `minutes` (by entry, in
    the end), `price`, `document`, `period`.
    """

    what: str
    expected: Literal["handled", "found"]
    kind: Literal["exception", "tie_out", "audit"]
    key: str
    hints: Mapping[str, Any] = field(default_factory=dict)

    def detail(self) -> dict[str, Any]:
        """What the world keeps beside what, kind and key."""
        return {"expected": self.expected, **self.hints}


def from_row(row: Mapping[str, Any]) -> Planted:
    """The item of a row of the world's ledger of planted mess (`/_sandbox/planted`)."""
    hints = {name: value for name, value in row["detail"].items() if name != "expected"}
    return Planted(row["what"], row["detail"]["expected"], row["kind"], row["key"], hints)
