"""`tieout tie-out`: our figures against those of the other system, item by item."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tieout.bootstrap import settings_in_use
from tieout.cli.context import existing_database, read_settings
from tieout.cli.output import FINDING, Json, note, plain, print_json, table
from tieout.hub import tie_out

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Our figures against the other system's.")

_COUNTS = ("matched", "ours_only", "theirs_only", "different", "amount", "unexplained")


@app.command(epilog="Example: tieout tie-out run billed US01 2026-03")
def run(
    check: Annotated[
        str, typer.Argument(help=f"The check: {', '.join(tie_out.CHECKS)}.", show_default=False)
    ],
    entity: Annotated[str, typer.Argument(help="The legal entity.", show_default=False)],
    period: Annotated[str, typer.Argument(help="The period, e.g. 2026-03.", show_default=False)],
    json: Json = False,
) -> None:
    """Compare now. Exit 1 when a difference is unexplained or the report is incomplete."""
    from tieout.flows.environment import Environment

    with existing_database() as engine:
        tie_out.run(Environment(engine, settings_in_use(read_settings())), check, entity, period)
        with engine.connect() as conn:
            [result] = tie_out.show(conn, check, entity, period)
    if json:
        print_json(result)
    else:
        _show([result])
        _show_items(result)
    if result["unexplained"] or result["state"] != "complete":
        raise typer.Exit(FINDING)


@app.command(epilog="Example: tieout tie-out show --entity US01 --json")
def show(
    check: Annotated[str | None, typer.Option(help="Only this check.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only this legal entity.")] = None,
    period: Annotated[str | None, typer.Option(help="Only this period.")] = None,
    json: Json = False,
) -> None:
    """The newest result of each check, entity and period."""
    with existing_database() as engine, engine.connect() as conn:
        results = tie_out.show(conn, check, entity, period)
    if json:
        print_json(results)
        return
    _show(results)
    if len(results) == 1:
        _show_items(results[0])


def _show(results: list[dict[str, Any]]) -> None:
    columns = ["check", "entity", "period", "state", *_COUNTS, "at"]
    hint = "No comparison was made yet: tieout tie-out run CHECK ENTITY PERIOD"
    table(columns, [[result[name] for name in columns] for result in plain(results)], hint)
    for result in results:
        if result["detail"]:
            note(f"{result['check']} {result['entity']} {result['period']}: {result['detail']}")


def _show_items(result: dict[str, Any]) -> None:
    columns = [
        "key",
        "contract",
        "ours",
        "theirs",
        "difference",
        "currency",
        "outcome",
        "cause",
        "explained_by",
    ]
    rows = [[item[c] for c in columns] for item in plain(result["items"]) if item["outcome"] != "matched"]
    if rows:
        table(columns, rows)
