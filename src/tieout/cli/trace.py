"""`tieout trace KEY`: every figure back to its source documents and on to the records it became."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tieout.cli.context import existing_database
from tieout.cli.output import Json, note, plain, print_json
from tieout.hub.trace import trace as traced

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: tieout trace INV-1042/1")
def trace(
    key: Annotated[
        str,
        typer.Argument(
            help="An invoice, NUMBER/LINE, time entry, contract, project, opportunity or exception."
        ),
    ],
    json: Json = False,
) -> None:
    """What a record rests on and what came of it, from source documents to target records."""
    with existing_database() as engine, engine.connect() as conn:
        answer = traced(conn, key)
    if json:
        print_json(answer)
        return
    for line in tree(answer):
        typer.echo(line)
    if answer.get("truncated"):
        note("There is more than is shown: trace one of these records.")


def tree(answer: dict[str, Any]) -> list[str]:
    """The trace as lines, each record under what it came from; one that was shown before is only named."""
    nodes = {node["id"]: node for node in answer["nodes"]}
    below: dict[str, list[tuple[str, str]]] = {}
    for edge in answer["edges"]:
        below.setdefault(edge["from"], []).append((edge["via"], edge["to"]))
    for children in below.values():
        children.sort(
            key=lambda child: child[0].startswith("priced")
        )  # where it comes from, before its price
    reached = {edge["to"] for edge in answer["edges"]}
    roots = sorted((one for one in nodes if one not in reached), key=lambda one: nodes[one]["type"] == "rate")
    lines: list[str] = []
    shown: set[str] = set()
    pending = [(0, "", one) for one in reversed(roots)]
    while pending:
        depth, via, one = pending.pop()
        again = one in shown and one in below
        lines.append(
            "  " * depth + (f"{via}: " if via else "") + _said(nodes[one]) + (" (see above)" if again else "")
        )
        if not again:
            shown.add(one)
            pending += [(depth + 1, name, other) for name, other in reversed(below.get(one, []))]
    return lines


def _said(node: dict[str, Any]) -> str:
    amount = "" if node["amount"] is None else f", {plain(node)['amount']} {node['currency'] or ''}".rstrip()
    at = "" if node["at"] is None else f", {node['at']:%Y-%m-%d %H:%M}"
    return f"{node['type'].replace('_', ' ')} {node['key']} ({node['system']}{amount}{at})"
