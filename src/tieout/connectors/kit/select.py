"""The one place that puts a query for a vendor's query language together (SOQL, SuiteQL).

Conditions come as finished texts; whoever writes one quotes its values with that language's own `literal`.
"""

from __future__ import annotations

from collections.abc import Sequence


def select(columns: str | Sequence[str], table: str, where: Sequence[str] = (), order: str = "") -> str:
    """`SELECT … FROM … [WHERE … AND …] [ORDER BY …]`."""
    names = columns if isinstance(columns, str) else ", ".join(columns)
    parts = ["SELECT", names, "FROM", table]
    if where:
        parts += ["WHERE", " AND ".join(where)]
    if order:
        parts += ["ORDER BY", order]
    return " ".join(parts)
