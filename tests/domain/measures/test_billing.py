"""Measures: one definition, percentiles that are rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl

from tieout.domain.measures import billing_accuracy, exception_rate, latency_days


def test_latency_is_the_nearest_rank_of_finished_rows() -> None:
    """1 to 10 days: the 5th is the median, the 9th the 90th percentile; one row is still open."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = pl.DataFrame({"a": [start] * 11, "b": [*(start + timedelta(days=i) for i in range(1, 11)), None]})
    got = latency_days(rows, "a", "b")
    assert (got.count, got.open_count, got.median_days, got.p90_days) == (10, 1, Decimal(5), Decimal(9))
    assert latency_days(rows.tail(1), "a", "b").median_days is None


def test_shares_have_no_value_without_a_base() -> None:
    assert billing_accuracy(Decimal(1000), Decimal(25)) == Decimal("0.025")
    assert billing_accuracy(Decimal(0), Decimal(0)) is None
    assert exception_rate(3, 400) == Decimal("0.0075")
