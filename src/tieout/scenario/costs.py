"""The measures of cost and margin: what was booked, and where a line reports its cost to date, what it reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from tieout.scenario.measures import Asked
from tieout.store import costing as store


def cost(asked: Asked, since: date | None = None) -> Decimal:
    """Cost of contracts since a day: in one entity's book its own and what others charge it, else the group's."""
    if asked.worker is not None or asked.project is not None:
        return store.cost_of_work(
            asked.conn, **asked.of, worker=asked.worker, project=asked.project, at=asked.at, since=since
        )
    return store.cost(asked.conn, **asked.of, at=asked.at, since=since)


def cost_in_period(asked: Asked) -> Decimal:
    """Cost booked in the period of the day."""
    return cost(asked, asked.period_start)


def margin(asked: Asked) -> Decimal:
    """Revenue less cost, in the currency of the books as cost is; in one entity's book what it charges others is revenue."""
    books = replace(asked, functional=True)
    charged = books.account("intercompany_revenue", -1) if asked.entity else Decimal(0)
    return books.account("revenue", -1) + charged - cost(asked)
