"""`tieout flows`: where each flow across the systems is, and asking it to go on or to take its effects back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from tieout.cli.acting import As, person
from tieout.cli.context import existing_database
from tieout.cli.output import Json, note, plain, print_json, table
from tieout.hub import flow_commands, flows
from tieout.hub.refusals import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Flows across the systems, step by step.")

Flow = Annotated[
    str, typer.Argument(metavar="FLOW", help="A flow's id, or its contract or invoice.", show_default=False)
]


@app.command("list", epilog="Example: tieout flows list --state waiting")
def list_flows(
    kind: Annotated[str, typer.Option(help="project_setup, invoice_posting or credit_posting.")] = "",
    state: Annotated[
        str, typer.Option(help="running, waiting, done, compensating, compensated, failed.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, the last changed first.")] = 100,
    json: Json = False,
) -> None:
    """Flows with their state and what they wait for, the last changed first."""
    with existing_database() as engine, engine.connect() as conn:
        page = flows.listed(conn, {"kind": kind, "state": state}, limit=limit)
    if json:
        print_json(page.rows)
        return
    columns = ["id", "kind", "key", "state", "waiting_for", "updated_at"]
    table(columns, [[row[name] for name in columns] for row in page.rows], "No flows.")
    if page.cursor:
        note(f"There are more than {limit}: narrow it with --kind or --state.")


@app.command(epilog="Example: tieout flows show K-1042")
def show(flow: Flow, json: Json = False) -> None:
    """One flow step by step."""
    with existing_database() as engine, engine.connect() as conn:
        row = flows.show(conn, _id_of(conn, flow))
    _shown(row, json)


@app.command(epilog="Example: tieout flows replay K-1042 --as eve@meridian.example")
def replay(flow: Flow, who: As, json: Json = False) -> None:
    """Ask for a flow's work again: what is done is skipped, what waits or failed is tried."""
    with existing_database() as engine, engine.begin() as conn:
        actor = person(conn, who)
        row = flow_commands.retry(conn, _id_of(conn, flow), actor)
        row = flows.show(conn, str(row["id"]))
    if not json:
        note(f"{row['kind']} of {row['key']} is asked for again; a worker carries it out.")
    _shown(row, json)


@app.command(
    epilog="Example: tieout flows compensate K-1042 --reason 'signed by mistake' --as eve@meridian.example"
)
def compensate(
    flow: Flow,
    who: As,
    reason: Annotated[str, typer.Option(help="Why it is taken back.", show_default=False)],
    json: Json = False,
) -> None:
    """Take back what a project set-up did, the last effect first, for good.

    The contract is not set up again afterwards. A contract that ends in the CRM takes its set-up back by itself. What
    an invoice or credit note did is undone by a credit note: tieout bill credit.
    """
    with existing_database() as engine, engine.begin() as conn:
        actor = person(conn, who)
        row = flow_commands.compensate(conn, _id_of(conn, flow), reason, actor)
    if not json:
        note(f"{row['kind']} of {row['key']} is being taken back; a worker carries it out.")
    _shown(row, json)


def _id_of(conn: Connection, flow: str) -> str:
    """The flow of an id or of the key that people know; a key of several flows is refused."""
    try:
        return str(UUID(flow))
    except ValueError:
        rows = flows.listed(conn, {"key": flow}).rows
    if len(rows) != 1:
        there = "no flow" if not rows else "more than one flow"
        raise NotFound(f"There is {there} of {flow}.", remedy="List them with `tieout flows list`.")
    return str(rows[0]["id"])


def _shown(row: dict[str, Any], json: bool) -> None:
    if json:
        print_json(row)
        return
    told = {
        name: value for name, value in row.items() if name not in ("steps", "detail") and value is not None
    }
    table(["what", "now"], [*told.items(), *row["detail"].items()])
    steps = [(s["step"], s["state"], s["attempts"], s["at"], plain(s["detail"]) or "") for s in row["steps"]]
    table(["step", "state", "attempts", "at", "detail"], steps, "No step was reached yet.")
