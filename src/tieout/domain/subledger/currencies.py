"""What the lines of journals in another currency are worth in the books of their entity (IAS 21.21-28, IFRIC 22.8-9).

Domain rules §4: a monetary balance is carried at the rates it arose at and what leaves it leaves at what it is carried
at; a contract liability is not monetary, each of its layers keeps the rate of its day and the oldest is drawn first;
what is earned out of them is worth what they were, and revenue that is taken back what it was booked at. All differences
are `fx_gain`. Revenue that arises takes the rate of its day or, by policy, the average rate of its fiscal period (IAS
21.22), and what the customer owes for it comes at the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from itertools import groupby
from typing import Any

import polars as pl

from tieout.domain.frames import (
    EXCHANGE_RATES,
    HELD_LINES,
    JOURNAL_LINES,
    check_frame,
    frame,
)
from tieout.domain.rating.exchange import Quote, with_rate
from tieout.domain.subledger import accounts as a
from tieout.model.money import round_to_minor
from tieout.model.periods import MONTHS, Calendar, period_of

MONETARY = (a.RECEIVABLE, a.UNBILLED_RECEIVABLE, a.CONTRACT_ASSET, a.RETENTION_RECEIVABLE, a.REFUND_LIABILITY)
"""What is remeasured at the end of a period."""
_CARRIED = frozenset({*MONETARY, a.TAX_PAYABLE, a.UNAPPLIED_CASH, a.CONTRACT_LIABILITY})
"""What leaves at the value that it is carried at, not at that of the day."""
_INCOME = frozenset({a.REVENUE, a.PASS_THROUGH})
_EARNED, _ACCRUED, _REGROUPED = (
    "revenue",
    "accrual",
    frozenset({"position", "retention", "unbilled_retention"}),
)
_PLACE = ("contract", "line", "entity", "account", "currency")
_LINE = pl.Schema({
    c: JOURNAL_LINES[c] for c in ("cause", *_PLACE, "amount", "functional_amount", "event_date")
})  # fmt: skip
_ZERO = Decimal(0)
_Row = Mapping[str, Any]


class NoRate(LookupError):
    """No exchange rate of a pair is known for a day (or no average for a period): nothing is booked on a guess."""

    def __init__(self, currency: str, books: str, day: date, period: str | None = None) -> None:
        kind, of = ("exchange", day) if period is None else ("average", period)
        super().__init__(f"no {kind} rate from {currency} to {books} for {of}")
        self.currency, self.books, self.day = currency, books, day


@dataclass(frozen=True)
class Exchange:
    """EXCHANGE_RATES, how old one may be, and HELD_LINES: what is booked in other currencies, in the order it was.

    `averaged`: the calendars of the entities, by months unless stated, where revenue takes the average of its period.
    """

    rates: pl.DataFrame
    held: pl.DataFrame
    max_age_days: int = 31
    averaged: Mapping[str, Calendar] | None = None

    def __post_init__(self) -> None:
        check_frame("exchange rates", self.rates, EXCHANGE_RATES)
        check_frame("held lines", self.held, HELD_LINES)

    def values(self, lines: pl.DataFrame, cause_type: str, currencies: Mapping[str, str]) -> pl.DataFrame:
        """The lines (of one cause type, each in another currency than its books) with `functional_amount`.

        Causes are valued in order of event date and name. Where a cause leaves a difference, a line on `fx_gain` of
        no amount in the transaction's currency carries it. Raises `NoRate`.
        """
        averaged = self.averaged if cause_type in (_EARNED, _ACCRUED) else None
        rates = _rates_of(lines, self.rates, currencies, self.max_age_days, averaged)
        carried = _Carried(currencies, rates, averaged)
        for row in self.held.iter_rows(named=True):
            carried.take_up(row)
        found: list[_Row] = []
        ordered = lines.sort(
            "event_date", "cause", "entity", "currency", *(c for c in _PLACE if c in lines.columns)
        )
        for _, cause in groupby(
            ordered.iter_rows(named=True), lambda r: (r["cause"], r["entity"], r["currency"])
        ):
            for part in _by_contract(list(cause)):
                found += _valued(part, cause_type, carried)
        return frame(found, _LINE)

    def remeasured(self, causes: pl.DataFrame, currencies: Mapping[str, str]) -> pl.DataFrame:
        """What brings monetary balances (HELD_LINES with `cause` and `event_date`) to the rate of the day (IAS 21.23(a)).

        Lines of no amount with the difference in the books' currency, each against `fx_gain`. Raises `NoRate`.
        """
        carried = _Carried(currencies, _rates_of(causes, self.rates, currencies, self.max_age_days, None))
        found: list[_Row] = []
        for row in causes.filter(pl.col("account").is_in(MONETARY)).iter_rows(named=True):
            off = carried.at_rate(row, row["amount"]) - row["functional_amount"]
            if off:
                moved = {**row, "amount": _ZERO, "functional_amount": off}
                found += [moved, {**moved, "account": a.FX_GAIN, "functional_amount": -off}]
        return frame(found, _LINE)


@dataclass
class _Carried:
    """What each place holds: parts of one sign (amount, worth), the oldest first; a monetary balance is one part."""

    currencies: Mapping[str, str]
    rates: Mapping[tuple[str, str, date], Quote]
    averaged: Mapping[str, Calendar] | None = None
    parts: dict[tuple[Any, ...], list[tuple[Decimal, Decimal]]] = field(default_factory=dict)
    income: dict[tuple[Any, ...], dict[date, tuple[Decimal, Decimal]]] = field(default_factory=dict)

    def at_rate(self, row: _Row, amount: Decimal) -> Decimal:
        """An amount at the rate of the row's day, or the average of its period."""
        entity, day = row["entity"], row["event_date"]
        books = self.currencies[entity]
        rate = self.rates.get((entity, row["currency"], day))
        if rate is None:
            averaged = self.averaged
            period = None if averaged is None else period_of(day, averaged.get(entity, MONTHS))
            raise NoRate(row["currency"], books, day, period)
        return rate.converted(amount, books)

    def leaves(self, row: _Row) -> bool:
        """Whether the row lowers what its place holds."""
        held = self.parts.get(_place(row), [])
        return any((amount > 0) != (row["amount"] > 0) for amount, _ in held[:1])

    def worth(self, row: _Row) -> Decimal:
        """What the row is worth: what it says itself, what leaves what it is carried at, what comes the rate of the day."""
        if row.get("worth") is not None:
            return Decimal(row["worth"])
        if row["account"] not in _CARRIED:
            return self.at_rate(row, row["amount"])
        left, worth = self._draw(row)
        if left:
            come = self.at_rate(row, left)
            self._add(row, left, come)
            worth += come
        return worth

    def add(self, row: _Row, worth: Decimal) -> None:
        """What comes with a worth of its own."""
        if row["account"] in _CARRIED:
            self._add(row, row["amount"], worth)

    def taken_back(self, row: _Row) -> Decimal:
        """What income that is taken back was booked at: that of its day of origin, else that of all of its line."""
        days = self.income.get(_place(row), {})
        amount, worth = days.get(row.get("origin") or date.max, (_ZERO, _ZERO))
        if -amount < row["amount"]:
            amount, worth = (
                sum((a for a, _ in days.values()), _ZERO),
                sum((w for _, w in days.values()), _ZERO),
            )
        if -amount < row["amount"]:
            return self.at_rate(row, row["amount"])
        with localcontext(prec=60):
            return round_to_minor(worth * row["amount"] / amount, self.currencies[row["entity"]])

    def take_up(self, row: _Row) -> None:
        """A line that is booked: what it drew and what it added."""
        if row["account"] in _INCOME:
            self.earn(row, row["functional_amount"])
        if row["amount"] == 0:
            self._revalue(row)
            return
        left, drawn = self._draw(row)
        if left:
            self._add(row, left, row["functional_amount"] - drawn)

    def earn(self, row: _Row, worth: Decimal) -> None:
        """Income of a day and what it is worth."""
        days = self.income.setdefault(_place(row), {})
        amount, held = days.get(row["event_date"], (_ZERO, _ZERO))
        days[row["event_date"]] = (amount + row["amount"], held + worth)

    def _draw(self, row: _Row) -> tuple[Decimal, Decimal]:
        """Take the row out of the parts of the other sign: what of it is left over, and what was drawn is worth."""
        parts, left, worth = self.parts.get(_place(row), []), row["amount"], _ZERO
        while parts and left and (parts[0][0] > 0) != (left > 0):
            amount, held = parts[0]
            if abs(amount) <= abs(left):
                parts.pop(0)
                left, worth = left + amount, worth - held
            else:
                part = round_to_minor(held * abs(left) / abs(amount), self.currencies[row["entity"]])
                parts[0] = (amount + left, held - part)
                left, worth = _ZERO, worth - part
        return left, worth

    def _add(self, row: _Row, amount: Decimal, worth: Decimal) -> None:
        parts = self.parts.setdefault(_place(row), [])
        if parts and row["account"] != a.CONTRACT_LIABILITY:
            parts[0] = (parts[0][0] + amount, parts[0][1] + worth)
        else:
            parts.append((amount, worth))

    def _revalue(self, row: _Row) -> None:
        parts = self.parts.get(_place(row))
        if parts:
            parts[0] = (parts[0][0], parts[0][1] + row["functional_amount"])


