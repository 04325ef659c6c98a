"""Billing plans of contract lines that are not billed by the hour: their terms as frames of the domain.

What has one plan for its whole life (a fee and its instalments, milestones) is read from the terms of today; what is
priced period by period from the terms of each period.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from tieout.domain.billing import Respread, fixed_fee_charges, respread_fee
from tieout.domain.frames import (
    BILLED_ITEMS,
    BILLING_FINDINGS,
    FIXED_ITEMS,
    FIXED_PLANS,
    METER_SOURCES,
    MILESTONE_PLANS,
    MILESTONES,
    MINIMUMS,
    RECURRING_TERMS,
    RETAINER_TERMS,
    TIERS,
    UNIT_PRICES,
    USAGE_TERMS,
    conform,
    frame,
)
from tieout.domain.rating.gates import BY_HOUR, DRAWN
from tieout.hub.contract_lines import AS_INVOICED, items
from tieout.store.performance import METER

Terms = Mapping[str, Any]
BY_PERIOD = frozenset({"recurring", "retainer", "usage"})
"""Methods whose charges fall due as time passes."""


@dataclass(frozen=True)
class Line:
    """One line of one contract under one segment of its terms; `first` and `last` are its days as agreed."""

    contract: str
    currency: str | None
    segment: Terms
    terms: Terms
    first: date | None
    last: date | None
    ended_on: date | None

    @property
    def method(self) -> str:
        """Its billing method."""
        return str(self.terms["billing_method"])

    @property
    def is_as_invoiced(self) -> bool:
        """Whether it earns what may be invoiced for the work to date (IFRS 15.B16)."""
        return (self.terms.get("revenue_method") or AS_INVOICED) == AS_INVOICED

    @property
    def key(self) -> dict[str, Any]:
        """What its rows have in common."""
        return {"contract": self.contract, "line": self.terms["line"], "currency": self.currency}

    @property
    def dated(self) -> dict[str, Any]:
        """What rows of one segment have in common: when they hold, within the days on which the line is active."""
        return self.key | {
            "effective_from": self.segment["effective_from"], "effective_to": self.segment["effective_to"],
            "start": self.first, "end": earlier(self.last, self.ended_on), "anchor": self.terms.get("anchor"),
        }  # fmt: skip


def lines_of(
    contracts: Mapping[str, Terms], terms: Mapping[str, Iterable[Terms]], foreign: Mapping[str, str]
) -> list[Line]:
    """Every line of every segment that somebody can be billed for: with a legal entity and a customer."""
    return [
        Line(
            key, None if key in foreign else segment["currency"], segment, line,
            *agreed_days(segment, line),
            earlier(line.get("ended_on"), contract["terminated_on"]),
        )
        for key, contract in contracts.items() if contract["legal_entity"] and contract["customer"]
        for segment in terms.get(key, [])
        for line in segment["lines"]
    ]  # fmt: skip


def agreed_days(segment: Terms, line: Terms) -> tuple[date | None, date | None]:
    """First and last day of a line as agreed: its own, else its contract's."""
    return line.get("start") or segment["start_date"], line.get("end") or segment["end_date"]


def fee_terms(line: Terms) -> dict[str, Any]:
    """How the fee of a period is reckoned: the columns of RECURRING_TERMS that a line's terms state."""
    return {
        "every": line.get("every") or "month", "proration": line.get("proration") or "daily",
        "price": line.get("amount"), "quantity": 1, "uplift_rate": line.get("uplift_rate"),
        "uplift_every": line.get("uplift_every"), "anchor": line.get("anchor"),
    }  # fmt: skip


def earlier(one: date | None, other: date | None) -> date | None:
    """The earlier of two days that may be open."""
    stated = [day for day in (one, other) if day is not None]
    return min(stated) if stated else None


def rated_by(terms: Terms) -> str:
    """How the rating of time sees a line: hours are billed, drawn from a retainer, or not billed at all.

    Hours under a security retainer are billed like any others: it covers no work.
    """
    if terms["billing_method"] != "retainer":
        return str(terms["billing_method"])
    return {"hours": DRAWN, "security": BY_HOUR}.get(terms.get("kind") or "hours", "availability")


def fixed_plans(lines: Sequence[Line], billed: pl.DataFrame, today: date) -> tuple[pl.DataFrame, ...]:
    """FIXED_PLANS and FIXED_ITEMS of the fees in force today, and findings of those that changed.

    `billed` (contract, line, item, amount) is what of each item is billed. Where an amendment changed a plan, that
    stays, and the rest of the fee goes over the unbilled part (scenario format, `amend`).
    """
    current = in_force(lines, "fixed_fee", today)
    first = {(line.contract, line.terms["line"]): line for line in reversed(lines)}
    changed = [line for line in current if _fee(first[line.contract, line.terms["line"]]) != _fee(line)]
    steady = [line for line in current if line not in changed]
    plans, rows = _fixed(current)
    if not changed:
        return plans, rows, frame([], BILLING_FINDINGS)
    agreed = _parts([first[line.contract, line.terms["line"]] for line in changed], today)
    respread = _respread(changed, agreed, billed, today)
    return plans, pl.concat([_fixed(steady)[1], respread.items]), respread.findings


def _fee(line: Line) -> tuple[Any, ...]:
    return (
        line.terms.get("amount"),
        line.terms.get("schedule"),
        line.terms.get("every"),
        line.first,
        line.last,
    )


