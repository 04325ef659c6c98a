"""`tieout people`: who may sign in, and as what. Whoever may use this home or its database is the administrator."""

from __future__ import annotations

from typing import Annotated

import typer

from tieout.bootstrap import settings_in_use
from tieout.cli.context import existing_database, read_settings
from tieout.cli.output import Json, note, print_json, table
from tieout.hub import people
from tieout.hub.actors import ROLES, SYSTEM

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Who may sign in, and as what.")

Email = Annotated[
    str, typer.Argument(help="The person's e-mail address.", metavar="EMAIL", show_default=False)
]


@app.command(epilog="Example: tieout people add ana@meridian.example --role billing_preparer")
def add(
    email: Email,
    role: Annotated[list[str], typer.Option(help=f"One of {', '.join(ROLES)}; may be repeated.")],
    name: Annotated[str, typer.Option(help="The person's name; the address when left out.")] = "",
    json: Json = False,
) -> None:
    """Add a person with one or more roles."""
    with existing_database() as engine, engine.begin() as conn:
        people.add_person(conn, email, name, role, SYSTEM)
        [person] = [p for p in people.listed(conn) if p["email"] == email.strip().casefold()]
    if json:
        print_json(person)
    else:
        note(
            f"Added {person['email']} as {', '.join(person['roles'])}. To sign in: tieout people link {person['email']}"
        )


@app.command(epilog="Example: tieout people link ana@meridian.example")
def link(email: Email, json: Json = False) -> None:
    """Make a link that signs the person in once, within 15 minutes."""
    with existing_database() as engine, engine.begin() as conn:
        secret = people.sign_in_link(conn, email, SYSTEM)
    url = settings_in_use(read_settings()).sign_in_url(secret)
    if json:
        print_json({"email": email, "sign_in_url": url, "minutes": people.LINK_MINUTES})
    else:
        typer.echo(url)


@app.command(epilog="Example: tieout people token ana@meridian.example --scope invoices:read --days 30")
def token(
    email: Email,
    scope: Annotated[list[str] | None, typer.Option(help="Limit to a permission; may be repeated.")] = None,
    entity: Annotated[
        list[str] | None, typer.Option(help="Limit to a legal entity; may be repeated.")
    ] = None,
    days: Annotated[int, typer.Option(help="How many days it lives.")] = 90,
    json: Json = False,
) -> None:
    """Make an API token of a person; it is shown this once."""
    with existing_database() as engine, engine.begin() as conn:
        made = people.create_token(conn, email, scope or None, entity or None, days, SYSTEM)
    if json:
        print_json({"id": made.id, "token": made.secret})
    else:
        typer.echo(made.secret)


@app.command("list", epilog="Example: tieout people list --json")
def list_people(json: Json = False) -> None:
    """Everyone with their roles."""
    with existing_database() as engine, engine.connect() as conn:
        everyone = people.listed(conn)
    if json:
        print_json(everyone)
    else:
        table(
            ["email", "name", "roles", "disabled"],
            [
                (p["email"], p["name"], ", ".join(p["roles"]), "yes" if p["disabled"] else "")
                for p in everyone
            ],
            "Nobody yet. Add a person: tieout people add EMAIL --role finance_lead",
        )


@app.command(epilog="Example: tieout people disable ana@meridian.example")
def disable(email: Email) -> None:
    """End a person's access at once: their links, tokens and sessions."""
    with existing_database() as engine, engine.begin() as conn:
        people.disable(conn, email, SYSTEM)
    note(f"{email} is disabled.")
