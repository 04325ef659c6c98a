"""Caps and purchase-order limits: what may be billed, what is over the cap, what is written off.

An event consumes every cap it falls under, in (date, entry) order of what is not yet released; the tightest decides
and the event that crosses is split exactly by value. Domain rules §2.8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.frames import CAP_EVENTS, CAP_SPLIT, CAPS, check_frame, conform, frame
from tieout.model.money import round_to_minor

_ZERO = Decimal(0)


@dataclass
class _Cap:
    """One cap while its contract is walked: what is left of it. Null amount or hours means no such limit."""

    key: str
    lines: frozenset[str] | None
    amount: Decimal | None
    hours: Decimal | None
    over: str

    def covers(self, line: str) -> bool:
        return self.lines is None or line in self.lines

    def consume(self, quantity: Decimal, amount: Decimal) -> None:
        self.amount = None if self.amount is None else self.amount - amount
        self.hours = None if self.hours is None else self.hours - quantity


def apply_caps(events: pl.DataFrame, caps: pl.DataFrame) -> pl.DataFrame:
    """Split each event (CAP_EVENTS) into billable, over-cap and written-off parts (CAP_SPLIT) that add up to it.

    Quantity and amount come less what was set back; a reversal is a negative event and gives room back.
    The billable part includes what is on released invoices, which keeps its class and uses the cap first. Contracts
    that cannot reach a cap are passed in one vectorised step; only those that can are walked event by event.
    """
    check_frame("cap events", events, CAP_EVENTS)
    check_frame("caps", caps, CAPS)
    walked = events.filter(pl.col("contract").is_in(_reachable(events, caps).to_list()))
    free = events.join(walked.select("event"), on="event", how="anti")
    parts = [_all_billable(free), _walk(walked, caps)]
    split = pl.concat(parts).sort("event")
    _check_split(events, split)
    return split


def _reachable(events: pl.DataFrame, caps: pl.DataFrame) -> pl.Series:
    """Contracts whose events could reach one of their caps, or that hold negative events beside a cap."""
    sums = events.group_by("contract").agg(
        pl.col("amount").clip(lower_bound=0).sum().alias("value"),
        pl.col("quantity").clip(lower_bound=0).sum().alias("total_hours"),
    )
    joined = sums.join(caps, on="contract")
    over = (pl.col("value") > pl.col("amount")).fill_null(False) | (
        pl.col("total_hours") > pl.col("hours")
    ).fill_null(False)
    return joined.filter(over)["contract"].unique()


def _all_billable(events: pl.DataFrame) -> pl.DataFrame:
    zero = pl.lit(0)
    whole = events.with_columns(
        pl.col("quantity").alias("billable_quantity"), pl.col("amount").alias("billable_amount"),
        zero.alias("over_cap_quantity"), zero.alias("over_cap_amount"), zero.alias("written_off_quantity"),
        zero.alias("written_off_amount"), pl.lit(None, pl.String).alias("cap"),
    )  # fmt: skip
    return conform("cap split", whole, CAP_SPLIT)


def _walk(events: pl.DataFrame, caps: pl.DataFrame) -> pl.DataFrame:
    by_contract: dict[str, list[dict[str, Any]]] = {}
    for row in caps.sort("cap").iter_rows(named=True):
        by_contract.setdefault(row["contract"], []).append(row)
    rows: list[dict[str, Any]] = []
    ordered = events.sort("contract", "work_date", "entry", "sequence")
    for (contract,), group in ordered.group_by("contract", maintain_order=True):
        rows += _walk_contract(group.to_dicts(), by_contract[str(contract)])
    return frame(rows, CAP_SPLIT)


def _walk_contract(events: list[dict[str, Any]], caps: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    states = [
        _Cap(
            c["cap"],
            None if c["lines"] is None else frozenset(c["lines"]),
            c["amount"],
            c["hours"],
            c["over"],
        )
        for c in caps
    ]
    for event in events:
        for cap in (c for c in states if c.covers(event["line"])):
            cap.consume(event["released_quantity"], event["released_amount"])
    return [_split(event, [c for c in states if c.covers(event["line"])]) for event in events]


def _split(event: dict[str, Any], caps: list[_Cap]) -> dict[str, Any]:
    quantity = event["quantity"] - event["released_quantity"]
    amount = event["amount"] - event["released_amount"]
    fits_quantity, fits_amount, tightest = quantity, amount, None
    if amount > 0:
        for cap in caps:
            room = _room(cap, quantity, amount, event["currency"])
            if room[1] < fits_amount:
                (fits_quantity, fits_amount), tightest = room, cap
    for cap in caps:
        cap.consume(fits_quantity, fits_amount)
    over = (quantity - fits_quantity, amount - fits_amount)
    written = tightest is not None and tightest.over == "write_off"
    return {
        "event": event["event"],
        "billable_quantity": event["released_quantity"] + fits_quantity,
        "billable_amount": event["released_amount"] + fits_amount,
        "over_cap_quantity": _ZERO if written else over[0],
        "over_cap_amount": _ZERO if written else over[1],
        "written_off_quantity": over[0] if written else _ZERO,
        "written_off_amount": over[1] if written else _ZERO,
        "cap": tightest.key if tightest else None,
    }


def _room(cap: _Cap, quantity: Decimal, amount: Decimal, currency: str) -> tuple[Decimal, Decimal]:
    """The hours and value of the event that still fit under this cap: split by value, hours in proportion."""
    room = (quantity, amount)
    with localcontext(prec=60):
        if cap.amount is not None and cap.amount < amount:
            fits = max(cap.amount, _ZERO)
            room = ((quantity * fits / amount).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP), fits)
        if cap.hours is not None and quantity > 0 and cap.hours < room[0]:
            hours = max(cap.hours, _ZERO)
            room = (hours, round_to_minor(amount * hours / quantity, currency))
    return room


def _check_split(events: pl.DataFrame, split: pl.DataFrame) -> None:
    for measure in ("quantity", "amount"):
        parts = sum(
            (split[f"{part}_{measure}"].sum() for part in ("billable", "over_cap", "written_off")), _ZERO
        )
        if parts != events[measure].sum() or split.height != events.height:
            raise AssertionError(f"cap split lost {measure}: in {events[measure].sum()}, out {parts}")
