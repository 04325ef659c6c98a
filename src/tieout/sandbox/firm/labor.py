"""Meridian's labor categories and what an hour of each costs, from when on.

Real prices, taken from price lists that two federal contractors filed with the United States General Services
Administration (CALC project, IT Schedule 70; a work of the United States Government, public domain / CC0). The firm's
rate card `STANDARD` holds the same table. One category changes its price during the year: those are the prices of two
consecutive contract years of its list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

CARD = "STANDARD"
CURRENCY = "USD"
CARD_START = date(2025, 1, 1)
RATE_CHANGE = date(2026, 3, 1)
RATE_CHANGE_ROLE = "Solution Architect"
_CAPTECH = "CapTech Services, GS-35F-097CA"
_LEAPOINT = "LeaPoint LLC, GS-35F-418BA"


@dataclass(frozen=True)
class Price:
    """What one hour of a role costs from a date on, up to and including `until` (None: open)."""

    role: str
    hourly_price: Decimal
    since: date
    until: date | None
    source: str


def _steady(role: str, amount: str, source: str = _CAPTECH) -> Price:
    return Price(role, Decimal(amount), CARD_START, None, source)


PRICES = (
    _steady("Program Manager", "144.98"),
    _steady("Project Manager", "122.44"),
    Price(RATE_CHANGE_ROLE, Decimal("209.64"), CARD_START, date(2026, 2, 28), _LEAPOINT),
    Price(RATE_CHANGE_ROLE, Decimal("213.84"), RATE_CHANGE, None, _LEAPOINT),
    _steady("Technical Architect", "163.71"),
    _steady("Senior Consultant", "146.11", _LEAPOINT),
    _steady("Business Analyst", "70.11"),
    _steady("Data Analyst IV", "101.02"),
    _steady("Database Administrator IV", "109.75"),
    _steady("Programmer/System Analyst IV", "100.48"),
    _steady("Programmer/System Analyst II", "79.51"),
    _steady("Test Engineer/Analyst III", "78.83"),
    _steady("Technical Writer - III", "88.86"),
    _steady("Training Specialist IV", "102.89"),
)
ROLES = tuple(dict.fromkeys(price.role for price in PRICES))


def price_of(role: str, on: date) -> Decimal:
    """What an hour of a role costs on a date; KeyError when the card has none."""
    for price in PRICES:
        if price.role == role and price.since <= on and (price.until is None or on <= price.until):
            return price.hourly_price
    raise KeyError(f"{CARD} has no price of {role} on {on}")
