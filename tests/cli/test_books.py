"""`tieout books roll-forward`: 8 h at 200 are left of what was earned, as known now and before."""

from __future__ import annotations

from decimal import Decimal

from tests.cli.desk import Desk

SHAPE = [
    "entity",
    "account",
    "currency",
    "opening",
    "billed",
    "recognised",
    "adjustments",
    "closing",
    "movements",
]


def test_a_period_is_rolled_forward(desk: Desk) -> None:
    periods = [f"2026-{month:02d}" for month in range(1, 13)]
    rows = {code: desk("books", "roll-forward", "--period", code, "--entity", "US01")[1] for code in periods}
    assert all(list(row) == SHAPE for found in rows.values() for row in found)
    last = {row["account"]: row for row in rows["2026-12"]}
    assert (last["revenue"]["opening"], last["revenue"]["closing"]) == ("-1600.00", "-1600.00")
    moved = [row["recognised"] for found in rows.values() for row in found if row["account"] == "revenue"]
    assert sum(map(Decimal, moved)) == -1600
    assert desk("books", "roll-forward", "--period", "2026-12", "--entity", "DE01") == (0, [])
    assert desk("books", "roll-forward", "--period", "2026-12", "--known-at", "2020-01-01") == (0, [])
    assert desk("books", "roll-forward", "--period", "2026-12", "--functional")[1] == rows["2026-12"]


def test_what_is_no_period_or_not_final_is_refused(desk: Desk) -> None:
    code, said = desk("books", "roll-forward", "--period", "March")
    assert (code, said["error"]["code"]) == (2, "TIE-101")
    code, said = desk(
        "books", "roll-forward", "--period", "2026-03", "--known-at", "2999-01-01T00:00:00+00:00"
    )
    assert (code, said["error"]["code"]) == (2, "TIE-109")
