"""Findings of recognition by plan as exceptions: opened, refreshed, and closed where they did not occur again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tieout.hub import exceptions
from tieout.hub.exceptions import NewException
from tieout.hub.revenue.plan import Facts, Planned
from tieout.store import exceptions as exception_store
from tieout.store import rating as store

KINDS = (
    "estimate-exhausted", "progress-invalid", "obligation-measures-differ", "series-catch-up", "variable-invalid",
    "residual-rejected", "financing-significant",
)  # fmt: skip


def settle(conn: Connection, facts: Facts, planned: Planned) -> tuple[int, int]:
    """Open what the run found and close what it did not find again; how many of each.

    The key of a finding is CONTRACT/LINE or CONTRACT/OBLIGATION.
    """
    waived = store.waived(conn, KINDS) if planned.findings.height else set()
    found = {}
    for row in planned.findings.sort("day").iter_rows(named=True):
        finding = _exception(row, facts)
        if (finding.kind, finding.key, finding.cause) not in waived:
            found[finding.kind, finding.key] = finding
    opened = exceptions.open_exceptions(conn, list(found.values()))
    resolved = 0
    for kind, open_now in exception_store.open_keys(conn, KINDS).items():
        judged = {key for key in open_now if key.partition("/")[0] in facts.keys or _head(key) in facts.keys}
        still = [key for of, key in found if of == kind]
        resolved += exceptions.resolve_where_healed(conn, kind, judged, still)
    return len(opened), resolved


def _head(key: str) -> str:
    return key.rpartition("/")[0]


def _exception(row: Mapping[str, Any], facts: Facts) -> NewException:
    contract = row["contract"] or row["unit"]
    what = row["line"] or row["obligation"] or ""
    key = what if what.startswith(f"{contract}/") else f"{contract}/{what}".rstrip("/")
    told = f"{row['detail']} (stated for {row['day']})" if row["contract"] else row["detail"]
    return NewException(
        row["kind"], key, told, contract=contract,
        legal_entity=facts.contracts[contract]["legal_entity"],
        evidence={"work": {"kind": "rate", "key": contract}, "group": row["kind"]},
    )  # fmt: skip
