"""`tieout demo`: a simulated firm's quarter through three systems, then the console."""

from __future__ import annotations

from typing import Annotated

import typer

from tieout.cli.context import read_settings, stop_signals
from tieout.cli.output import FINDING, USAGE, Json, fail, note, print_json

app = typer.Typer(add_completion=False)

INTERRUPTED = 130
FOREVER = 3600.0


@app.command(epilog="Example: tieout demo --once --json")
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary.")] = False,
    json: Json = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, also when a run is unfinished.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Which firm: the same seed gives the same quarter.")
    ] = None,
    scale: Annotated[str, typer.Option(help="How large a firm: small.")] = "small",
) -> None:
    """Play a professional-services firm's quarter: sandbox systems, signed contracts, posted invoices, and its mess.

    It resumes an unfinished run and replaces a finished one. Exit 1 when planted mess was missed or an invariant failed.
    """
    from tieout.cli import demo_view as show
    from tieout.demo import SCALES, Demo
    from tieout.demo.run import Stopped
    from tieout.demo.summary import is_fine

    if scale not in SCALES:
        fail(
            f"The scale {scale!r} does not exist yet.",
            f"Use --scale {', '.join(SCALES)}, or leave it out.",
            USAGE,
        )
    settings = read_settings().demo()
    with stop_signals() as stopped:
        try:
            with Demo(settings, stopped, note).running(scale, seed, fresh) as play:
                if not once:
                    show.where(play.people, settings.web_url)
                summary = play.to_the_end()
                people = play.fresh_links()
                if json:
                    print_json(summary)
                else:
                    show.summary(summary)
                    show.where(people, settings.web_url)
                fine = is_fine(summary)
                if not once:
                    note("Stop it with Ctrl-C; the data stays.")
                    while not stopped(FOREVER):
                        pass
        except Stopped:
            fail("Stopped.", "`tieout demo` goes on from here.", INTERRUPTED, "TIE-153")
    raise typer.Exit(0 if fine else FINDING)
