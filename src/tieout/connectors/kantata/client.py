"""The Kantata connector: the reading side, the writing side and the sign-in put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tieout.connectors.kantata.api import KantataApi, said
from tieout.connectors.kantata.source import KantataSource
from tieout.connectors.kantata.target import KantataTarget
from tieout.connectors.kantata.webhook import KantataWebhook
from tieout.connectors.kit.families.rest import Grant, RestCaller, secret, setting
from tieout.connectors.kit.http import Http, HttpOptions
from tieout.connectors.kit.interface import (
    BatchRow,
    Change,
    Command,
    ConnectorError,
    Difference,
    Hint,
    Page,
    Receipt,
    Rejected,
    ReportedFact,
)
from tieout.connectors.kit.manifest import Manifest, load_manifest

MANIFEST = load_manifest(Path(__file__).parent)


def connect(
    config: Mapping[str, Any], secrets: Mapping[str, str], options: HttpOptions | None = None
) -> Kantata:
    """A connection. `config`: url, optional ca (file), sandbox, overlap_seconds, page_size; the webhook may have two secrets."""
    http = Http(
        setting(config, "url"), hosts=list(MANIFEST.hosts), options=options or HttpOptions(),
        ca=config.get("ca"), sandbox=bool(config.get("sandbox")),
    )  # fmt: skip
    return Kantata(http, config, secrets)


class Kantata:
    """One account."""

    manifest: Manifest = MANIFEST

    def __init__(self, http: Http, config: Mapping[str, Any], secrets: Mapping[str, str]):
        self._host = http.place.host
        self._api = KantataApi(
            RestCaller(MANIFEST, lambda: Grant(secret(secrets, "token"), http), said, renewable=False),
            int(config.get("page_size", MANIFEST.limits.page_size)),
        )
        overlap = config.get("overlap_seconds")
        self._source = KantataSource(
            self._api, MANIFEST.objects, None if overlap is None else float(overlap), http.options.clock
        )
        self._target = KantataTarget(self._api)
        self._webhook = KantataWebhook(
            [secrets.get("webhook_secret", ""), secrets.get("webhook_secret_previous", "")]
        )

    def objects(self) -> Sequence[str]:
        """People and projects before tasks and time."""
        return tuple(MANIFEST.objects)

    def changes(self, object: str, cursor: str | None) -> Page:
        """The next page of a sweep."""
        return self._source.changes(self._known(object), cursor)

    def fetch(self, object: str, source_id: str) -> Change | None:
        """The current version of one record."""
        return self._source.fetch(self._known(object), source_id)

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """Id and version of every record changed in the span."""
        return self._source.snapshot(self._known(object), since, until)

    def apply(self, command: Command) -> Receipt:
        """Carry out one command."""
        return self._target.apply(command)

    def apply_batch(self, operation: str, commands: Sequence[Command]) -> Sequence[BatchRow]:
        """One after the other: Kantata has no batch for what is written here."""
        rows = []
        for command in commands:
            try:
                rows.append(BatchRow(command.external_key, self.apply(command), None))
            except ConnectorError as error:
                rows.append(BatchRow(command.external_key, None, error))
        return rows

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The complete project under our key."""
        return self._target.lookup(operation, external_key)

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """What differs from what was sent."""
        return self._target.read_back(command, receipt)

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """The undo of a command."""
        return self._target.inverse(command, receipt)

    def report(self, check: str, entity: str, start: date, end: date) -> Sequence[ReportedFact]:
        """Kantata keeps no books."""
        raise Rejected(f"kantata has no report for the check {check}", "unknown-report")

    def reference(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """Kantata is asked for no reference data."""
        raise Rejected(f"kantata has no reference data of kind {kind}", "unknown-reference-kind")

    def describe(self) -> Mapping[str, Sequence[str]]:
        """Field names by object."""
        return self._source.describe()

    def test(self) -> str:
        """One harmless call."""
        self._api.page("users", {"per_page": "1"})
        return f"Kantata answered as {self._host}"

    def hints(self, secret: str, headers: Mapping[str, str], body: bytes) -> Sequence[Hint]:
        """What a webhook request says."""
        return self._webhook.hints(secret, headers, body)

    def _known(self, object: str) -> str:
        if object not in MANIFEST.objects:
            raise Rejected(f"kantata has no source object {object}", "unknown-object")
        return object
