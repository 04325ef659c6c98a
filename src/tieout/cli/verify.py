"""`tieout verify`: whether every invariant holds, now, over all rows and over the sandbox where one runs here."""

from __future__ import annotations

import json as json_text
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.bootstrap import Misconfigured, settings_in_use
from tieout.cli.context import existing_database, read_settings
from tieout.cli.output import FINDING, Json, note, print_json, table

if TYPE_CHECKING:
    import httpx

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: tieout verify --json | jq '.[] | select(.status == \"failed\")'")
def verify(
    sandbox: Annotated[
        Path | None,
        typer.Option(
            help="The folder of a running sandbox; the one of this home when left out.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check the invariants I1 to I30 on what is stored. Exit 1 when one fails; its first keys are named.

    Where a sandbox runs, its own ledger of writes and its log of calls are compared too.
    """
    from tieout.hub import audit
    from tieout.hub import verify as hub

    settings = settings_in_use(read_settings())
    folder = sandbox or settings.home / "sandbox"
    with existing_database() as engine, outside(folder, asked=sandbox is not None) as truth:
        kept, _ = audit.checkpoints_in(settings.audit_folder)
        results = hub.verify(engine, sandbox=truth, logs=settings.log_folder, checkpoint=kept)
    if json:
        print_json(results)
    else:
        columns = ["invariant", "status", "detail"]
        table(columns, [[result[name] for name in columns] for result in results])
        counts = {status: sum(r["status"] == status for r in results) for status in ("ok", "failed")}
        note(
            f"{counts['ok']} hold, {counts['failed']} fail, {len(results) - sum(counts.values())} cannot be seen here."
        )
    if hub.failed(results):
        raise typer.Exit(FINDING)


@contextmanager
def outside(folder: Path, *, asked: bool = False) -> Iterator[SandboxTruth | None]:
    """The sandbox of a folder; None when none runs there, which is an error only when it was asked for."""
    import httpx

    try:
        known = json_text.loads((folder / "credentials.json").read_text(encoding="utf-8"))
        headers = {"Authorization": f"Bearer {known['control_token']}"}
        client = httpx.Client(
            base_url=f"{known['url']}/_sandbox/", headers=headers, verify=ssl.create_default_context(cafile=known["ca"]), trust_env=False, timeout=60
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        if asked:
            raise Misconfigured(f"No sandbox is set up in {folder}. Run: tieout sandbox") from error
        yield None
        return
    with client:
        try:
            client.get("clock").raise_for_status()
        except httpx.HTTPError as error:
            if asked:
                raise Misconfigured(
                    f"The sandbox of {folder} does not answer. Run: tieout sandbox"
                ) from error
            note("The sandbox does not answer: the outside is not compared.")
            yield None
            return
        yield SandboxTruth(client)


class SandboxTruth:
    """What a running sandbox applied, heard and holds, over its control endpoints."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ledger(self) -> list[dict[str, Any]]:
        """Every applied write in order."""
        return self._items("ledger")

    def calls(self) -> list[dict[str, Any]]:
        """Every request in order."""
        return self._items("calls")

    def ids(self, system: str, type: str) -> set[str]:
        """The ids that the system holds now."""
        return {str(item["id"]) for item in self._items("records", system=system, type=type)}

    def _items(self, what: str, **params: str) -> list[dict[str, Any]]:
        answer = self._client.get(what, params=params)
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items