def _place(row: _Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _PLACE)


def _by_contract(lines: Sequence[_Row]) -> list[Sequence[_Row]]:
    """The lines of a cause contract by contract, where each balances by itself: its difference is its own."""
    found: dict[str | None, list[_Row]] = {}
    for row in lines:
        found.setdefault(row["contract"], []).append(row)
    balanced = all(not sum(row["amount"] for row in own) for own in found.values())
    return list(found.values()) if balanced else [lines]


def _valued(lines: Sequence[_Row], cause_type: str, carried: _Carried) -> Iterable[_Row]:
    """The lines of one cause, contract, entity and currency with their worth, and the difference they leave."""
    told = (
        _taken_back(lines, carried) if _takes_back(lines, cause_type) else _moved(lines, cause_type, carried)
    )
    for row in told:
        if row["account"] in _INCOME:
            carried.earn(row, row["functional_amount"])
    over = sum((row["functional_amount"] for row in told), _ZERO)
    if over:
        told.append({**lines[0], "account": a.FX_GAIN, "amount": _ZERO, "functional_amount": -over})
    return told


def _takes_back(lines: Sequence[_Row], cause_type: str) -> bool:
    """Whether a cause takes income back and earns none."""
    income = [row["amount"] for row in lines if row["account"] in _INCOME]
    return cause_type == _EARNED and bool(income) and min(income) > 0


