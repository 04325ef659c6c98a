"""`tieout connections`: the outside systems, how they fare, and reading from them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout import bootstrap
from tieout.bootstrap import settings_in_use
from tieout.cli.context import existing_database, read_settings
from tieout.cli.output import FINDING, Json, note, print_json, table
from tieout.connectors.kit.interface import ConnectorError
from tieout.flows.environment import Environment
from tieout.hub import work
from tieout.hub.refusals import NotFound, Refusal
from tieout.store import connections as store
from tieout.store import status

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The outside systems and how they fare.")

Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="One connection; all when left out.", show_default=False),
]


@app.command("list", epilog="Example: tieout connections list --json")
def list_connections(json: Json = False) -> None:
    """Every connection: whether it is fine, how far it lags, how many calls it may still make."""
    with existing_database() as engine, engine.connect() as conn:
        found = status.connections(conn)
    if json:
        print_json(found)
    else:
        columns = ["name", "ok", "lag_seconds", "budget_left", "detail"]
        hint = "No connections. State them in the workspace: tieout init, then tieout apply"
        table(columns, [[one[c] for c in columns] for one in found], hint)


@app.command("test", epilog="Example: tieout connections test netsuite")
def try_connections(name: Name = None, json: Json = False) -> None:
    """Sign in to each system and make one harmless call (exit 1 when one fails)."""
    with existing_database() as engine:
        with engine.connect() as conn:
            names = _chosen(conn, name)
        environment = Environment(engine, settings_in_use(read_settings()))
        answers = [_tested(environment, each) for each in names]
    _show_tests(answers, json)


def _tested(environment: Environment, name: str) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "detail": environment.connector(name).test(), "remedy": ""}
    except Refusal as refusal:
        return {"name": name, "ok": False, "detail": refusal.message, "remedy": refusal.remedy}
    except bootstrap.Misconfigured as error:
        return {"name": name, "ok": False, "detail": str(error), "remedy": ""}
    except ConnectorError as error:
        remedy = f"Check connections/{name}.yaml and its secrets, then test again."
        return {"name": name, "ok": False, "detail": error.message, "remedy": remedy}


def _show_tests(answers: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(answers)
    else:
        rows = [(a["name"], "yes" if a["ok"] else "no", a["detail"], a["remedy"]) for a in answers]
        table(["name", "ok", "detail", "remedy"], rows, "No connections.")
    if not all(answer["ok"] for answer in answers):
        raise typer.Exit(FINDING)


@app.command(epilog="Example: tieout connections sync kantata")
def sync(name: Name = None, json: Json = False) -> None:
    """Ask the workers to read each system's changes now."""
    with existing_database() as engine:
        _ask(engine, "sync", name, json)


@app.command(epilog="Example: tieout connections sweep kantata --json")
def sweep(name: Name = None, json: Json = False) -> None:
    """Ask the workers to compare each system's records with what was received, and fetch what is missing."""
    with existing_database() as engine:
        _ask(engine, "sweep", name, json)


def _ask(engine: Engine, kind: str, name: str | None, json: bool) -> None:
    """Request the work of a kind for every object of the chosen connections."""
    environment = Environment(engine, settings_in_use(read_settings()))
    with engine.connect() as conn:
        names = _chosen(conn, name)
    asked = {each: list(environment.connector(each).objects()) for each in names}
    with engine.begin() as conn:
        work.request_all(conn, [(kind, f"{each}/{o}") for each, objects in asked.items() for o in objects])
    answer = [{"name": each, "work": kind, "objects": objects} for each, objects in asked.items()]
    if json:
        print_json(answer)
    else:
        table(["name", "work", "objects"], [(a["name"], kind, ", ".join(a["objects"])) for a in answer])
        note("The workers do it now. See how far they are: tieout status")


def _chosen(conn: Connection, name: str | None) -> list[str]:
    known = [row["name"] for row in store.enabled(conn)]
    if name is not None and name not in known:
        raise NotFound(
            f"There is no enabled connection {name!r}.",
            remedy=f"Known are {', '.join(known) or 'none'}; connections are stated in the workspace.",
        )
    return known if name is None else [name]
