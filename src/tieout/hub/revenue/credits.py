"""What concessions and cancellations on credit notes do to the prices of a plan (IFRS 15.47, 51, 87–90).

A credit takes its amount from the price of the obligation. What of it reverses revenue is `credit_effects`; the rest is
never earned. In a plan that is two parts: one spreads over all that the obligation earns, as a variable amount does,
the other is settled on the day. A concession that an estimate expected already changes no price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import CREDITED_LINES, SETTLED_STEPS, VARIABLE_ESTIMATES, frame
from tieout.domain.revenue import RevenuePlan, credit_effects
from tieout.domain.revenue.progress import SERIES
from tieout.hub.revenue.terms import Unit
from tieout.model.money import allocate, round_to_minor

CONCESSION, CANCELLATION = "concession", "cancellation"
_ZERO = Decimal(0)
_PLAIN = "estimate"
"""A part that only sets off an estimate that moved: it spreads as the estimate does."""


@dataclass(frozen=True)
class Note:
    """What credit notes of one kind take from a unit's obligations on one day, net of what was expected."""

    unit: str
    day: date
    kind: str
    currency: str
    amounts: dict[str, Decimal]
    series: frozenset[str]
    change: int


@dataclass(frozen=True)
class Given:
    """VARIABLE_ESTIMATES and SETTLED_STEPS of what was credited."""

    estimates: pl.DataFrame
    settled: pl.DataFrame

    def with_note(
        self, note: Note, plan: RevenuePlan, to_date: pl.DataFrame, documents: pl.DataFrame
    ) -> Given:
        """And what a note takes, on the plan and revenue as they stood before it."""
        spread, settled = [], []
        for obligation, amount in sorted(note.amounts.items()):
            stood = _stood(note, obligation, plan, to_date, documents)
            reversed_ = amount if note.kind == _PLAIN else _reversed(note, obligation, amount, stood)
            over = _spread(amount, reversed_, stood.earned_share, note)
            name = f"credit notes of {obligation}"
            before = self.estimates.filter((pl.col("unit") == note.unit) & (pl.col("variable") == name))
            held = before.sort("day")["amount"].to_list()
            spread.append({"unit": note.unit, "variable": name, "change": note.change, "obligations": [obligation],
                           "day": note.day, "amount": (held[-1] if held else _ZERO) - over})  # fmt: skip
            settled.append(
                {"unit": note.unit, "obligation": obligation, "day": note.day, "amount": over - amount}
            )
        return Given(
            pl.concat([self.estimates, frame(spread, VARIABLE_ESTIMATES)]),
            pl.concat([self.settled, frame([row for row in settled if row["amount"]], SETTLED_STEPS)]),
        )


NOTHING = Given(pl.DataFrame(schema=VARIABLE_ESTIMATES), pl.DataFrame(schema=SETTLED_STEPS))


@dataclass(frozen=True)
class _Stood:
    """An obligation before a note: its price, revenue, billing, and the share of the price at stake that is earned."""

    price: Decimal
    revenue: Decimal
    billed: Decimal
    earned_share: Decimal


def notes_of(units: Sequence[Unit], documents: pl.DataFrame, estimates: pl.DataFrame) -> list[Note]:
    """The credits that change prices, in order of day; several of one kind, unit and day are one."""
    kinds = documents.filter(pl.col("credit_kind").is_in([CONCESSION, CANCELLATION]))
    if kinds.is_empty():
        return []
    found: list[Note] = []
    for unit in units:
        places = places_of(unit)
        mine = [row for row in kinds.sort("released_on", "number").iter_rows(named=True)
                if (row["contract"], row["line"]) in places]  # fmt: skip
        if mine:
            found += _concessions(unit, places, mine, estimates) + _cancellations(unit, places, mine)
    return sorted(found, key=lambda note: (note.day, note.unit, note.kind))


def places_of(unit: Unit) -> dict[tuple[str, str], str]:
    """The obligation of each line that the unit ever promised, as named last."""
    return {
        (row["contract"], row["line"]): row["obligation"] for change in unit.changes for row in change.lines
    }


def _cancellations(
    unit: Unit, places: dict[tuple[str, str], str], rows: Sequence[dict[str, Any]]
) -> list[Note]:
    by_day = _by_day(places, rows, CANCELLATION)
    return [_note(unit, day, CANCELLATION, amounts) for day, amounts in by_day.items()]


