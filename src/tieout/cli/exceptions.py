"""`tieout exceptions`: what is stuck, what it costs, and what people do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.api.shapes import replays
from tieout.cli.acting import As, person
from tieout.cli.context import existing_database
from tieout.cli.output import USAGE, Json, fail, note, plain, print_json, table
from tieout.cli.paging import every
from tieout.hub import exceptions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tieout.hub.actors import Actor

app = typer.Typer(add_completion=False, no_args_is_help=True, help="What is stuck, and putting it right.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of an exception.", show_default=False)]
Kind = Annotated[str, typer.Option(help="Only this kind, e.g. missing-rate.")]
_COLUMNS = (
    "id",
    "kind",
    "severity",
    "owner",
    "key",
    "contract",
    "entity",
    "amount",
    "currency",
    "age_days",
    "cause",
)


@app.command("list", epilog="Example: tieout exceptions list --kind missing-rate --json")
def list_exceptions(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too, with their state.")] = False,
    kind: Kind = "",
    owner: Annotated[str, typer.Option(help="Only those of this role or person.")] = "",
    contract: Annotated[str, typer.Option(help="Only those of this contract.")] = "",
    json: Json = False,
) -> None:
    """The open exceptions, most money and urgency first."""
    filters = {"all": everything, "kind": kind, "owner": owner, "contract": contract}
    with existing_database() as engine, engine.connect() as conn:
        rows = every(exceptions.listed, conn, filters)
    if json:
        print_json(rows)
        return
    columns = (*_COLUMNS, "state") if everything else _COLUMNS
    table(columns, [[row[name] for name in columns] for row in plain(rows)], "Nothing is stuck.")


@app.command(epilog="Example: tieout exceptions show 0195f0e2-7c1e-7000-8000-000000000001")
def show(id: Id, json: Json = False) -> None:
    """One exception with its evidence, history and remedies."""
    with existing_database() as engine, engine.connect() as conn:
        row = exceptions.show(conn, id)
    if json:
        print_json(row)
        return
    row = plain(row)
    remedies = "; or ".join(row.pop("remedies"))
    evidence = row.pop("evidence")
    rows = [
        *row.items(),
        ("remedies", remedies),
        *((f"evidence, {n}", v) for n, v in evidence.items()),
    ]
    table(["what", "said"], [(name, value) for name, value in rows if value is not None])


@app.command(
    epilog="Example: tieout exceptions fix ID --note 'rate imported for March' --as pat@meridian.example"
)
def fix(
    id: Id,
    who: As,
    text: Annotated[str, typer.Option("--note", help="What was corrected, and where.", show_default=False)],
    json: Json = False,
) -> None:
    """Note a correction; the exception closes when the work succeeds."""
    _act(exceptions.fix, id, text, who, "Noted", json)


@app.command(epilog="Example: tieout exceptions assign ID billing_preparer --as eve@meridian.example")
def assign(
    id: Id,
    owner: Annotated[str, typer.Argument(help="A role or a person's address.", show_default=False)],
    who: As,
    json: Json = False,
) -> None:
    """Give an exception to a role or a person."""
    _act(exceptions.assign, id, owner, who, f"Given to {owner}", json)


@app.command(
    epilog="Example: tieout exceptions waive ID --reason 'agreed with the client' --as ann@meridian.example"
)
def waive(
    id: Id,
    who: As,
    reason: Annotated[str, typer.Option(help="Why it is left as it is.", show_default=False)],
    json: Json = False,
) -> None:
    """Close an exception for a stated reason; never by who prepared the work."""
    _act(exceptions.waive, id, reason, who, "Waived", json)


def _act(
    action: Callable[[Connection, str, str, Actor], None], id: str, said: str, who: str, what: str, json: bool
) -> None:
    """One action of a person on one exception, and how it stands then."""
    with existing_database() as engine, engine.begin() as conn:
        action(conn, id, said, person(conn, who))
        row = exceptions.show(conn, id)
    if json:
        print_json(row)
    else:
        note(f"{what}: {row['kind']} on {row['key']} is {row['state']}.")


@app.command(
    epilog="Example: tieout exceptions replay --kind missing-rate --dry-run --as pat@meridian.example"
)
def replay(
    who: As,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of exceptions.", show_default=False)
    ] = None,
    kind: Kind = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would happen.")] = False,
    json: Json = False,
) -> None:
    """Run the work behind exceptions again, those named or all of a kind; nothing is done twice."""
    if bool(ids) == bool(kind):
        fail("Say which: ids of exceptions, or --kind.", exit_code=USAGE)
    with existing_database() as engine, engine.begin() as conn:
        actor = person(conn, who)
        chosen = ids or [row["id"] for row in every(exceptions.listed, conn, {"kind": kind})]
        plans = exceptions.replay(conn, chosen, actor, dry_run)
    answer = replays(plans, dry_run)
    if json:
        print_json(answer)
        return
    shown = answer["replays"]
    columns = ["exception", "kind", "key", "facts", "intents", "work"]
    rows = [[*(row[c] for c in columns[:-1]), ", ".join(" ".join(w) for w in row["work"])] for row in shown]
    table(columns, rows, "Nothing of that kind is open.")
    note(f"{len(shown)} would run again." if dry_run else f"{len(shown)} run again.")
