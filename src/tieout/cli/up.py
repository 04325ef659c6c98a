"""`tieout up`: everything of one machine in one command."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Annotated

import typer

from tieout.bootstrap import Misconfigured, Settings
from tieout.cli.context import read_settings, stop_signals
from tieout.cli.output import note
from tieout.processes import Supervisor, refuse_taken_port, running, web_program, worker_programs

app = typer.Typer(add_completion=False)

TRIES = 3
"""Starts of the web door after which `up` gives up."""


@app.command(epilog="Example: PORT=8080 tieout up --workers 4")
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many workers to run.")] = 2,
) -> None:
    """Run Tieout here until interrupted: database, web door and workers, each restarted when it dies."""
    settings = read_settings()
    if "web" not in running(settings):  # what a killed one left behind is stopped by the supervisor first
        refuse_taken_port(settings.port)
    with stop_signals() as stopped, Supervisor(settings) as supervisor:
        refuse_taken_port(settings.port)
        supervisor.add(web_program(settings), *worker_programs(settings, workers))
        if wait_for_web(settings, supervisor, stopped):
            note(f"Tieout is up at {settings.web_url} (data in {settings.home}). Stop it with Ctrl-C.")
        supervisor.run(stopped)


def wait_for_web(settings: Settings, supervisor: Supervisor, stopped: Callable[[float], bool]) -> bool:
    """Watch until the web door answers; false when asked to stop before."""
    while not stopped(0.1):
        if supervisor.deaths("web") >= TRIES:
            log = settings.log_folder / "web.log"
            last = log.read_text(errors="replace").strip().rsplit("\n", 1)[-1]
            raise Misconfigured(f"The web door does not start: {last} (see {log})")
        try:
            socket.create_connection(("127.0.0.1", settings.port), timeout=1).close()
        except OSError:
            supervisor.tick()
        else:
            return True
    return False
