"""Write-downs, write-ups and write-offs before billing: they change the value to bill, never the hours.

Domain rules §2.10: a reason, a proposer, another approver above a limit. On `as_invoiced` lines revenue changes with
the value. A customer who cannot pay is a credit loss, never one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import OPEN_VALUE, REFUSED_REQUESTS, WRITES, WRITTEN, check_frame, frame
from tieout.model.money import allocate, round_to_minor

DOWN, UP, OFF = "down", "up", "off"
NEEDS_APPROVAL = "needs-approval"
"""Code of a write that waits for another person; every other code refuses it."""
_ZERO = Decimal(0)
Row = Mapping[str, Any]


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
    lines = _by_line(open_value, writes)
    written: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for write in writes.sort("day", "write").iter_rows(named=True):
        events = _meant(write, lines)
        problem = _problem(write, events, limit)
        if problem is None:
            written += _share(write, events)
        else:
            left_out.append(_refused(write, *problem))
    changes = frame(written, WRITTEN)
    result = WriteResult(changes, _after(open_value, changes), frame(left_out, REFUSED_REQUESTS))
    _check_conservation(open_value, result)
    return result


def _by_line(events: pl.DataFrame, writes: pl.DataFrame) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The events of the lines that writes name, in order of (date, entry, event)."""
    lines = writes.select("contract", "line").unique()
    touched = events.join(lines, on=["contract", "line"], how="semi").sort("work_date", "entry", "event")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in touched.iter_rows(named=True):
        found.setdefault((row["contract"], row["line"]), []).append(row)
    return found


def _meant(write: Row, events: Mapping[tuple[str, str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The events of the entry that is meant, or of the line where none is named."""
    rows = events.get((write["contract"], write["line"]), [])
    return [row for row in rows if write["entry"] is None or row["entry"] == write["entry"]]


def _problem(write: Row, events: list[dict[str, Any]], limit: Decimal) -> tuple[str, str] | None:
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
    there = _total(max(event["amount"], _ZERO) for event in events)
    if there == 0 or (write["kind"] != UP and amount > there):
        return "exceeds-value", f"{amount} of {target}, of which {there} is open"
    if amount > limit and who[1] is None:
        return NEEDS_APPROVAL, f"{amount} is above {limit}: another person approves it"
    if amount > limit and who[0] == who[1]:
        return "own-approval", f"{who[0]} proposed it, another person approves it"
    return None


def _share(write: Row, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The write's change of each event; the events carry their new value for the write after it."""
    sign = 1 if write["kind"] == UP else -1
    shares = allocate(
        write["amount"], [max(event["amount"], _ZERO) for event in events], events[0]["currency"]
    )
    rows = []
    for event, share in zip(events, shares, strict=True):
        if share:
            event["amount"] += sign * share
            earned = event["revenue_method"] == "as_invoiced"
            kept = {key: event[key] for key in ("event", "contract", "line", "entry", "currency")}
            rows.append(
                {"write": write["write"], "kind": write["kind"], "day": write["day"], **kept, "amount": sign * share,
                 "revenue_amount": sign * share if earned else _ZERO}
            )  # fmt: skip
    return rows


def _after(open_value: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    moved = written.group_by("event").agg(pl.col("amount").sum().alias("change"))
    joined = open_value.join(moved, on="event", how="left", maintain_order="left")
    changed = (pl.col("amount") + pl.col("change").fill_null(0)).cast(OPEN_VALUE["amount"]).alias("amount")
    return joined.with_columns(changed).select(OPEN_VALUE.names())


def _check_conservation(before: pl.DataFrame, result: WriteResult) -> None:
    expected = _total([*before["amount"], *result.written["amount"]])
    found = _total(result.after["amount"])
    if found != expected or _total(result.after["quantity"]) != _total(before["quantity"]):
        raise AssertionError(f"writing lost value or hours: {found} is not {expected}")


def _refused(write: Row, code: str, detail: str) -> dict[str, Any]:
    """A row of REFUSED_REQUESTS."""
    kept = {key: write[key] for key in ("contract", "line", "entry", "amount")}
    return {"request": write["write"], **kept, "code": code, "detail": detail}


def _total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, _ZERO)