def _fixed(lines: Iterable[Line]) -> tuple[pl.DataFrame, pl.DataFrame]:
    plans = [
        line.key | {"amount": line.terms.get("amount"), "start": line.first, "end": line.last,
                    "every": line.terms.get("every"), "ended_on": line.ended_on}
        for line in lines
    ]  # fmt: skip
    rows = [line.key | one for line in lines for one in items(line.terms, "schedule")]
    return frame(plans, FIXED_PLANS), frame(rows, FIXED_ITEMS)


def _parts(lines: Iterable[Line], today: date) -> pl.DataFrame:
    """Every part of the fees with its amount, due or not."""
    planned = fixed_fee_charges(*_fixed(lines), through=today)
    return pl.concat([planned.charges, planned.later])


def _respread(changed: Sequence[Line], agreed: pl.DataFrame, billed: pl.DataFrame, today: date) -> Respread:
    """Parts that are billed stand with what was agreed for them, the others, and those billed as it says, as the plan
    says now.
    """
    item = ["contract", "line", "item"]
    before = agreed.select(*item, pl.col("amount").alias("agreed"))
    known = billed.select(*item, pl.col("amount").alias("billed_amount"))
    now = _parts(changed, today).join(before, on=item, how="left").join(known, on=item, how="left")
    on_invoices = pl.col("billed_amount").fill_null(0)
    is_billed = (on_invoices != 0) & (on_invoices != pl.col("amount"))
    held = now.with_columns(
        pl.when(is_billed)
        .then(pl.max_horizontal("agreed", "billed_amount"))
        .otherwise("amount")
        .alias("amount"),
        pl.col("billed_amount").fill_null(0),
    )
    fees = frame([line.key | {"amount": line.terms.get("amount")} for line in changed], BILLED_ITEMS)
    wanted = fees.select("contract", "line", "amount").drop_nulls("amount")
    return respread_fee(conform("billed items", held, BILLED_ITEMS), wanted)


def milestone_plans(lines: Iterable[Line], today: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """MILESTONE_PLANS and MILESTONES in force today."""
    plans, rows = [], []
    for line in in_force(lines, "milestone", today):
        plans.append(
            line.key
            | {"amount": line.terms.get("amount"), "bill_on": line.terms.get("bill_on") or "accepted"}
        )
        rows += [
            line.key | one | {"position": place}
            for place, one in enumerate(items(line.terms, "milestones"), 1)
        ]
    return frame(plans, MILESTONE_PLANS), frame(rows, MILESTONES)


def in_force(lines: Iterable[Line], method: str, today: date) -> list[Line]:
    """The lines of one method under the terms of today; before the first terms hold, under the first."""
    found: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = (line.contract, line.terms["line"])
        if key not in found or line.segment["effective_from"] <= today:
            found[key] = line
    return [line for line in found.values() if line.method == method]


def _rows(
    lines: Iterable[Line], method: str, more: Callable[[Terms], dict[str, Any]]
) -> list[dict[str, Any]]:
    return [line.dated | more(line.terms) for line in lines if line.method == method]


def recurring_terms(lines: Iterable[Line]) -> pl.DataFrame:
    """RECURRING_TERMS of the fees of each segment."""
    return frame(
        _rows(lines, "recurring", lambda t: fee_terms(t) | {"timing": t.get("timing") or "arrears"}),
        RECURRING_TERMS,
    )


def retainer_terms(lines: Iterable[Line]) -> pl.DataFrame:
    """RETAINER_TERMS of each segment."""
    return frame(
        _rows(lines, "retainer", lambda t: {
            **fee_terms(t), "kind": t.get("kind") or "hours", "timing": t.get("timing") or "advance", "rollover": t.get("rollover") or "none",
            "rollover_periods": t.get("rollover_periods"), "rollover_cap": t.get("rollover_cap"),
            "overage": t.get("overage") or "bill",
        }),
        RETAINER_TERMS,
    )  # fmt: skip


def usage_terms(lines: Iterable[Line]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """USAGE_TERMS, TIERS and METER_SOURCES of each segment."""
    lines = [line for line in lines if line.method == "usage"]
    terms = _rows(lines, "usage", lambda t: {
        "unit": t.get("unit"), "every": t.get("every") or "month", "included": t.get("included"),
        "mode": t.get("mode") or "graduated", "package_size": t.get("package_size"),
    })  # fmt: skip
    tiers = [line.dated | tier for line in lines for tier in items(line.terms, "tiers")]
    sources = [
        line.key | {"meter": METER, "source": source}
        for line in lines
        for source in line.terms.get("sources", [])
    ]
    return frame(terms, USAGE_TERMS), frame(tiers, TIERS), frame(sources, METER_SOURCES).unique()


def minimums(lines: Iterable[Line]) -> pl.DataFrame:
    """MINIMUMS of each segment that states one."""
    rows = [
        line.dated | {
            "effective_to": earlier(line.segment["effective_to"], line.dated["end"]),
            "amount": line.terms["minimum_amount"], "every": line.terms.get("minimum_every") or "month",
            "proration": "daily",
        }
        for line in lines if line.terms.get("minimum_amount") is not None
    ]  # fmt: skip
    return frame(rows, MINIMUMS)


def unit_prices(lines: Iterable[Line]) -> pl.DataFrame:
    """UNIT_PRICES of each segment."""
    return frame(
        _rows(lines, "units", lambda t: {"unit": t.get("unit"), "price": t.get("price")}), UNIT_PRICES
    )
