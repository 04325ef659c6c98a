"""Caps and purchase-order limits: what may be billed, what is over the cap, what is written off.

A cap stands on some lines of a contract (or all), on time, expenses (with subcontract work) or everything, in amount,
hours (of time) or both. An event consumes every cap it falls under, in (date, entry) order of what is not yet released; the tightest decides
and the event that crosses is split exactly by value. Domain rules §2.8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.frames import CAP_EVENTS, CAP_SPLIT, CAPS, HOURS, check_frame, conform, frame
from tieout.model.decimals import ratio
from tieout.model.money import round_to_minor

_ZERO = Decimal(0)
_TIME = "time"
_CLASSES = {_TIME: "time", "expense": "expenses", "subcontract": "expenses"}


def _in_hours(event: dict[str, Any]) -> bool:
    return (event["kind"] or _TIME) == _TIME


@dataclass
class _Cap:
    """One cap while its contract is walked: what is left of it. Null amount or hours means no such limit."""

    key: str
    lines: frozenset[str] | None
    includes: frozenset[str] | None
    amount: Decimal | None
    hours: Decimal | None
    over: str

    def covers(self, event: dict[str, Any]) -> bool:
        on_line = self.lines is None or event["line"] in self.lines
        return on_line and (self.includes is None or _CLASSES.get(event["kind"] or _TIME) in self.includes)

    def consume(self, event: dict[str, Any], quantity: Decimal, amount: Decimal) -> None:
        self.amount = None if self.amount is None else self.amount - amount
        if self.hours is not None and _in_hours(event):
            self.hours -= quantity


def apply_caps(events: pl.DataFrame, caps: pl.DataFrame) -> pl.DataFrame:
    """Split each event (CAP_EVENTS) into billable, over-cap and written-off parts (CAP_SPLIT) that add up to it.

    Quantity and amount come less what was set back; a reversal is a negative event and gives room back.
    The billable part includes what is on released invoices, which keeps its class and uses the cap first. Contracts
    that cannot reach a cap, and those under one plain amount, are split in vectorised steps; only the others are walked
    event by event.
    """
    check_frame("cap events", events, CAP_EVENTS)
    check_frame("caps", caps, CAPS)
    if caps.is_empty():
        split = _all_billable(events).sort("event")
        _check_split(events, split)
        return split
    reachable = pl.col("contract").is_in(_reachable(events, caps).to_list())
    free, bound = events.filter(~reachable), events.filter(reachable)
    plain = pl.col("contract").is_in(_plain(bound, caps).to_list())
    parts = [_all_billable(free), _in_one_step(bound.filter(plain), caps), _walk(bound.filter(~plain), caps)]
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


def _plain(events: pl.DataFrame, caps: pl.DataFrame) -> pl.Series:
    """Contracts with one cap, in amount, over everything, and no event that gives room back."""
    one = caps.filter(pl.len().over("contract") == 1)
    one = one.filter(
        pl.col("includes").is_null() & pl.col("hours").is_null() & pl.col("amount").is_not_null()
    )
    covered = pl.col("lines").is_null() | pl.col("lines").list.contains(pl.col("line"))
    lines = events.select("contract", "line").unique().join(one, on="contract")
    partly = lines.filter(~covered)["contract"].unique()
    one = one.filter(~pl.col("contract").is_in(partly.to_list()))
    rest = pl.col("amount") - pl.col("released_amount")
    giving = events.filter((rest < 0) | (pl.col("released_amount") < 0))["contract"].unique()
    return one.filter(~pl.col("contract").is_in(giving.to_list()))["contract"]


def _in_one_step(events: pl.DataFrame, caps: pl.DataFrame) -> pl.DataFrame:
    """The same split as the walk for contracts under one plain amount: running totals against what is left of it."""
    limits = caps.select("contract", "cap", "over", pl.col("amount").alias("limit"))
    rows = events.sort("contract", "work_date", "entry", "sequence").join(
        limits, on="contract", maintain_order="left"
    )
    amount, quantity = (pl.col(m) - pl.col(f"released_{m}") for m in ("amount", "quantity"))
    room = (pl.col("limit") - pl.col("released_amount").sum().over("contract")).clip(lower_bound=0)
    rows = rows.with_columns(amount.alias("rest"), quantity.alias("rest_quantity"), room.alias("room"))
    upto = pl.min_horizontal(pl.col("rest").cum_sum().over("contract"), "room")
    before = pl.min_horizontal(pl.col("rest").cum_sum().over("contract") - pl.col("rest"), "room")
    rows = rows.with_columns((upto - before).alias("fits"))
    whole = pl.col("fits") == pl.col("rest")
    of_all = ratio(pl.col("quantity"), pl.col("released_amount") + pl.col("fits"), pl.col("amount"), 6)
    share = pl.min_horizontal(
        (of_all - pl.col("released_quantity")).clip(lower_bound=0), pl.col("rest_quantity")
    )
    rows = rows.with_columns(
        pl.when(whole).then("rest_quantity").otherwise(share).cast(HOURS).alias("fits_quantity")
    )
    written = pl.col("over") == "write_off"
    over = {
        "quantity": pl.col("rest_quantity") - pl.col("fits_quantity"),
        "amount": pl.col("rest") - pl.col("fits"),
    }
    split = rows.with_columns(
        (pl.col("released_quantity") + pl.col("fits_quantity")).alias("billable_quantity"),
        (pl.col("released_amount") + pl.col("fits")).alias("billable_amount"),
        pl.when(~whole).then("cap").alias("cap"),
        *(pl.when(written).then(0).otherwise(part).alias(f"over_cap_{m}") for m, part in over.items()),
        *(pl.when(written).then(part).otherwise(0).alias(f"written_off_{m}") for m, part in over.items()),
    )
    return conform("cap split", split, CAP_SPLIT)


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
            None if c["includes"] is None else frozenset(c["includes"]),
            c["amount"],
            c["hours"],
            c["over"],
        )
        for c in caps
    ]
    for event in events:
        for cap in (c for c in states if c.covers(event)):
            cap.consume(event, event["released_quantity"], event["released_amount"])
    return [_split(event, [c for c in states if c.covers(event)]) for event in events]


def _split(event: dict[str, Any], caps: list[_Cap]) -> dict[str, Any]:
    quantity = event["quantity"] - event["released_quantity"]
    amount = event["amount"] - event["released_amount"]
    fits_quantity, fits_amount, tightest = quantity, amount, None
    if amount > 0:
        for cap in caps:
            room = _room(cap, event, quantity, amount)
            if room[1] < fits_amount:
                (fits_quantity, fits_amount), tightest = room, cap
    for cap in caps:
        cap.consume(event, fits_quantity, fits_amount)
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


def _room(cap: _Cap, event: dict[str, Any], quantity: Decimal, amount: Decimal) -> tuple[Decimal, Decimal]:
    """The hours and value of the event that still fit under this cap: split by value, hours in proportion.

    The proportion is that of the whole event, so it is the same before and after a part of it is released: value that
    was written off takes no hours with it.
    """
    room = (quantity, amount)
    with localcontext(prec=60):
        if cap.amount is not None and cap.amount < amount:
            fits = max(cap.amount, _ZERO)
            share = event["quantity"] * (event["released_amount"] + fits) / event["amount"]
            hours = share.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP) - event["released_quantity"]
            room = (min(max(hours, _ZERO), quantity), fits)
        if cap.hours is not None and _in_hours(event) and quantity > 0 and cap.hours < room[0]:
            hours = max(cap.hours, _ZERO)
            room = (hours, round_to_minor(amount * hours / quantity, event["currency"]))
    return room


def _check_split(events: pl.DataFrame, split: pl.DataFrame) -> None:
    for measure in ("quantity", "amount"):
        parts = sum(
            (split[f"{part}_{measure}"].sum() for part in ("billable", "over_cap", "written_off")), _ZERO
        )
        if parts != events[measure].sum() or split.height != events.height:
            raise AssertionError(f"cap split lost {measure}: in {events[measure].sum()}, out {parts}")
