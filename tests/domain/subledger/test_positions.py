"""Positions are booked as the difference to what moved the accounts, on the day it arises."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tieout.domain.frames import CLOSED_PERIODS, POSITION_MOVES, POSITION_TARGETS, empty, frame
from tieout.domain.subledger import Books, journal_for_positions, unbooked_moves

D = Decimal
JAN, FEB, MAR = date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)
LINE = {"contract": "C-1", "line": "1", "entity": "US01", "currency": "USD"}
BOOKS = Books(empty(CLOSED_PERIODS), {"US01": "USD"})


def targets(*rows: tuple[date, str, int]) -> pl.DataFrame:
    return frame([LINE | {"day": d, "account": a, "balance": D(b)} for d, a, b in rows], POSITION_TARGETS)


def moves(*rows: tuple[date, str, int]) -> pl.DataFrame:
    return frame([LINE | {"event_date": d, "account": a, "amount": D(b)} for d, a, b in rows], POSITION_MOVES)


def found(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    return [(d, a, int(b)) for d, a, b in rows.select("event_date", "account", "amount").iter_rows()]


ASSET, OPEN = "contract_asset", "unbilled_receivable"
STANDS = targets((JAN, ASSET, 100), (JAN, OPEN, 0), (FEB, ASSET, 40), (FEB, OPEN, 60))


def test_each_difference_carries_its_day_and_a_second_run_adds_nothing() -> None:
    """Revenue left 100 as a receivable in January; 60 of it became billable in February."""
    booked = moves((JAN, OPEN, 100))
    lacking = unbooked_moves(STANDS, booked)
    assert found(lacking) == [(JAN, ASSET, 100), (JAN, OPEN, -100), (FEB, ASSET, -60), (FEB, OPEN, 60)]
    assert unbooked_moves(STANDS, pl.concat([booked, lacking])).is_empty()


def test_what_was_booked_between_two_days_counts_towards_the_later() -> None:
    """Booked on 10 February and judged at its end: no new journal for the day in between."""
    booked = moves((JAN, ASSET, 100), (date(2026, 2, 10), ASSET, -60), (date(2026, 2, 10), OPEN, 60))
    assert unbooked_moves(STANDS, booked).is_empty()


def test_what_is_booked_after_the_last_day_is_left_alone() -> None:
    booked = moves((JAN, ASSET, 100), (FEB, ASSET, -60), (FEB, OPEN, 60), (MAR, OPEN, 7))
    assert unbooked_moves(STANDS, booked).is_empty()


def test_a_cause_that_does_not_conserve_the_position_is_a_defect() -> None:
    lacking = moves((JAN, ASSET, 100), (JAN, OPEN, -90)).with_columns(pl.lit("C-1/1").alias("cause"))
    with pytest.raises(AssertionError, match="does not balance"):
        journal_for_positions(lacking, BOOKS)
