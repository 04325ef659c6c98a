"""The choices of a firm that change how work is rated, and what rating looks up beside terms and prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import polars as pl

from tieout.domain.frames import CARD_RULES, ENTRY_BANDS, EXCHANGE_RATES, HOLIDAYS, check_frame, empty

WEEKEND = ("saturday", "sunday")
DAY_TYPES = ("weekday", "weekend", "holiday")


@dataclass(frozen=True)
class RatingPolicies:
    """What holds where a contract line says nothing else.

    `week_start` is the first day of the overtime week; `holidays` count for every entity beside those of its
    calendar; `weekend` names its weekdays; every hour of `overtime_day_types` is premium; `exchange_max_age_days` is
    how old a market rate may be.
    """

    implausible_above_hours: Decimal = Decimal(24)
    week_start: str = "monday"
    holidays: tuple[date, ...] = ()
    weekend: tuple[str, ...] = WEEKEND
    overtime_day_types: tuple[str, ...] = ()
    exchange_max_age_days: int = 31


@dataclass(frozen=True)
class Lookups:
    """Facts that rating looks up; empty unless given.

    `holidays` (HOLIDAYS, entity null: of every entity), `bands` (ENTRY_BANDS: the time band of entries whose source
    tells the time of day), `card_rules` (CARD_RULES: blended cards and what a day is; null is the default: 8 hours,
    steps of 0.5, no overtime), `exchange_rates` (EXCHANGE_RATES: units of `quote` for one of `base`).
    """

    holidays: pl.DataFrame = field(default_factory=lambda: empty(HOLIDAYS))
    bands: pl.DataFrame = field(default_factory=lambda: empty(ENTRY_BANDS))
    card_rules: pl.DataFrame = field(default_factory=lambda: empty(CARD_RULES))
    exchange_rates: pl.DataFrame = field(default_factory=lambda: empty(EXCHANGE_RATES))

    def __post_init__(self) -> None:
        check_frame("holidays", self.holidays, HOLIDAYS)
        check_frame("bands", self.bands, ENTRY_BANDS)
        check_frame("card rules", self.card_rules, CARD_RULES)
        check_frame("exchange rates", self.exchange_rates, EXCHANGE_RATES)
        if self.card_rules["card"].n_unique() != self.card_rules.height:
            raise ValueError("card rules name one card twice")
