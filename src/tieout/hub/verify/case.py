"""What a check is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from tieout.hub.actors import PERMISSIONS
from tieout.hub.delivery import MOST_ATTEMPTS
from tieout.hub.inbox import MOST_ATTEMPTS as MOST_BEGUN
from tieout.model.exception_kinds import EXCEPTION_KINDS
from tieout.model.money import is_currency, minor_unit
from tieout.store import clock
from tieout.store import verify as store
from tieout.store.verify import SHOWN, Found

OK, FAILED, NOT_LIVE = "ok", "failed", "not_checkable_live"
LEFT_BEHIND = timedelta(hours=1)
"""What is due for longer than this, in business time, counts as left behind."""

MOST_FAILURES = 8
"""Failures in a row after which the flows show a piece of work as `poison`."""

KEEPING = ("closed-task", "missing-rate", "missing-fx", "ambiguous-rate", "true-up-proposed")
"""Findings that leave an hour which was rated before where it is."""

_ASIDE = (
    *KEEPING, "not-approved", "outside-contract", "worker-left", "missing-project", "implausible-hours",
    "unknown-currency", "invalid-payload", "amount-precision", "unmapped-value",
)  # fmt: skip
_DECIDES = {
    "invoice": "invoices:approve",
    "credit_note": "credit-notes:approve",
    "waiver": "exceptions:waive",
}


class Sandbox(Protocol):
    """The outside truth: what the simulated systems applied, heard and hold."""

    def ledger(self) -> list[dict[str, Any]]:
        """Every applied write in order: {number, system, method, type, id, external_key, body_digest, at}."""

    def calls(self) -> list[dict[str, Any]]:
        """Every request in order: {number, system, method, path, status, at}."""

    def ids(self, system: str, type: str) -> set[str]:
        """The ids that the system holds now."""


@dataclass(frozen=True)
class Result:
    """Whether an invariant holds and how that is known."""

    status: str
    detail: str

    def as_json(self) -> dict[str, str]:
        """In the form of interfaces.md."""
        return {"status": self.status, "detail": self.detail}


@dataclass(frozen=True)
class Case:
    """What is checked: the database of a connection, and the outside where it is given."""

    conn: Connection
    sandbox: Sandbox | None = None
    secrets: tuple[str, ...] = ()
    logs: Path | None = None
    checkpoint: Path | None = None

    @cached_property
    def params(self) -> dict[str, Any]:
        """What the queries are told: bounds, roles, minor units."""
        known = [code for code in store.currencies(self.conn) if is_currency(code)]
        may = [(type, role) for type, name in _DECIDES.items() for role in sorted(PERMISSIONS[name])]
        return {
            "bound": clock.now(self.conn) - LEFT_BEHIND, "most_attempts": MOST_ATTEMPTS, "most_begun": MOST_BEGUN,
            "most_failures": MOST_FAILURES, "keeping": list(KEEPING), "currencies": known,
            "aside": [kind for kind in _ASIDE if kind in EXCEPTION_KINDS],
            "units": [f"1e-{minor_unit(code)}" for code in known],
            "types": [type for type, _ in may], "roles": [role for _, role in may],
        }  # fmt: skip

    def found(self, invariant: str, **more: Any) -> Found:
        """What breaks an invariant in our tables."""
        return store.violations(self.conn, invariant, {**self.params, **more})

    def judged(self, invariant: str, holds: str) -> Result:
        """The result of one query; `holds` says what is known when it finds nothing."""
        return told(self.found(invariant), holds)


Check = Callable[[Case], Result]


def told(found: Found, holds: str) -> Result:
    """Failed with the first keys, or fine with what is known."""
    if not found.total:
        return Result(OK, holds)
    first = "; ".join(f"{key}: {seen}" for key, seen in found.first)
    more = f"; and {found.total - len(found.first)} more" if found.total > len(found.first) else ""
    return Result(FAILED, f"{first}{more}")


def listed(pairs: Iterable[tuple[str, str]]) -> Found:
    """What was found outside the database, in the form of a query's answer."""
    everything = sorted(pairs)
    return Found(len(everything), tuple(everything[:SHOWN]))


def either(found: Found, otherwise: Callable[[], Result]) -> Result:
    """What our tables show wrong comes first."""
    return told(found, "") if found.total else otherwise()
