"""The pages. To add one: a module here with `add(database)`, its line below, its entry in theme.NAVIGATION."""

from __future__ import annotations

from tieout.console.pages import billing, contract, contracts, exceptions, sign_in, today, trace
from tieout.console.session import Database


def add_pages(database: Database) -> None:
    """Register every page."""
    for page in (sign_in, today, exceptions, contracts, contract, billing, trace):
        page.add(database)
