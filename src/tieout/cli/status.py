"""`tieout status`: what runs, what waits, what is late."""

from __future__ import annotations

from typing import Any

import typer

from tieout.bootstrap import read_settings, settings_in_use
from tieout.cli.context import existing_database
from tieout.cli.output import Json, plain, print_json, table
from tieout.processes import running
from tieout.store import status as store

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: tieout status --json | jq .connections")
def status(json: Json = False) -> None:
    """What runs here, how far each connection lags, and what waits in inbox, outbox and exceptions."""
    pids = running(settings_in_use(read_settings()))
    with existing_database() as engine, engine.connect() as conn:
        answer = {
            "database": {
                "address": engine.url.render_as_string(hide_password=True),
                "version": store.database_version(conn),
            },
            "workers": [{"name": n, "pid": pid} for n, pid in pids.items() if n.startswith("worker-")],
            "connections": store.connections(conn),
            "inbox": store.inbox_counts(conn),
            "outbox": store.outbox_counts(conn),
            "exceptions": store.exception_counts(conn),
        }
    if json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    workers = ", ".join(worker["name"] for worker in answer["workers"]) or "none run here"
    table(
        ["what", "now"],
        [
            ("database", f"PostgreSQL {answer['database']['version']}, {answer['database']['address']}"),
            ("workers", workers),
            *((f"inbox, {state}", count) for state, count in answer["inbox"].items()),
            *((f"outbox, {state}", count) for state, count in answer["outbox"].items()),
        ],
    )
    columns = ["name", "ok", "lag_seconds", "budget_left", "detail"]
    table(
        ["connection", *columns[1:]],
        [[c[k] for k in columns] for c in answer["connections"]],
        "No connections.",
    )
    columns = ["kind", "open", "amount", "currency"]
    table(
        ["exception", *columns[1:]],
        [[e[k] for k in columns] for e in plain(answer["exceptions"])],
        "No open exceptions.",
    )
