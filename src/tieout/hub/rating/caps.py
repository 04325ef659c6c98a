"""Caps of the contracts and what remains of purchase orders that several contracts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.billing import apply_caps
from tieout.domain.billing.deposits import DEDUCTION
from tieout.domain.billing.deposits import KIND as DEPOSIT
from tieout.domain.frames import CAP_EVENTS, CAPS, frame
from tieout.hub.rating.facts import Facts

CONTRACT, ORDER = "contract", "purchase order"


@dataclass(frozen=True)
class Limit:
    """One limit: of a contract or lines of it, or of a purchase order over all contracts that name it for the customer.

    `lines` (CONTRACT/LINE; null: all of the contracts), `includes` (null: everything) and `hours` are those of CAPS.
    """

    kind: str
    key: str
    amount: Decimal | None
    currency: str
    over: str
    contracts: tuple[str, ...]
    since: date | None
    lines: tuple[str, ...] | None = None
    includes: tuple[str, ...] | None = None
    hours: Decimal | None = None

    @property
    def size(self) -> str:
        """Its amount, its hours, or both, in words."""
        amount = None if self.amount is None else f"{self.amount:f} {self.currency}"
        hours = None if self.hours is None else f"{self.hours:f} hours"
        return " and ".join(one for one in (amount, hours) if one)


@dataclass(frozen=True)
class Capped:
    """`split`: CAP_SPLIT by event; `limits` by the name that its column `cap` uses."""

    split: pl.DataFrame
    limits: Mapping[str, Limit]


def cap_events(facts: Facts, standing: pl.DataFrame) -> Capped:
    """Apply every limit to the events as they stand (EVENT_COLUMNS with new events and set-backs in).

    Contracts of one purchase order are walked together, so the order's balance goes to the earliest work.
    """
    limits = {f"{limit.kind} {limit.key}": limit for limit in _limits(facts)}
    group = {key: key for key in facts.contracts}
    for name, limit in limits.items():
        if limit.kind == ORDER:
            group |= dict.fromkeys(limit.contracts, name)
    work = ~pl.col("source_kind").is_in(
        [DEPOSIT, DEDUCTION]
    )  # what is only asked for in advance consumes no limit
    sizes = {
        name: pl.when(work).then(size).otherwise(0).alias(name)
        for m in ("quantity", "amount")
        for name, size in (
            (m, pl.col(m) - pl.col(f"reversed_{m}") - pl.col(f"given_up_{m}")),
            (f"released_{m}", pl.col(f"billed_{m}") - pl.col(f"credited_{m}")),
        )
    }
    events = standing.select(
        "event", pl.col("source_kind").alias("kind"),
        pl.col("contract").replace(group),
        pl.format("{}/{}", "contract", "line").alias("line"), "work_date", "entry",
        *sizes.values(), "sequence", "currency",
    )  # fmt: skip
    lines = {} if not limits else dict(
        events.select(standing["contract"].alias("of"), "line").unique().sort("of", "line").group_by("of", maintain_order=True)
        .agg("line").iter_rows()
    )  # fmt: skip
    caps = [
        {
            "cap": name, "contract": group[limit.contracts[0]], "lines": _covered(limit, lines),
            "includes": limit.includes, "amount": limit.amount, "hours": limit.hours, "over": limit.over,
        }
        for name, limit in limits.items()
    ]  # fmt: skip
    return Capped(apply_caps(_cast(events), frame(caps, CAPS)), limits)


def _covered(limit: Limit, lines: Mapping[str, Sequence[str]]) -> list[str]:
    if limit.lines is not None:
        return list(limit.lines)
    return [line for contract in limit.contracts for line in lines.get(contract, ())]


def _cast(events: pl.DataFrame) -> pl.DataFrame:
    return events.select(pl.col(name).cast(dtype) for name, dtype in CAP_EVENTS.items())


def _limits(facts: Facts) -> list[Limit]:
    return [*_contract_limits(facts), *_orders(facts)]


def _contract_limits(facts: Facts) -> list[Limit]:
    found = []
    for key, contract in facts.contracts.items():
        terms = in_force(facts.terms.get(key, []), facts.today)
        if terms is None:
            continue
        for cap in terms["caps"]:
            lines = None if cap.get("lines") is None else tuple(f"{key}/{line}" for line in cap["lines"])
            name = key if cap.get("cap") is None else f"{key}/{cap['cap']}"
            found.append(
                Limit(
                    CONTRACT, name, cap.get("amount"), contract["currency"], cap["over"], (key,),
                    terms["effective_from"], lines,
                    None if cap.get("includes") is None else tuple(cap["includes"]), cap.get("hours"),
                )
            )  # fmt: skip
    return found


def in_force(terms: Sequence[Mapping[str, Any]], today: date) -> Mapping[str, Any] | None:
    """The terms of today; before the first of them hold, the first."""
    past = [segment for segment in terms if segment["effective_from"] <= today]
    return past[-1] if past else next(iter(terms), None)


def _orders(facts: Facts) -> list[Limit]:
    """A purchase order's amount as its contracts state it; where they differ the lowest holds."""
    named: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for contract in facts.contracts.values():
        if contract["purchase_order"] and contract["customer"] and contract["currency"]:
            order = (contract["customer"], contract["purchase_order"], contract["currency"])
            named.setdefault(order, []).append(contract)
    found = []
    for (customer, number, currency), contracts in named.items():
        stated = [c["purchase_order_amount"] for c in contracts if c["purchase_order_amount"] is not None]
        if stated:
            keys = tuple(c["key"] for c in contracts)
            found.append(
                Limit(ORDER, f"{customer}/{number}", min(stated), currency, "hold", keys, facts.today)
            )
    return found
