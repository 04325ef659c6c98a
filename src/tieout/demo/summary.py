"""The answer of the demo, in the form of interfaces.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from tieout.demo.compare import MISSED, Outcome
from tieout.domain.subledger.accounts import REVENUE
from tieout.hub import tie_out
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
        "billed": store.billed(conn),
        "revenue": store.revenue(conn, REVENUE),
        "exceptions": [
            {name: row[name] for name in ("kind", "open", "amount", "currency")}
            for row in status.exception_counts(conn)
        ],
        "mess": [outcome.as_json() for outcome in mess],
        "tie_out": [{name: row[name] for name in _TIE_OUT} for row in tie_out.show(conn)],
        "invariants": list(invariants),
    }


def is_fine(summary: Mapping[str, Any]) -> bool:
    """Whether no mess was missed and no invariant failed."""
    missed = any(item["outcome"] == MISSED for item in summary["mess"])
    return not missed and not any(one["status"] == "failed" for one in summary["invariants"])
