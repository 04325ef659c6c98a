"""Findings of costing as exceptions: opened, and closed where they did not occur again. Nobody's pay is named in them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.hub import exceptions
from tieout.hub.exceptions import NewException
from tieout.store import exceptions as store
from tieout.store import rating

MISSING_RATE, AMBIGUOUS_RATE, MISSING_FX = "missing-cost-rate", "ambiguous-cost-rate", "missing-cost-fx"
UNPLACED = "payroll-unplaced"
KINDS = (MISSING_RATE, AMBIGUOUS_RATE, MISSING_FX, UNPLACED)


def settle(conn: Connection, work: str, keys: Collection[str], found: pl.DataFrame, by: str) -> tuple[int, int]:  # fmt: skip
    """Open what was found (COST_FINDINGS) and close what the same work found before and not again; how many of each.

    `work` is the kind of work that judged these keys, `by` the column of a finding that names its key.
    """
    waived = rating.waived(conn, KINDS) if found.height else set()
    opened = [
        _exception(row, work, str(row[by]))
        for row in found.sort("kind", "source").unique(["kind", "source"], keep="first", maintain_order=True).to_dicts()
        if (row["kind"], row["source"], row["detail"]) not in waived
    ]  # fmt: skip
    created = exceptions.open_exceptions(conn, opened)
    resolved = 0
    for kind in KINDS:
        still = {one.key for one in opened if one.kind == kind}
        judged = {
            row["key"] for row in store.open_of(conn, kind) if _judged(row["evidence"], work, set(keys))
        }
        resolved += exceptions.resolve_where_healed(conn, kind, judged, still)
    return len(created), resolved


def _judged(evidence: dict[str, Any], work: str, keys: set[str]) -> bool:
    asked = evidence.get("work") or {}
    return asked.get("kind") == work and asked.get("key") in keys


def _exception(row: dict[str, Any], work: str, key: str) -> NewException:
    return NewException(
        row["kind"], row["source"], row["detail"], contract=row["contract"],
        evidence={"work": {"kind": work, "key": key}, "group": row["kind"]},
    )  # fmt: skip
