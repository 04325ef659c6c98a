"""`tieout rates`: rate cards from price lists."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tieout.cli.context import existing_database
from tieout.cli.output import FINDING, USAGE, Json, fail, note, print_json, table
from tieout.hub import rates
from tieout.hub.actors import SYSTEM
from tieout.hub.price_files import LARGEST_FILE
from tieout.hub.price_list import FORMATS

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Rate cards from price lists.")


@app.callback()
def _group() -> None:
    """Rate cards from price lists."""


@app.command("import", epilog="Example: tieout rates import prices.csv --card STANDARD --from 2026-01-01")
def import_list(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A price list: CSV or .xlsx.", show_default=False)
    ],
    card: Annotated[str, typer.Option(help="The rate card's code, as contracts name it.")],
    currency: Annotated[str, typer.Option(help="Currency of rows that state none.")] = "USD",
    start: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="The first day: instead of the contract dates of a gsa list, or for plain rows without one.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help=f"{' or '.join(FORMATS)}; seen from the header if left out."),
    ] = None,
    json: Json = False,
) -> None:
    """Import prices: good rows are kept, bad ones refused with row, column and reason (exit 1).

    A plain list has the columns role (person, task, project, grade, country, worksite, day_type, band), price, from,
    to, unit, currency. A gsa list is one filed with the United States General Services Administration; of five
    contract years the last five before the contract's end are meant. The contracts of the card are rated again.
    """
    content = _content(file)
    with existing_database() as engine, engine.begin() as conn:
        answer = rates.import_rates(
            conn, SYSTEM, file.name, content, card, currency=currency, start=start.date() if start else None,
            form=form,
        )  # fmt: skip
    if json:
        print_json({"imported": answer.imported, "unchanged": answer.unchanged, "refused": answer.refused})
    else:
        columns = ["row", "column", "reason", "value"]
        if answer.refused:
            table(columns, [(r.row, r.column, r.reason, r.value) for r in answer.refused])
        bad = len({r.row for r in answer.refused})
        note(
            f"{card}: {answer.imported} rows imported, {answer.unchanged} unchanged, {bad} refused; "
            f"{len(answer.contracts)} contracts are rated again."
        )
    if answer.refused:
        raise typer.Exit(FINDING)


def _content(file: Path) -> bytes:
    if not file.is_file():
        fail(f"There is no file {file}.", "Give the path of a CSV or .xlsx price list.", USAGE, "TIE-104")
    with file.open("rb") as opened:
        return opened.read(LARGEST_FILE + 1)
