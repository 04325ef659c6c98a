"""How commands answer: one JSON value or a table on stdout; everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer

from tieout.model.plain import plain

FINE, FINDING, USAGE, ENVIRONMENT = 0, 1, 2, 3
"""Exit codes."""

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON value on stdout.")]
"""The option that every command with an answer has: `json: Json = False`."""


def print_json(value: Any) -> None:
    """The answer of a command with `--json`: money, hours and rates become strings, dates ISO 8601."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, allow_nan=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "Nothing to show.") -> None:
    """Rows for a person; numbers to the right. A pipe gets tabs instead of lines, for cut and awk."""
    cells = [["" if cell is None else str(plain(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [list(columns), *cells]:
            typer.echo("\t".join(line))
        return
    if not cells:
        note(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(_is_number(line[index]) for line in cells)
        drawn.add_column(column, justify="right" if numeric else "left")
    for line in cells:
        drawn.add_row(*map(Text, line))
    Console().print(drawn)


def note(text: str) -> None:
    """Progress, hints and warnings: to stderr."""
    typer.echo(text, err=True)


class Failed(Exception):
    """The command ends without its answer; `tieout.cli.main` says why, with `--json` as the one value on stdout."""

    def __init__(self, message: str, remedy: str, exit_code: int, code: str) -> None:
        super().__init__(message, remedy, exit_code, code)
        self.message, self.remedy, self.exit_code, self.code = message, remedy, exit_code, code


def fail(message: str, remedy: str = "", exit_code: int = FINDING, code: str = "TIE-101") -> NoReturn:
    """End the command: what is wrong, and what to do."""
    raise Failed(message, remedy, exit_code, code)


def print_error(code: str, message: str, remedy: str = "", fields: Mapping[str, str] | None = None) -> None:
    """What a command with `--json` answers when it fails."""
    print_json({"error": {"code": code, "message": message, "remedy": remedy, "fields": dict(fields or {})}})


def _is_number(text: str) -> bool:
    return text == "" or text.replace("-", "", 1).replace(".", "", 1).isdigit()
