"""Every invariant holds on a sound firm, and every check is seen red on a planted defect, naming the key."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from tests.hub.verified import build
from tieout.hub.verify import CHECKS, verify


def by_name(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["invariant"]: one for one in results}


def test_a_sound_firm_breaks_nothing(conn: Connection) -> None:
    """What can be seen holds; what only the outside or the harness can show says so."""
    build(conn)
    found = by_name(verify(conn))
    assert list(found) == list(CHECKS) == [f"I{n}" for n in range(1, 31)]
    assert {n: one["detail"] for n, one in found.items() if one["status"] == "failed"} == {}
