"""What a measure is asked of, and the measures that take more than one sum."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TypedDict

import polars as pl
from sqlalchemy import Connection

from tieout.hub import revenue
from tieout.model.periods import MONTHS, Calendar, period_around
from tieout.store import scenarios as store

_ZERO = Decimal(0)


class Of(TypedDict):
    """What a figure is asked of; null: of all."""

    contract: str | None
    entity: str | None
    line: str | None


@dataclass(frozen=True)
class Asked:
    """What a measure is asked of."""

    conn: Connection
    at: date
    contract: str | None
    entity: str | None
    line: str | None = None
    worker: str | None = None
    project: str | None = None
    functional: bool = False
    calendar: Calendar = MONTHS
    invoice: str | None = None

    @property
    def of(self) -> Of:
        """What the question is about."""
        return {"contract": self.contract, "entity": self.entity, "line": self.line}

    @property
    def period_start(self) -> date:
        """The first day of the fiscal period of the day."""
        return period_around(self.at, self.calendar)[0]

    def account(self, name: str, sign: int = 1, since: date | None = None) -> Decimal:
        """Balance of one account with its sign turned to the measure's."""
        found = store.account_balances(
            self.conn, **self.of, at=self.at, since=since, functional=self.functional
        )
        return sign * found.get(name, Decimal(0))

    def events(self, name: str) -> Decimal:
        """One sum over the billing events."""
        return store.event_totals(self.conn, **self.of)[name]

    def documents(self, name: str) -> Decimal:
        """One sum over the released documents."""
        return store.document_totals(self.conn, **self.of, at=self.at, number=self.invoice)[name]


def net(asked: Asked, account: str) -> Decimal:
    """Contract asset or contract liability: those of each contract netted, one of the two is zero; of a line as it
    stands.
    """
    sign = 1 if account == "contract_asset" else -1
    if asked.line is not None:
        return asked.account(account, sign)
    positions = store.conditional_positions(
        asked.conn, asked.contract, asked.entity, asked.at, asked.functional
    )
    return sum((max(sign * position, _ZERO) for position in positions), _ZERO)


def unbilled(asked: Asked) -> Decimal:
    """What each line has earned and may bill now; what a person holds is apart."""
    lines = store.unbilled_lines(asked.conn, **asked.of, at=asked.at)
    return sum((max(amount, _ZERO) for amount in lines), _ZERO)


def price(asked: Asked) -> Decimal:
    """What is promised for, unconstrained variable amounts included; of a right to invoice what is earned."""
    rows = _planned(asked)
    by_right = asked.account("revenue", -1) - sum(rows["revenue"].to_list(), _ZERO)
    return sum(rows["allocated_price"].to_list(), by_right)


def progress(asked: Asked) -> Decimal:
    """A share with six decimals; of several obligations weighed by their prices."""
    rows = _planned(asked).select("allocated_price", "percent_complete").rows()
    total = sum((amount for amount, _ in rows), _ZERO)
    if len({percent for _, percent in rows}) == 1 or not total:
        return Decimal(rows[0][1]) if rows else _ZERO
    done = sum((amount * percent for amount, percent in rows), _ZERO)
    return (done / total).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _planned(asked: Asked) -> pl.DataFrame:
    """Price, revenue and progress of the lines that earn by a plan."""
    named = [asked.contract] if asked.contract else store.contracts_in(asked.conn, asked.entity)
    rows = revenue.prices(asked.conn, named, asked.at)
    return rows if asked.line is None else rows.filter(pl.col("line") == asked.line)
