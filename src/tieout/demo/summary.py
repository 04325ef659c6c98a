"""The answer of the demo, in the form of interfaces.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.demo.compare import MISSED, Outcome
from tieout.domain.subledger.accounts import REVENUE
from tieout.hub import tie_out
from tieout.model.money import round_to_minor
from tieout.store import demo as store
from tieout.store import status

_TIE_OUT = (
    "check",
    "entity",
    "period",
    "matched",
    "ours_only",
    "theirs_only",
    "different",
    "amount",
    "unexplained",
)


def summarise(
    conn: Connection,
    phases: Mapping[str, float],
    calls: Mapping[str, int],
    mess: Sequence[Outcome],
    invariants: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Everything that came of the quarter. `calls`: requests that each system counted."""
    systems = {name: {**counts, "calls": calls.get(name, 0)} for name, counts in store.traffic(conn).items()}
    return {
        "seconds": round(sum(phases.values()), 1),
        "phases": {name: round(seconds, 1) for name, seconds in phases.items()},
        "systems": systems,
        "assignments_confirmed": 0,
        **store.totals(conn),
        "billed": _in_units(store.billed(conn)),
        "revenue": _in_units(store.revenue(conn, REVENUE)),
        "exceptions": [
            {
                "kind": row["kind"],
                "open": row["open"],
                "amount": _in_unit(row["amount"], row["currency"]),
                "currency": row["currency"],
            }
            for row in status.exception_counts(conn)
        ],
        "mess": [outcome.as_json() for outcome in mess],
        "tie_out": [_tie_out(row) for row in tie_out.show(conn)],
        "invariants": list(invariants),
    }


def _tie_out(row: Mapping[str, Any]) -> dict[str, Any]:
    """One check; its sums without the zeros of their column."""
    money = {name: f"{row[name]:.2f}" for name in ("amount", "unexplained")}
    return {name: row[name] for name in _TIE_OUT} | money


def _in_units(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {currency: round_to_minor(amount, currency) for currency, amount in amounts.items()}


def _in_unit(amount: Decimal | None, currency: str | None) -> Decimal | None:
    return amount if amount is None or currency is None else round_to_minor(amount, currency)


def is_fine(summary: Mapping[str, Any]) -> bool:
    """Whether no mess was missed and no invariant failed."""
    missed = any(item["outcome"] == MISSED for item in summary["mess"])
    return not missed and not any(one["status"] == "failed" for one in summary["invariants"])
