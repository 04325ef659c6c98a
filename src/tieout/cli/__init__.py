"""The `tieout` command: thin over the same functions as the API and the console.

A command group is a module of this folder with an `app`; it is imported when it is called, so `--help` is fast
and needs no server. To add one, write the module and its line in COMMANDS.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.rich_utils import rich_format_error

from tieout import __version__
from tieout.cli.output import USAGE, print_error

COMMANDS: dict[str, tuple[str, str]] = {
    # command: (module of this folder, one line of help)
    "demo": ("demo", "Play a simulated firm's quarter, then serve the console."),
    "up": ("up", "Run Tieout here: database, web door and workers, restarted when they die."),
    "serve": ("serve", "Run the web door only: API and console."),
    "worker": ("worker", "Run one worker only."),
    "sandbox": ("sandbox", "Run the simulated outside systems."),
    "status": ("status", "What runs, what waits, what is late."),
    "doctor": ("doctor", "Check this machine and the database, and say what to do."),
    "scenario": ("scenario", "Play acceptance tests of rules and configuration."),
    "people": ("people", "Who may sign in, and as what."),
    "init": ("workspace", "Write a workspace to begin with."),
    "check": ("workspace", "Say what is wrong with the workspace, by file and line."),
    "apply": ("workspace", "Put the workspace into force."),
    "connections": ("connections", "The outside systems and how they fare."),
    "rates": ("rates", "Rate cards from price lists."),
    "exceptions": ("exceptions", "What is stuck, and putting it right."),
    "flows": ("flows", "Flows across the systems, step by step."),
    "bill": ("bill", "Runs, approval, release and credit notes."),
    "books": ("books", "What the subledger says, by period."),
    "tie-out": ("tie_out", "Our figures against the other system's."),
    "verify": ("verify", "Whether every invariant holds."),
    "audit": ("audit", "The sealed chain of who did what."),
    "trace": ("trace", "A figure back to its source documents and on to what it became."),
}
"""A module whose `app` has a command of the same name gives that command; else its whole `app`."""


class LazyGroup(TyperGroup):
    """Knows the names and help lines of all commands, and imports a module when its command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All command names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What `--help` shows of a command; nothing is imported."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command to run, with its module imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else command, rest


def load_command(name: str) -> Any:
    """Import the module of a command and return the command."""
    module, help_line = COMMANDS[name]
    command = get_command(import_module(f"tieout.cli.{module}").app)
    chosen = getattr(command, "commands", {}).get(name, command)
    chosen.help = chosen.help or help_line
    return chosen


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(epilog="Example: tieout demo")
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tieout: signed contracts become posted invoices across a firm's systems, and the numbers tie out."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 fine, 1 a finding, 2 usage, 3 environment."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # an argument need not be text: it is shown all the same
    as_json = "--json" in given
    try:
        code = get_command(app)(given, prog_name="tieout", standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except typer.Abort:
        sys.exit(1)
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong command, option or argument
            sys.exit(_misused(error, as_json))
        from tieout.cli.failures import explain

        explained = explain(error)
        if explained is None:
            if as_json:
                print_error(
                    "TIE-500", f"Something broke here: {type(error).__name__}.", "Its trace is on stderr."
                )
            raise
        explained.show(as_json)
        sys.exit(explained.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _misused(error: Any, as_json: bool) -> int:
    """Say how the command is used; the exit code."""
    rich_format_error(error)
    if as_json:
        context = getattr(error, "ctx", None)
        help_of = context.command_path if context is not None else "tieout"
        print_error("TIE-101", error.format_message(), f"Run: {help_of} --help")
    return USAGE
