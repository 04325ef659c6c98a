"""Credit notes: name lines, entries and hours of one invoice, never exceed what is left of them or of the invoice.

An hour stands on one invoice only as far as no later document took it back: what a correction on a later invoice
reversed is not credited once more on the earlier one. A credit of work that an invoice nets against corrections of
earlier invoices, or against deposits, would exceed that invoice; as much of them as it leaves without cover goes back:
corrections and deposits are owed to the customer whatever is credited, so no kind of credit gives them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.frames import CREDIT_EVENTS, CREDIT_LINES, INVOICED, check_frame, frame
from tieout.model.money import allocate, round_to_minor

WHOLE = "invoice"
KINDS = ("correction", "concession", "cancellation")
_ZERO, _MICRO = Decimal(0), Decimal("0.000001")


class CreditRefused(ValueError):
    """A credit that cannot be given as asked: what was named, what is left, what was asked."""

    def __init__(self, reason: str, key: str, left: Decimal, asked: Decimal) -> None:
        super().__init__(reason, key, left, asked)
        self.reason, self.key, self.left, self.asked = reason, key, left, asked

    def __str__(self) -> str:
        return f"{self.key}: {self.reason} (asked {self.asked}, left {self.left})"


@dataclass(frozen=True)
class CreditItem:
    """An entry, an item, a contract line (LINE or CONTRACT/LINE) or a contract of the invoice, and hours or an amount of it.

    Neither means all that is left. An item is what a charge is for: a delivery, a milestone, an instalment.
    """

    id: str
    hours: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True)
class CreditRequest:
    """`items`, or `amount` over the whole invoice, or neither for all that is left of it."""

    kind: str
    reason: str
    rebill: bool = False
    items: tuple[CreditItem, ...] = ()
    amount: Decimal | None = None


@dataclass(frozen=True)
class Credit:
    """`lines` and `events` with the amounts to credit, negative for corrections that go back; `net_amount`: their sum.

    After release each event's credited balance grows by its row; with `rebill` that part is billable again, without
    it the same part of a time event is given up: the caller adds it to the event's written-off balance in the same
    transaction. What is credited of a reversal is billable again in any case.
    """

    lines: pl.DataFrame
    events: pl.DataFrame
    net_amount: Decimal
    kind: str
    rebill: bool


@dataclass(frozen=True)
class _Part:
    row: dict[str, Any]
    quantity: Decimal
    amount: Decimal


def payments_moved(
    left: Mapping[str, Decimal], credited: Mapping[str, Decimal], currency: str
) -> dict[str, Decimal]:
    """What payments of a document count for one of its contracts from now on instead of for another; in sum nothing.

    A credit is more than is open of its contract (`left`) where a payment went over all of them: as much of the
    payment goes to what is still open of the others, so that nothing is owed back while anything is owed.
    """
    open_after = {contract: left[contract] - credited.get(contract, _ZERO) for contract in sorted(left)}
    over = {contract: max(-amount, _ZERO) for contract, amount in open_after.items()}
    under = {contract: max(amount, _ZERO) for contract, amount in open_after.items()}
    moved = min(sum(over.values(), _ZERO), sum(under.values(), _ZERO))
    if not moved:
        return dict.fromkeys(open_after, _ZERO)
    gives, takes = (allocate(moved, list(side.values()), currency) for side in (over, under))
    return {contract: take - give for contract, give, take in zip(open_after, gives, takes, strict=True)}


def credit_lines(invoiced: pl.DataFrame, request: CreditRequest, *, left: Decimal, currency: str) -> Credit:
    """Turn a request into credit note lines from one invoice (INVOICED) of which `left`, net, is not credited yet.

    Of each event its part on this invoice less what was credited there, and what stands of it over all documents
    (`standing`: billed, less credited, less reversed): the smaller is left. A concession gives up money and no hours:
    the work stays delivered. A correction or cancellation takes the hours with it. An amount is shared over the events
    by what is left of them. Domain rules §3.
    """
    check_frame("invoiced", invoiced, INVOICED)
    if request.kind not in KINDS:
        raise CreditRefused("unknown kind of credit", request.kind, _ZERO, _ZERO)
    rows = invoiced.sort("number", "entry", "event").to_dicts()
    if left <= 0:
        raise CreditRefused("nothing is left to credit", WHOLE, _ZERO, request.amount or _ZERO)
    parts = _asked_for([row for row in rows if not _takes_off(row)], request, left, currency)
    net = sum((part.amount for part in parts), _ZERO)
    if not net:
        raise CreditRefused("nothing is left to credit", WHOLE, _ZERO, request.amount or _ZERO)
    back = _taken_back([row for row in rows if _takes_off(row)], net, left)
    return _credit([*parts, *back], request)


def _takes_off(row: dict[str, Any]) -> bool:
    """Whether a row makes its invoice less: a correction of an earlier one, or a deposit."""
    return bool(row["kind"] == "reversal" or row["amount"] < 0)


def _asked_for(
    rows: list[dict[str, Any]], request: CreditRequest, whole: Decimal, currency: str
) -> list[_Part]:
    """The parts of time events that the request names, within what is left of each."""
    left = _left(rows)
    taken: dict[_Place, _Part] = {}
    for key, chosen, item in _chosen(rows, request):
        for part in _take(key, [left[place] for place in chosen], item, whole, currency):
            place = _place(part.row)
            rest = left[place]
            left[place] = replace(
                rest, quantity=rest.quantity - part.quantity, amount=rest.amount - part.amount
            )
            before = taken.get(place, _Part(part.row, _ZERO, _ZERO))
            taken[place] = _Part(part.row, before.quantity + part.quantity, before.amount + part.amount)
    return [part for part in taken.values() if part.amount != 0 or part.quantity != 0]


_Place = tuple[int, str]


def _place(row: dict[str, Any]) -> _Place:
    """Line and event: an event under two tax rates stands on two lines."""
    return row["number"], row["event"]


def _left(rows: list[dict[str, Any]]) -> dict[_Place, _Part]:
    """What is left of each event on each line: what it holds, as far as that still stands."""
    left: dict[_Place, _Part] = {}
    for measure in ("quantity", "amount"):
        stands = {row["event"]: row[f"standing_{measure}"] for row in rows}
        for row in rows:
            open_ = max(min(row[measure], stands[row["event"]]), _ZERO)
            stands[row["event"]] -= open_
            left[_place(row)] = replace(left.get(_place(row), _Part(row, _ZERO, _ZERO)), **{measure: open_})
    return left


def _taken_back(rows: list[dict[str, Any]], net: Decimal, left: Decimal) -> list[_Part]:
    """As much of the corrections and deposits on the invoice, the last first, as keeps the note within what is left of it."""
    needed, back = net - left, []
    for row in reversed(rows):
        part = min(-row["amount"], needed)
        if part > 0:
            with localcontext(prec=60):
                share = (row["quantity"] * part / -row["amount"]).quantize(_MICRO, rounding=ROUND_HALF_UP)
            back.append(_Part(row, row["quantity"] if part == -row["amount"] else share, -part))
            needed -= part
    if needed > 0:
        raise CreditRefused("more than is left of the invoice", WHOLE, left, net)
    return back


def _chosen(rows: list[dict[str, Any]], request: CreditRequest) -> list[tuple[str, list[_Place], CreditItem]]:
    if not request.items:
        return [(WHOLE, [_place(row) for row in rows], CreditItem(WHOLE, amount=request.amount))]
    chosen = []
    for item in request.items:
        named = (
            [row for row in rows if row["entry"] == item.id],
            [row for row in rows if row["item"] == item.id],
            [row for row in rows if item.id in _names(row)],
        )
        found = next(filter(None, named), [])
        if len({row["contract"] for row in found}) > 1:
            said = "is of several contracts on this invoice: name CONTRACT/LINE"
            raise CreditRefused(said, item.id, _ZERO, item.amount or item.hours or _ZERO)
        if not found:
            raise CreditRefused("is not on this invoice", item.id, _ZERO, item.amount or item.hours or _ZERO)
        chosen.append((item.id, [_place(row) for row in found], item))
    return chosen


def _names(row: dict[str, Any]) -> tuple[str, str, str]:
    """What names an event with others of its contract line, or of its contract."""
    return row["contract_line"], f"{row['contract']}/{row['contract_line']}", row["contract"]


def _take(key: str, parts: list[_Part], item: CreditItem, whole: Decimal, currency: str) -> list[_Part]:
    if item.hours is not None:
        return _take_hours(key, parts, item.hours, currency)
    if item.amount is not None:
        left = sum((part.amount for part in parts), _ZERO)
        return _take_amount(key, parts, item.amount, min(left, whole) if key == WHOLE else left, currency)
    return parts


def _take_hours(key: str, parts: list[_Part], hours: Decimal, currency: str) -> list[_Part]:
    """Hours from the last entry backwards, each at its own price."""
    left = sum((part.quantity for part in parts), _ZERO)
    if not 0 < hours <= left:
        raise CreditRefused("more hours than are left", key, left, hours)
    taken = []
    for part in reversed(parts):
        take = min(part.quantity, hours)
        if take > 0:
            with localcontext(prec=60):
                amount = round_to_minor(part.amount * take / part.quantity, currency)
            taken.append(_Part(part.row, take, part.amount if take == part.quantity else amount))
            hours -= take
    return taken


def _take_amount(key: str, parts: list[_Part], amount: Decimal, left: Decimal, currency: str) -> list[_Part]:
    positive = [part for part in parts if part.amount > 0]
    if not 0 < amount <= left or amount != round_to_minor(amount, currency):
        raise CreditRefused("not an amount within what is left", key, left, amount)
    shares = allocate(amount, [part.amount for part in positive], currency)
    with localcontext(prec=60):
        return [
            _Part(p.row, (p.quantity * s / p.amount).quantize(_MICRO, rounding=ROUND_HALF_UP), s)
            for p, s in zip(positive, shares, strict=True)
        ]


def _credit(parts: list[_Part], request: CreditRequest) -> Credit:
    concession = request.kind == "concession"
    events = [
        {"number": part.row["number"], "event": part.row["event"], "entry": part.row["entry"],
         "quantity": _ZERO if concession and part.amount > 0 else part.quantity, "amount": part.amount}
        for part in parts
    ]  # fmt: skip
    lines: dict[int, dict[str, Any]] = {}
    for part, event in zip(parts, events, strict=True):
        row = part.row
        line = lines.setdefault(row["number"], {c: row.get(c) for c in CREDIT_LINES} | {
            "quantity": _ZERO, "net_amount": _ZERO})  # fmt: skip
        line["quantity"] += event["quantity"]
        line["net_amount"] += part.amount
    return Credit(
        lines=frame([lines[number] for number in sorted(lines)], CREDIT_LINES),
        events=frame(events, CREDIT_EVENTS).sort("number", "entry", "event"),
        net_amount=sum((part.amount for part in parts), _ZERO),
        kind=request.kind,
        rebill=request.rebill,
    )