def _taken_back(lines: Sequence[_Row], carried: _Carried) -> list[dict[str, Any]]:
    """Income at what it was booked at; what leaves a balance at what it is carried at, what comes to one at its share."""
    income = [
        {**row, "functional_amount": carried.taken_back(row)} for row in lines if row["account"] in _INCOME
    ]
    told = list(income)
    for row in (row for row in lines if row["account"] not in _INCOME):
        if carried.leaves(row):
            worth = carried.worth(row)
        else:
            own = [one for one in income if (one["contract"], one["line"]) == (row["contract"], row["line"])]
            whole, all_ = (sum((one[name] for one in own), _ZERO) for name in ("amount", "functional_amount"))
            with localcontext(prec=60):
                worth = round_to_minor(row["amount"] * all_ / whole, carried.currencies[row["entity"]])
            carried.add(row, worth)
        told.append({**row, "functional_amount": worth})
    return told


def _moved(lines: Sequence[_Row], cause_type: str, carried: _Carried) -> list[dict[str, Any]]:
    """What leaves or comes to a balance first; what follows it is worth what the other side is."""
    follows = [_follows(row, cause_type, carried) for row in lines]
    first = [row for row, later in zip(lines, follows, strict=True) if not later]
    rest = [row for row, later in zip(lines, follows, strict=True) if later]
    told = [{**row, "functional_amount": carried.worth(row)} for row in first]
    whole = sum((row["amount"] for row in rest), _ZERO)
    if first and whole:
        books = carried.currencies[lines[0]["entity"]]
        worth = -sum((row["functional_amount"] for row in told), _ZERO)
        told += [
            {**row, "functional_amount": part}
            for row, part in zip(rest, _shares(worth, rest, books), strict=True)
        ]
    else:
        told += [{**row, "functional_amount": carried.at_rate(row, row["amount"])} for row in rest]
    for row in told[len(first) :]:
        carried.add(row, row["functional_amount"])
    return told


def _follows(row: _Row, cause_type: str, carried: _Carried) -> bool:
    """Whether a line is worth what the other side is: what is earned out of a position, and what moves within one."""
    if cause_type == _EARNED:
        return row["account"] not in _CARRIED
    return cause_type in _REGROUPED and not carried.leaves(row)


def _shares(worth: Decimal, rows: Sequence[_Row], books: str) -> list[Decimal]:
    """A worth over rows in proportion to their amounts, whatever their signs: each running total rounded once."""
    whole = sum((row["amount"] for row in rows), _ZERO)
    running, done, parts = _ZERO, _ZERO, []
    for row in rows:
        running += row["amount"]
        with localcontext(prec=60):
            total = round_to_minor(worth * running / whole, books)
        parts.append(total - done)
        done = total
    return parts


def _rates_of(
    lines: pl.DataFrame, rates: pl.DataFrame, currencies: Mapping[str, str], max_age_days: int,
    averaged: Mapping[str, Calendar] | None,
) -> dict[tuple[str, str, date], Quote]:  # fmt: skip
    """The rates from currencies to those of the entities' books on the days of the lines, as far as they are known."""
    books = pl.col("entity").replace_strict(dict(currencies), default=None, return_dtype=pl.String)
    asked = lines.select("entity", "currency", books.alias("books"), "event_date").unique()
    told = with_rate(asked, rates, source="currency", target="books", day="event_date", entity="entity",
                     max_age_days=max_age_days, averaged=averaged)  # fmt: skip
    return {
        (row["entity"], row["currency"], row["event_date"]): Quote(
            row["exchange_rate"], row["exchange_inverse"]
        )
        for row in told.drop_nulls("exchange_rate").iter_rows(named=True)
    }
