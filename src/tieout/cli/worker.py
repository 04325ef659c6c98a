"""`tieout worker`: one worker on its own."""

from __future__ import annotations

from typing import Annotated

import typer

from tieout.cli.context import read_settings

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: TIEOUT_DATABASE_URL=postgresql://… tieout worker --slot 3")
def worker(
    slot: Annotated[
        int,
        typer.Option(min=1, help="The worker's stable number: a restart with it takes its work up again."),
    ] = 1,
) -> None:
    """Run one worker until stopped. Any may die; run as many as wanted, each on a slot of its own."""
    from tieout.flows.durable import run_worker
    from tieout.telemetry.logs import configure_logs

    configure_logs()
    run_worker(read_settings(), slot)
