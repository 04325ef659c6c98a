"""`tieout books`: what the subledger says, by period, as known now or at any earlier moment."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import typer

from tieout.cli.context import existing_database
from tieout.cli.output import Json, print_json, table
from tieout.domain.frames import ROLL_FORWARD
from tieout.hub import roll_forwards

app = typer.Typer(add_completion=False, no_args_is_help=True, help="What the subledger says, by period.")


@app.callback()
def _group() -> None:
    """A group, though it has one command so far."""


@app.command(epilog="Example: tieout books roll-forward --period 2026-03 --entity US01 --json")
def roll_forward(
    period: Annotated[str, typer.Option(help="The fiscal period, e.g. 2026-03.", show_default=False)],
    entity: Annotated[str | None, typer.Option(help="Only this legal entity.")] = None,
    contract: Annotated[str | None, typer.Option(help="Only this contract.")] = None,
    known_at: Annotated[
        datetime | None,
        typer.Option(
            help="As known at this moment; UTC unless it states a zone.",
            formats=["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"],
        ),
    ] = None,
    functional: Annotated[bool, typer.Option("--functional", help="In the currency of the books.")] = False,
    json: Json = False,
) -> None:
    """How each account moved: opening + billed + recognised + adjustments = closing; debits are positive."""
    moment = known_at if known_at is None or known_at.tzinfo else known_at.replace(tzinfo=timezone.utc)
    with existing_database() as engine, engine.connect() as conn:
        rows = roll_forwards.roll_forward(
            conn, period, entity=entity, contract=contract, known_at=moment, functional=functional
        )
    if json:
        print_json(rows)
    else:
        names = ROLL_FORWARD.names()
        table(names, [[row[name] for name in names] for row in rows], "Nothing is booked up to that period.")
