"""Write-downs, write-ups and write-offs before billing: they change the value to bill, never the hours.

Domain rules §2.10: a reason, a proposer, another approver above a limit. On `as_invoiced` lines revenue changes with
the value. A customer who cannot pay is a credit loss, never one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import OPEN_VALUE, REFUSED_REQUESTS, WRITES, WRITTEN, check_frame, frame
from tieout.domain.rating.targets import ZERO, by_line, of_request, refused, total
from tieout.model.money import allocate, round_to_minor

DOWN, UP, OFF = "down", "up", "off"
NEEDS_APPROVAL = "needs-approval"
"""Code of a write that waits for another person; every other code refuses it."""


@dataclass(frozen=True)
class WriteResult:
    """`written`: the signed change of each event; `after`: the open values then; `refused`: what was not done, why."""

    written: pl.DataFrame
    after: pl.DataFrame
    refused: pl.DataFrame


def apply_writes(open_value: pl.DataFrame, writes: pl.DataFrame, *, limit: Decimal) -> WriteResult:
    """Change what is open to bill (OPEN_VALUE) by what people decided (WRITES), in order of (day, write).

    A write of an entry or of a line is shared over its open events by value, largest remainder; it never takes more
    than is open. Above `limit` (in the contract's currency) it needs an approver other than its proposer. Σ open
    after = Σ open before + Σ written; quantities stay.
    """
    check_frame("open value", open_value, OPEN_VALUE)
    check_frame("writes", writes, WRITES)
    lines = by_line(open_value, writes)
    written: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for write in writes.sort("day", "write").iter_rows(named=True):
        events = of_request(write, lines)
        problem = _problem(write, events, limit)
        if problem is None:
            written += _share(write, events)
        else:
            left_out.append(refused(write, "write", *problem))
    changes = frame(written, WRITTEN)
    result = WriteResult(changes, _after(open_value, changes), frame(left_out, REFUSED_REQUESTS))
    _check_conservation(open_value, result)
    return result


def _problem(
    write: Mapping[str, Any], events: list[dict[str, Any]], limit: Decimal
) -> tuple[str, str] | None:
    amount, who = write["amount"], (write["proposer"], write["approver"])
    target = f"entry {write['entry']}" if write["entry"] else f"line {write['line']}"
    if write["kind"] not in (DOWN, UP, OFF):
        return "unknown-kind", f"{write['kind']} is none of down, up, off"
    if not write["reason"] or not write["reason"].strip():
        return "no-reason", "a write needs a reason"
    if not who[0]:
        return "no-proposer", "a write needs the person who proposes it"
    if not events:
        return "nothing-open", f"{target} of contract {write['contract']} has no event to write on"
    if amount is None or amount <= 0 or amount != round_to_minor(amount, events[0]["currency"]):
        return "invalid-amount", f"{amount} is not a positive amount in {events[0]['currency']}"
    there = total(max(event["amount"], ZERO) for event in events)
    if there == 0 or (write["kind"] != UP and amount > there):
        return "exceeds-value", f"{amount} of {target}, of which {there} is open"
    if amount > limit and who[1] is None:
        return NEEDS_APPROVAL, f"{amount} is above {limit}: another person approves it"
    if amount > limit and who[0] == who[1]:
        return "own-approval", f"{who[0]} proposed it, another person approves it"
    return None


def _share(write: Mapping[str, Any], events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The write's change of each event; the events carry their new value for the write after it."""
    sign = 1 if write["kind"] == UP else -1
    shares = allocate(
        write["amount"], [max(event["amount"], ZERO) for event in events], events[0]["currency"]
    )
    rows = []
    for event, share in zip(events, shares, strict=True):
        if share:
            event["amount"] += sign * share
            earned = event["revenue_method"] == "as_invoiced"
            kept = {key: event[key] for key in ("event", "contract", "line", "entry", "currency")}
            rows.append(
                {"write": write["write"], "kind": write["kind"], "day": write["day"], **kept, "amount": sign * share,
                 "revenue_amount": sign * share if earned else ZERO}
            )  # fmt: skip
    return rows


def _after(open_value: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    moved = written.group_by("event").agg(pl.col("amount").sum().alias("change"))
    joined = open_value.join(moved, on="event", how="left", maintain_order="left")
    changed = (pl.col("amount") + pl.col("change").fill_null(0)).cast(OPEN_VALUE["amount"]).alias("amount")
    return joined.with_columns(changed).select(OPEN_VALUE.names())


def _check_conservation(before: pl.DataFrame, result: WriteResult) -> None:
    expected = total([*before["amount"], *result.written["amount"]])
    found = total(result.after["amount"])
    if found != expected or total(result.after["quantity"]) != total(before["quantity"]):
        raise AssertionError(f"writing lost value or hours: {found} is not {expected}")