def _concessions(
    unit: Unit, places: dict[tuple[str, str], str], rows: Sequence[dict[str, Any]], estimates: pl.DataFrame
) -> list[Note]:
    """Per day what concessions exceed that was expected to be given back; where an estimate moves under them, as much
    of them as it leaves or takes.
    """
    by_day = _by_day(places, rows, CONCESSION)
    if not by_day:
        return []
    mine = estimates.filter(pl.col("unit") == unit.key)
    given: dict[str, Decimal] = {}
    counted = _ZERO
    found = []
    for day in sorted({*by_day, *(d for d in mine["day"].to_list() if d > min(by_day))}):
        for obligation, amount in by_day.get(day, {}).items():
            given[obligation] = given.get(obligation, _ZERO) + amount
        excess = max(_ZERO, sum(given.values(), _ZERO) - expected_back(mine, day))
        if excess != counted:
            weights = by_day.get(day) or given
            names = sorted(weights)
            sign = 1 if excess > counted else -1
            parts = allocate(abs(excess - counted), [weights[name] for name in names], _currency(unit))
            kind = CONCESSION if day in by_day and sign > 0 else _PLAIN
            amounts = {name: sign * part for name, part in zip(names, parts, strict=True)}
            found.append(_note(unit, day, kind, amounts))
        counted = excess
    return found


def expected_back(estimates: pl.DataFrame, day: date) -> Decimal:
    """What the latest estimates of a unit expect to be given back at the end of a day."""
    last = estimates.filter(pl.col("day") <= day).sort("day", maintain_order=True)
    final = last.unique("variable", keep="last", maintain_order=True)["amount"].to_list()
    return sum((-amount for amount in final if amount < 0), _ZERO)


def _by_day(
    places: dict[tuple[str, str], str], rows: Sequence[dict[str, Any]], kind: str
) -> dict[date, dict[str, Decimal]]:
    found: dict[date, dict[str, Decimal]] = {}
    for row in rows:
        if row["credit_kind"] == kind:
            of_day = found.setdefault(row["released_on"], {})
            obligation = places[row["contract"], row["line"]]
            of_day[obligation] = of_day.get(obligation, _ZERO) - row["net_amount"]
    return found


def _note(unit: Unit, day: date, kind: str, amounts: dict[str, Decimal]) -> Note:
    change = max((c.number for c in unit.changes if c.day < day), default=0)
    methods = {row["obligation"]: row["method"] for c in unit.changes for row in c.lines}
    series = frozenset(name for name in amounts if methods[name] in SERIES)
    return Note(unit.key, day, kind, _currency(unit), amounts, series, change)


def _currency(unit: Unit) -> str:
    return str(unit.changes[0].head["currency"])


def _stood(
    note: Note, obligation: str, plan: RevenuePlan, to_date: pl.DataFrame, documents: pl.DataFrame
) -> _Stood:
    own = pl.col("obligation") == obligation
    rows = to_date.filter(own)
    price, revenue = _sum(rows, "allocated_price"), _sum(rows, "revenue")
    until = own & (pl.col("unit") == note.unit) & (pl.col("day") <= note.day)
    settled = _sum(plan.settled.filter(until), "amount")
    level = plan.spans.filter(until).sort("day", "change")["level"].to_list()
    now = pl.col("level") == (level[-1] if level else 0)
    at_stake = _sum(plan.prices.filter(until & now), "amount")
    reimbursed = price - at_stake - settled
    share = (revenue - settled - reimbursed) / at_stake if at_stake else _ZERO
    lines = rows.select("contract", "line").unique()
    bills = documents.join(lines, on=["contract", "line"], how="semi").filter(
        (pl.col("released_on") < note.day)
        | ((pl.col("released_on") == note.day) & (pl.col("kind") == "invoice"))
    )
    return _Stood(price, revenue, _sum(bills, "net_amount"), min(max(share, _ZERO), Decimal(1)))


def _sum(rows: pl.DataFrame, column: str) -> Decimal:
    return sum(rows[column].to_list(), _ZERO)


def _reversed(note: Note, obligation: str, amount: Decimal, stood: _Stood) -> Decimal:
    """What of the credit reverses revenue. A concession on a series is one on what was billed of it (22(b)): goods or
    days that were transferred and billed are earned; on other obligations it lowers the price of the whole.
    """
    price, revenue = stood.price, stood.revenue
    if note.kind == CONCESSION and obligation in note.series and stood.billed > 0:
        price, revenue = stood.billed, min(revenue, stood.billed)
    row = {"credit": "", "kind": note.kind, "unit": note.unit, "obligation": obligation, "amount": amount,
           "currency": note.currency, "price": price, "revenue": revenue}  # fmt: skip
    part: Decimal = credit_effects(frame([row], CREDITED_LINES))["recognised_amount"][0]
    return part


def _spread(amount: Decimal, reversed_: Decimal, earned_share: Decimal, note: Note) -> Decimal:
    """The part that spreads over all the obligation earns: what is left of it after what is earned is not reversed."""
    if note.kind == _PLAIN:
        return amount
    if earned_share >= 1:
        return _ZERO
    return round_to_minor((amount - reversed_) / (1 - earned_share), note.currency)
