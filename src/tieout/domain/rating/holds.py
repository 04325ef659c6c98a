"""The three kinds of hold, and what each does to billing and to revenue.

Domain rules §2.9: `over_cap` is not billed and no revenue; `billing_hold` (review, purchase order, client rule) is not
billed and stays revenue; `disputed` stays revenue less the concession that is expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.frames import CLASSIFIED, HELD_VALUE, HOLDS, REFUSED_REQUESTS, check_frame, conform, frame
from tieout.domain.rating.targets import ZERO, by_line, of_request, refused, total
from tieout.model.money import allocate

BILLING_HOLD, DISPUTED = "billing_hold", "disputed"
_ORDER = {DISPUTED: 0, BILLING_HOLD: 1}
_PARTS = ("free", "over_cap", BILLING_HOLD, DISPUTED)


@dataclass(frozen=True)
class HoldResult:
    """`events`: each event's value in its four places (CLASSIFIED); `refused`: requests that hold nothing, and why."""

    events: pl.DataFrame
    refused: pl.DataFrame


def classify_holds(events: pl.DataFrame, holds: pl.DataFrame) -> HoldResult:
    """Put every part of every event (HELD_VALUE: what is not written off) in exactly one place.

    What is over a cap stays there. Of the rest disputes take first, then billing holds, each in order of (day, hold)
    and over its events in order of date: `amount` of it, or all where it names none. Hours follow the value, six
    decimals, and add up. An expected concession is shared over what its dispute holds, largest remainder.
    """
    check_frame("held value", events, HELD_VALUE)
    check_frame("holds", holds, HOLDS)
    lines = by_line(events, holds)
    for rows in lines.values():
        for row in rows:
            row |= {
                "free": row["amount"] - row["over_cap_amount"],
                BILLING_HOLD: ZERO,
                DISPUTED: ZERO,
                "concession": ZERO,
            }
    left_out = []
    requests = sorted(
        holds.iter_rows(named=True), key=lambda h: (_ORDER.get(h["kind"], 2), h["day"], h["hold"])
    )
    for hold in requests:
        problem = _take(hold, of_request(hold, lines))
        if problem is not None:
            left_out.append(refused(hold, "hold", *problem))
    held = frame([_placed(row) for rows in lines.values() for row in rows], CLASSIFIED)
    untouched = events.join(held.select("event"), on="event", how="anti")
    result = pl.concat([_whole(untouched), held]).sort("event")
    _check_conservation(events, result)
    return HoldResult(result, frame(left_out, REFUSED_REQUESTS))


def _take(hold: Mapping[str, Any], events: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Move the hold's amount from free to its place; a problem moves nothing."""
    kind, concession = hold["kind"], hold["expected_concession"] or ZERO
    if kind not in _ORDER:
        return "unknown-kind", f"{kind} is none of billing_hold, disputed"
    there = total(max(event["free"], ZERO) for event in events)
    wanted = there if hold["amount"] is None else hold["amount"]
    if wanted <= 0 or wanted > there:
        return "exceeds-value", f"{wanted} is to be held, {there} is there"
    if not 0 <= concession <= wanted or (concession and kind != DISPUTED):
        return "invalid-concession", f"a concession of {concession} on {wanted} held as {kind}"
    taken: list[Decimal] = []
    for event in events:
        part = min(max(event["free"], ZERO), wanted - total(taken))
        event["free"] -= part
        event[kind] += part
        taken.append(part)
    if concession:
        for event, share in zip(events, allocate(concession, taken, events[0]["currency"]), strict=True):
            event["concession"] += share
    return None


def _placed(row: Mapping[str, Any]) -> dict[str, Any]:
    value = row["amount"] - row["over_cap_amount"]
    hours = row["quantity"] - row["over_cap_quantity"]
    held = {kind: _hours(hours, row[kind], value) for kind in (BILLING_HOLD, DISPUTED)}
    return {
        **{key: row[key] for key in ("event", "contract", "line", "entry", "currency", "over_cap_quantity",
                                     "over_cap_amount")},
        "free_quantity": hours - total(held.values()), "free_amount": row["free"],
        "billing_hold_quantity": held[BILLING_HOLD], "billing_hold_amount": row[BILLING_HOLD],
        "disputed_quantity": held[DISPUTED], "disputed_amount": row[DISPUTED],
        "expected_concession_amount": row["concession"], "revenue_amount": value - row["concession"],
    }  # fmt: skip


def _hours(hours: Decimal, part: Decimal, value: Decimal) -> Decimal:
    if part in (ZERO, value):
        return hours if part else ZERO
    with localcontext(prec=60):
        return (hours * part / value).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def _whole(events: pl.DataFrame) -> pl.DataFrame:
    zero = pl.lit(0)
    rest = pl.col("amount") - pl.col("over_cap_amount")
    placed = events.with_columns(
        (pl.col("quantity") - pl.col("over_cap_quantity")).alias("free_quantity"), rest.alias("free_amount"),
        rest.alias("revenue_amount"), zero.alias("billing_hold_quantity"), zero.alias("billing_hold_amount"),
        zero.alias("disputed_quantity"), zero.alias("disputed_amount"), zero.alias("expected_concession_amount"),
    )  # fmt: skip
    return conform("classified", placed, CLASSIFIED)


def _check_conservation(events: pl.DataFrame, result: pl.DataFrame) -> None:
    for measure in ("quantity", "amount"):
        parts = total(value for part in _PARTS for value in result[f"{part}_{measure}"])
        if parts != total(events[measure]) or result.height != events.height:
            raise AssertionError(f"holding lost {measure}: in {total(events[measure])}, out {parts}")
