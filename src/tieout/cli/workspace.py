"""`tieout init`, `check` and `apply`: the workspace, which states how this installation is set up."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tieout import workspace
from tieout.bootstrap import open_database, settings_in_use
from tieout.cli.context import read_settings
from tieout.cli.output import FINDING, Json, note, print_json, table
from tieout.hub.actors import SYSTEM
from tieout.scenario.parsing import load_scenario
from tieout.scenario.reading import BadScenario

app = typer.Typer(add_completion=False)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--workspace", help="The folder; else TIEOUT_WORKSPACE, else the current one.", show_default=False
    ),
]


def _folder(given: Path | None) -> Path:
    return (given or read_settings().workspace or Path.cwd()).expanduser().absolute()


@app.command(epilog="Example: tieout init my-firm")
def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to write it.")] = Path(),
    name: Annotated[str, typer.Option(help="Its name; the folder's when left out.")] = "",
    json: Json = False,
) -> None:
    """Write a complete workspace to begin with."""
    place = folder.expanduser().absolute()
    guessed = re.sub(r"[^a-z0-9]+", "-", place.name.casefold()).strip("-") or "workspace"
    written = workspace.init(place, name or guessed)
    if json:
        print_json({"folder": str(place), "files": [str(path.relative_to(place)) for path in written]})
    else:
        note(f"Wrote {len(written)} files to {place}. Next: tieout check --workspace {folder}")


@app.command(epilog="Example: tieout check --workspace my-firm")
def check(folder: Folder = None, json: Json = False) -> None:
    """Say everything that is wrong with the workspace, by file and line (exit 1); touches no database."""
    place = _folder(folder)
    findings = workspace.check(place, os.environ)
    findings = sorted([*findings, *_scenarios(place, findings)])
    if json:
        print_json([asdict(finding) for finding in findings])
    elif findings:
        for finding in findings:
            typer.echo(str(finding))
        note(f"{len(findings)} findings in {place}.")
    else:
        note(f"{place} is fine. Next: tieout apply --workspace {place}")
    if findings:
        raise typer.Exit(FINDING)


@app.command(epilog="Example: tieout apply --workspace my-firm")
def apply(
    folder: Folder = None,
    environment: Annotated[
        str | None,
        typer.Option(help="Where to, else TIEOUT_ENVIRONMENT; dev so far.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Put the workspace into force: connections, ownership, mappings, tax, accounts, policies, rate cards."""
    settings, place = read_settings(), _folder(folder)
    target = environment if environment is not None else settings.environment
    further = _scenarios(place, workspace.check(place, os.environ))
    with open_database(settings_in_use(settings)) as engine, engine.begin() as conn:
        applied = workspace.apply(conn, place, SYSTEM, target, further=further)
    if json:
        print_json(asdict(applied))
        return
    if not applied.changed:
        note(f"Version {applied.version} is in force already; nothing changed.")
        return
    table(["what", "now"], [(name, value) for name, value in _shown(applied).items()])


def _scenarios(place: Path, known: Sequence[workspace.Finding]) -> list[workspace.Finding]:
    """What is wrong with the workspace's scenarios; a file that has a finding already is not opened again."""
    seen = {finding.file for finding in known}
    findings = []
    for path in sorted((place / "scenarios").glob("**/*.yaml")):
        name = path.relative_to(place).as_posix()
        if name in seen or "scenarios" in seen or not path.is_file():
            continue
        try:
            load_scenario(path)
        except BadScenario as bad:
            expected = "what docs/scenarios.md describes is expected"
            findings.append(
                workspace.Finding(name, bad.line, "", bad.message.rstrip("."), expected, "Correct it.")
            )
    return findings


def _shown(applied: workspace.AppliedVersion) -> dict[str, object]:
    return {
        "version": applied.version,
        "connections": ", ".join(applied.connections),
        "disabled": ", ".join(applied.disabled),
        "prices added": applied.prices_added,
        "prices ended": applied.prices_ended,
        "contracts rated again": applied.rated_again,
        "records released": applied.records_released,
    }
