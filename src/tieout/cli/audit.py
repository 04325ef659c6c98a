"""`tieout audit`: the sealed chain of who did what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieout.bootstrap import settings_in_use
from tieout.cli.context import existing_database, read_settings
from tieout.cli.output import FINDING, USAGE, Json, fail, note, print_json, table
from tieout.hub import audit

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The sealed chain of who did what.")


@app.callback()
def _group() -> None:
    """The sealed chain of who did what."""


@app.command(epilog="Example: tieout audit verify --json")
def verify(
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A file of chain heads; the one of this home when left out.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Walk the whole chain and name the first row that is not what was sealed. Exit 1 when there is one.

    Rows since the last seal are counted as unsealed. A cut tail is seen by the checkpoints, one of each business day.
    """
    if checkpoint is not None and not checkpoint.is_file():
        fail(f"There is no file {checkpoint}.", "Give the path of a checkpoint file.", USAGE, "TIE-104")
    kept, key = audit.checkpoints_in(settings_in_use(read_settings()).audit_folder)
    if checkpoint is not None:
        key = audit.checkpoints_in(checkpoint.parent)[1] or key
    with existing_database() as engine, engine.connect() as conn:
        result = audit.verify(conn, checkpoint or kept, key)
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
