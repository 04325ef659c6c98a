"""`tieout scenario`: play scenario files, check them, give their schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tieout.bootstrap import open_database_url, open_scratch_url, settings_apart
from tieout.cli.context import read_settings
from tieout.cli.output import FINDING, USAGE, Json, fail, note, print_json, table
from tieout.scenario.parsing import load_scenario, scenario_files
from tieout.scenario.reading import BadScenario

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Acceptance tests of rules and configuration."
)

Paths = Annotated[list[Path], typer.Argument(help="Scenario files or folders of them.", show_default=False)]


@app.command(epilog="Example: tieout scenario run tests/scenarios --json")
def run(
    paths: Paths,
    json: Json = False,
    keep: Annotated[bool, typer.Option(help="Keep each scenario's database and name it.")] = False,
) -> None:
    """Play scenarios through the same path as live data. Exit 1 when an expectation does not hold."""
    from tieout.scenario.running import run_scenarios

    files = _files(paths)
    settings = settings_apart(read_settings(), "scenarios")
    with open_database_url(settings) if keep else open_scratch_url(settings) as url:
        results = []
        for result in run_scenarios(url, settings, files, keep=keep):
            results.append(result)
            if not json:
                note(f"{'ok   ' if result.ok else 'FAILS'} {result.seconds:6.2f} s  {result.name}")
    if json:
        print_json([result.as_json() for result in results])
    else:
        failing = [(r.name, c.at, _where(c.where), c.measure, c.expected, c.actual, _difference(c.expected, c.actual))
                   for r in results for c in r.checks if not c.ok]  # fmt: skip
        for result in results:
            if result.error:
                note(f"{result.error['file']}:{result.error['line']}: {result.error['message']}")
        for result in results:
            for check in (one for one in result.checks if one.trace):
                note(f"  {result.name}: {check.at} {check.measure} {_where(check.where)}".rstrip())
                for line in check.trace:
                    note(f"    {line}")
        table(
            ["scenario", "at", "where", "measure", "expected", "actual", "difference"],
            failing,
            "Every expectation holds.",
        )
        note(f"{sum(r.ok for r in results)} of {len(results)} scenarios hold.")
    raise typer.Exit(0 if all(result.ok for result in results) else FINDING)


def _where(selectors: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in selectors.items())


def _difference(expected: object, actual: object) -> str:
    from decimal import Decimal, InvalidOperation

    try:
        return str(Decimal(str(actual)) - Decimal(str(expected)))
    except InvalidOperation:
        return ""


@app.command(epilog="Example: tieout scenario check examples/meridian/scenarios")
def check(paths: Paths, json: Json = False) -> None:
    """Validate scenario files without playing them. Exit 1 when one is wrong."""
    problems = []
    files = _files(paths)
    for file in files:
        try:
            load_scenario(file)
        except BadScenario as bad:
            problems.append({"file": bad.file, "line": bad.line, "code": bad.code, "message": bad.message})
    if json:
        print_json(problems)
    else:
        for problem in problems:
            note(f"{problem['file']}:{problem['line']}: {problem['message']}")
        note(f"{len(files) - len(problems)} of {len(files)} scenario files are fine.")
    raise typer.Exit(FINDING if problems else 0)


@app.command(epilog="Example: tieout scenario schema > scenario.schema.json")
def schema() -> None:
    """The JSON Schema of scenario files, for editors."""
    from tieout.scenario.schema import json_schema

    print_json(json_schema())


def _files(paths: list[Path]) -> list[Path]:
    try:
        files = scenario_files(paths)
    except BadScenario as bad:
        fail(str(bad), "Give scenario files or folders of them.", USAGE, "TIE-104")
    if not files:
        fail(f"There is no *.yaml under {', '.join(map(str, paths))}.", exit_code=USAGE, code="TIE-104")
    return files
