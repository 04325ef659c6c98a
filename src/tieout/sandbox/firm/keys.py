"""Record ids that the firm chooses itself, so that a seed gives the same ids; the world's own count from elsewhere."""

from __future__ import annotations

from tieout.sandbox.ids import make_id

USD, SUBSIDIARY, TIME_ITEM, NO_TAX = "1", "1", "31", "41"
_SALESFORCE_BASE = 700_000
_ROLE_BASE, _USER_BASE, _ENTRY_BASE = 51_000_001, 52_000_001, 60_000_001
STRAY_WORKSPACE = "53000001"
"""A workspace that people keep for themselves and that belongs to no contract."""


def salesforce(type: str, number: int) -> str:
    """A Salesforce record of the firm."""
    return make_id("salesforce", type, _SALESFORCE_BASE + number)


def kantata_role(place: int) -> str:
    """A Kantata role."""
    return str(_ROLE_BASE + place)


def kantata_user(place: int) -> str:
    """A Kantata user."""
    return str(_USER_BASE + place)


def kantata_entry(place: int) -> str:
    """A Kantata time entry."""
    return str(_ENTRY_BASE + place)
