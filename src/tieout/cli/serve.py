"""`tieout serve`: the web door on its own."""

from __future__ import annotations

import gc

import typer

from tieout.cli.context import ended_in_order, read_settings

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: TIEOUT_DATABASE_URL=postgresql://… PORT=8080 tieout serve")
def serve() -> None:
    """Run one web process: API and console, on 127.0.0.1. Several need sticky sessions in front."""
    import uvicorn

    from tieout.api.app import create_app
    from tieout.telemetry.logs import configure_logs

    settings = read_settings()
    configure_logs()
    web = create_app(settings)
    gc.freeze()  # what was loaded stays: the collector need not look through it again and again
    with ended_in_order():
        uvicorn.run(
            web, host="127.0.0.1", port=settings.port, log_config=None, access_log=False, timeout_graceful_shutdown=5
        )  # fmt: skip
