"""What connectors of any system have in common: opening them, their settings, and what a system does not offer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from tieout.connectors.kit.http import Http, HttpOptions
from tieout.connectors.kit.interface import (
    BatchRow,
    Change,
    Command,
    ConnectorError,
    Difference,
    Page,
    Receipt,
    Rejected,
    ReportedFact,
)
from tieout.connectors.kit.manifest import Manifest


def open_http(manifest: Manifest, url: str, config: Mapping[str, Any], options: HttpOptions | None) -> Http:
    """The HTTPS client of a connection. `config`: optional ca (file) and sandbox."""
    return Http(
        url, hosts=list(manifest.hosts), options=options or HttpOptions(), ca=config.get("ca"),
        sandbox=bool(config.get("sandbox")),
    )  # fmt: skip


class System:
    """One connection, as its manifest and config describe it; it keeps no books and no reference data."""

    manifest: Manifest

    def __init__(self, config: Mapping[str, Any]):
        self.config = config

    @property
    def page_size(self) -> int:
        """Records of one page."""
        return int(self.config.get("page_size", self.manifest.limits.page_size))

    def overlap_seconds(self, object: str) -> float:
        """How long before the newest stamp the next sweep of an object begins."""
        stated = self.config.get("overlap_seconds")
        return float(self.manifest.objects[object].overlap_seconds if stated is None else stated)

    def known(self, object: str) -> str:
        """The object, when the system has it."""
        if object not in self.manifest.objects:
            raise Rejected(f"{self.manifest.name} has no source object {object}", "unknown-object")
        return object

    def objects(self) -> Sequence[str]:
        """The objects in the order of the manifest, in which references resolve best."""
        return tuple(self.manifest.objects)

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """None: the manifest says why."""
        return None

    def report(self, check: str, entity: str, start: date, end: date) -> Sequence[ReportedFact]:
        """The system keeps no books."""
        raise Rejected(f"{self.manifest.name} has no report for the check {check}", "unknown-report")

    def reference(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """The system is asked for no reference data."""
        raise Rejected(f"{self.manifest.name} has no reference data of kind {kind}", "unknown-reference-kind")


class Reader(Protocol):
    """The reading half of a connector; its objects are those of the manifest."""

    def changes(self, object: str, cursor: str | None) -> Page: ...
    def fetch(self, object: str, source_id: str) -> Change | None: ...
    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]: ...
    def describe(self) -> Mapping[str, Sequence[str]]: ...


class Writer(Protocol):
    """The writing half of a connector."""

    def apply(self, command: Command) -> Receipt: ...
    def lookup(self, operation: str, external_key: str) -> Receipt | None: ...
    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]: ...
    def inverse(self, command: Command, receipt: Receipt) -> Command | None: ...


class TwoSided(System):
    """A connector put together from its two halves; for a system that writes one record at a time."""

    source: Reader
    target: Writer

    def changes(self, object: str, cursor: str | None) -> Page:
        """The next page of a sweep."""
        return self.source.changes(self.known(object), cursor)

    def fetch(self, object: str, source_id: str) -> Change | None:
        """The current version of one record."""
        return self.source.fetch(self.known(object), source_id)

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """Id and version of every record changed in the span."""
        return self.source.snapshot(self.known(object), since, until)

    def describe(self) -> Mapping[str, Sequence[str]]:
        """Field names by object."""
        return self.source.describe()

    def apply(self, command: Command) -> Receipt:
        """Carry out one command."""
        return self.target.apply(command)

    def apply_batch(self, operation: str, commands: Sequence[Command]) -> Sequence[BatchRow]:
        """One after the other: the system has no batch for what is written here."""
        rows = []
        for command in commands:
            try:
                rows.append(BatchRow(command.external_key, self.apply(command), None))
            except ConnectorError as error:
                rows.append(BatchRow(command.external_key, None, error))
        return rows

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The complete record under our key."""
        return self.target.lookup(operation, external_key)

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """What differs from what was sent."""
        return self.target.read_back(command, receipt)

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """The undo of a command."""
        return self.target.inverse(command, receipt)
