"""The choices of a firm that change what work costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from tieout.domain.frames import TRANSFER_MARGINS, empty

CAPACITY, EFFECTIVE_RATE = "capacity", "effective_rate"
PROJECTS, PERIOD = "projects", "period"


@dataclass(frozen=True)
class CostPolicies:
    """`overtime_cost`: what salaried hours beyond the week's capacity cost: nothing (`capacity`), or all hours of the
    week at the `effective_rate`. `labor_variance`: shared to `projects` by hours, or kept in the `period`.
    `transfer_margins`: the share of cost that one entity adds for another (TRANSFER_MARGINS), `transfer_margin` where
    the two agreed none for the day.
    """

    overtime_cost: str = CAPACITY
    labor_variance: str = PROJECTS
    week_start: str = "monday"
    transfer_margin: Decimal = Decimal(0)
    transfer_margins: pl.DataFrame = field(default_factory=lambda: empty(TRANSFER_MARGINS))

    def __post_init__(self) -> None:
        if self.overtime_cost not in (CAPACITY, EFFECTIVE_RATE):
            raise ValueError(
                f"overtime_cost is {self.overtime_cost}, expected {CAPACITY} or {EFFECTIVE_RATE}"
            )
        if self.labor_variance not in (PROJECTS, PERIOD):
            raise ValueError(f"labor_variance is {self.labor_variance}, expected {PROJECTS} or {PERIOD}")
