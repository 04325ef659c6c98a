"""`tieout sandbox`: the simulated outside systems on their own."""

from __future__ import annotations

from typing import Annotated

import typer

from tieout.bootstrap import open_database_url, settings_apart
from tieout.cli.context import ended_in_order, read_settings
from tieout.store.database import create_role_and_database

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: tieout sandbox --seed 7 --months 6")
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTPS port on 127.0.0.1; 0 chooses one.")] = 0,
    seed: Annotated[int, typer.Option(help="The firm that is generated: same seed, same firm.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="People of the firm.")] = 30,
    months: Annotated[int, typer.Option(min=1, help="Months of the firm's life.")] = 3,
) -> None:
    """Run the vendor simulators with a database of their own; sign-ins are in sandbox/credentials.json."""
    from tieout.sandbox.server import run
    from tieout.telemetry.logs import configure_logs

    settings = read_settings()
    configure_logs()
    folder = settings.home / "sandbox"
    with ended_in_order(), open_database_url(settings_apart(settings, "sandbox")) as url:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own_url = create_role_and_database(url, "sandbox")
        run(own_url, folder, port, seed, workers, months)
