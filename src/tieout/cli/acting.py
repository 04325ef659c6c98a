"""Who acts in a command: a person named with `--as`, whose roles decide. The owner of this home only administers."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import Connection

from tieout.hub import people
from tieout.hub.actors import Actor
from tieout.hub.refusals import NotFound

As = Annotated[
    str,
    typer.Option(
        "--as", metavar="EMAIL", help="The person who acts; their roles decide.", show_default=False
    ),
]
"""The option that every deciding command has: `who: As`."""


def person(conn: Connection, email: str) -> Actor:
    """The person who acts, with the roles they have now."""
    try:
        return people.actor_by_email(conn, email)
    except NotFound as unknown:
        raise NotFound(
            f"There is no person {email} to act.",
            remedy="Name one of `tieout people list`, or add them: tieout people add EMAIL --role ROLE",
        ) from unknown
