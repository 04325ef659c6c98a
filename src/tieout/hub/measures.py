"""Measures for leaders as they stand now, each with its one definition."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import MOMENT
from tieout.domain.measures import billing_accuracy, exception_rate, latency_days
from tieout.store import measures as store

_SPAN = pl.Schema([("start", MOMENT), ("end", MOMENT)])


def current(conn: Connection) -> list[dict[str, Any]]:
    """{measure, value, unit, definition}; a value is null while there is nothing to measure."""
    invoicing = _latency(store.invoicing_spans(conn))
    setting_up = _latency(store.setup_spans(conn))
    billed, credited = store.billed_and_credited(conn)
    opened, entries = store.exceptions_and_entries(conn)
    return [
        _row("time_to_invoice_median", invoicing.median_days, "days", "approval of a draft to its release, median"),
        _row("time_to_invoice_p90", invoicing.p90_days, "days", "approval of a draft to its release, 90th percentile"),
        _row("setup_lead_time_median", setting_up.median_days, "days", "contract signed to project active, median"),
        _row("setup_lead_time_p90", setting_up.p90_days, "days", "contract signed to project active, 90th percentile"),
        _row("billing_accuracy", billing_accuracy(billed, credited), "share", "credited or rebilled value ÷ billed"),
        _row("exception_rate", exception_rate(opened, entries), "share",
             "billing exceptions opened ÷ approved time entries"),
    ]  # fmt: skip


def _latency(rows: list[dict[str, Any]]) -> Any:
    frame = pl.DataFrame(
        {name: pl.Series(name, [row[name] for row in rows], dtype=_SPAN[name]) for name in _SPAN}
    )
    return latency_days(frame, "start", "end")


def _row(measure: str, value: Decimal | None, unit: str, definition: str) -> dict[str, Any]:
    return {"measure": measure, "value": value, "unit": unit, "definition": definition}
