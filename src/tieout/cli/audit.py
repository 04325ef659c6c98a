"""`tieout audit`: the sealed chain of who did what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieout.cli.context import existing_database
from tieout.cli.output import FINDING, USAGE, Json, fail, note, print_json, table
from tieout.hub import audit

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The sealed chain of who did what.")


@app.callback()
def _group() -> None:
    """The sealed chain of who did what."""


@app.command(epilog="Example: tieout audit verify --json")
def verify(
    checkpoint: Annotated[
        Path | None, typer.Option(help="A file of chain heads that is kept outside the database.")
    ] = None,
    json: Json = False,
) -> None:
    """Walk the whole chain and name the first row that is not what was sealed. Exit 1 when there is one.

    Rows since the last seal are counted as unsealed. A cut tail is seen only with a checkpoint.
    """
    if checkpoint is not None and not checkpoint.is_file():
        fail(f"There is no file {checkpoint}.", "Give the path of a checkpoint file.", USAGE)
    with existing_database() as engine, engine.connect() as conn:
        result = audit.verify(conn, checkpoint)
    if json:
        print_json(result)
    else:
        rows = [(finding.position, finding.audit_id, finding.what) for finding in result.findings]
        if rows:
            table(["seal", "audit row", "what"], rows)
        note(
            f"{result.sealed} sealed rows, {result.unsealed} not sealed yet, {len(result.findings)} findings."
        )
    if result.findings:
        raise typer.Exit(FINDING)
