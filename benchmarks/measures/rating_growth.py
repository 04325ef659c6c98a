"""Rating time in the domain alone: how its processor time grows with the number of entries, and how fast it is."""

from __future__ import annotations

import math
import time
from datetime import date, datetime, timezone
from decimal import Decimal
from statistics import median

import polars as pl

from benchmarks.measurement import Measurement, slope
from tieout.domain.frames import CARDS, ENTRIES, LINES, RATES, frame
from tieout.domain.rating import RatingPolicies, rate_time

GOAL = 1.05
PER_CONTRACT, PER_WORKER, ROLES, TURNS = 1000, 20, 8, 3
EARLY = datetime(2025, 1, 1, tzinfo=timezone.utc)
Frames = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def run(full: bool) -> list[Measurement]:
    """The exponent of time over size: 1 is linear. Medians of three turns at each size."""
    sizes = (250_000, 500_000, 1_000_000, 2_000_000) if full else (50_000, 100_000, 200_000)
    seconds = [_seconds(size) for size in sizes]
    growth = slope([math.log(size) for size in sizes], [math.log(each) for each in seconds])
    speed = f"{sizes[-1] / seconds[-1]:,.0f} of {sizes[-1]:,} entries/s of processor"
    return [
        Measurement("rating in the domain, exponent of growth", speed, growth, GOAL, higher_is_better=False)
    ]


def _seconds(size: int) -> float:
    given, turns = _firm(size), []
    for _ in range(TURNS):
        start = time.process_time()
        rate_time(*given, policies=RatingPolicies())
        turns.append(time.process_time() - start)
    return median(turns)


def _firm(size: int) -> Frames:
    """Contracts of a thousand entries, twenty a worker; quarter-hours up; every fourth contract has overtime."""
    number = pl.int_range(size, eager=True).alias("number")
    contract, worker = pl.col("number") // PER_CONTRACT, pl.col("number") // PER_WORKER
    entries = number.to_frame().select(
        entry=pl.format("e{}", "number"), version=pl.lit(1), contract=pl.format("C-{}", contract),
        line=pl.lit("1"), project=pl.format("P-{}", contract), project_state=pl.lit("active"),
        task=pl.format("T-{}", pl.col("number") % 5), task_state=pl.lit("open"), worker=pl.format("W{}", worker),
        worker_left=None, role=pl.format("role{}", worker % ROLES), grade=None, country=pl.lit("US"), worksite=None,
        work_date=pl.lit(date(2026, 1, 1)) + pl.duration(days=pl.col("number") % PER_WORKER),
        worked_hours=(pl.col("number") % 33 * 25 + 25).cast(ENTRIES["worked_hours"]) / 100, billable=pl.lit(True),
        state=pl.lit("approved"), recorded_at=pl.lit(EARLY),
    )  # fmt: skip
    keys = [f"C-{place}" for place in range(-(-size // PER_CONTRACT))]
    return (
        entries.select(pl.col(name).cast(dtype) for name, dtype in ENTRIES.items()),
        frame([_terms(place, key) for place, key in enumerate(keys)], LINES),
        frame([_price(role) for role in range(ROLES)], RATES),
        frame([{"contract": key, "line": "1", "rank": 0, "card": "STD"} for key in keys], CARDS),
    )


def _terms(place: int, key: str) -> dict[str, object]:
    overtime = {"overtime_daily_after": Decimal(8), "overtime_weekly_after": Decimal(40)}
    return {
        "contract": key, "line": "1", "effective_from": EARLY.date(), "start": EARLY.date(), "customer": "ACME",
        "entity": "US01", "currency": "USD", "rate_card": "STD", "contract_state": "active", "increment_minutes": 15,
        "increment_mode": "up", "increment_per": "entry", "overtime_multiplier": Decimal("1.5"),
        **(overtime if place % 4 == 0 else {}),
    }  # fmt: skip


def _price(role: int) -> dict[str, object]:
    return {
        "card": "STD", "currency": "USD", "role": f"role{role}", "unit": "hour", "price": Decimal(100 + role),
        "effective_from": EARLY.date(), "known_from": EARLY,
    }  # fmt: skip
