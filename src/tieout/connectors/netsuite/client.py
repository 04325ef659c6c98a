"""The NetSuite connector: the reading side, the writing side and the sign-in put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tieout.connectors.kit.errors import VendorError
from tieout.connectors.kit.families.rest import RestCaller, loaded, setting, text_of
from tieout.connectors.kit.http import Answer, Http, HttpOptions
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
from tieout.connectors.kit.manifest import Manifest, load_manifest
from tieout.connectors.netsuite.auth import sign_in
from tieout.connectors.netsuite.lookups import Lookups
from tieout.connectors.netsuite.report import report
from tieout.connectors.netsuite.source import NetSuiteSource
from tieout.connectors.netsuite.suiteql import SuiteQl
from tieout.connectors.netsuite.target import NetSuiteTarget

MANIFEST = load_manifest(Path(__file__).parent)


def connect(
    config: Mapping[str, Any], secrets: Mapping[str, str], options: HttpOptions | None = None
) -> NetSuite:
    """A connection. `config`: account and optional url (made from the account), ca (file), sandbox, overlap_seconds, page_size."""
    url = config.get("url") or account_url(setting(config, "account"))
    http = Http(
        str(url), hosts=list(MANIFEST.hosts), options=options or HttpOptions(),
        ca=config.get("ca"), sandbox=bool(config.get("sandbox")),
    )  # fmt: skip
    return NetSuite(http, config, secrets)


def account_url(account: str) -> str:
    """The address of an account: `1234567_SB1` is served at `1234567-sb1.…`."""
    return f"https://{account.lower().replace('_', '-')}.suitetalk.api.netsuite.com"


class NetSuite:
    """One account."""

    manifest: Manifest = MANIFEST

    def __init__(self, http: Http, config: Mapping[str, Any], secrets: Mapping[str, str]):
        caller = RestCaller(MANIFEST, lambda: sign_in(http, secrets), said)
        self._ql = SuiteQl(caller, int(config.get("page_size", MANIFEST.limits.page_size)))
        self._lookups = Lookups(self._ql)
        overlap = config.get("overlap_seconds")
        self._source = NetSuiteSource(
            self._ql,
            self._lookups,
            MANIFEST.objects,
            None if overlap is None else float(overlap),
            http.options.clock,
        )
        self._target = NetSuiteTarget(caller, MANIFEST)
        self._host = http.place.host

    def objects(self) -> Sequence[str]:
        """Entities and periods before customers, documents before payments."""
        return tuple(MANIFEST.objects)

    def changes(self, object: str, cursor: str | None) -> Page:
        """The next page of a sweep."""
        return self._source.changes(_known(object), cursor)

    def fetch(self, object: str, source_id: str) -> Change | None:
        """The current version of one record."""
        return self._source.fetch(_known(object), source_id)

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """Id and version of every record changed in the span."""
        return self._source.snapshot(_known(object), since, until)

    def apply(self, command: Command) -> Receipt:
        """Carry out one command."""
        return self._target.apply(command)

    def apply_batch(self, operation: str, commands: Sequence[Command]) -> Sequence[BatchRow]:
        """One after the other: the REST record API has no synchronous batch."""
        rows = []
        for command in commands:
            try:
                rows.append(BatchRow(command.external_key, self.apply(command), None))
            except ConnectorError as error:
                rows.append(BatchRow(command.external_key, None, error))
        return rows

    def lookup(self, operation: str, external_key: str) -> Receipt | None:
        """The record under our key."""
        return self._target.lookup(operation, external_key)

    def read_back(self, command: Command, receipt: Receipt) -> Sequence[Difference]:
        """What differs from what was sent."""
        return self._target.read_back(command, receipt)

    def inverse(self, command: Command, receipt: Receipt) -> Command | None:
        """The undo of a command."""
        return self._target.inverse(command, receipt)

    def report(self, check: str, entity: str, start: date, end: date) -> Sequence[ReportedFact]:
        """Keyed facts for a tie-out check."""
        return report(self._ql, self._lookups, check, entity, start, end)

    def reference(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """One record of NetSuite's own reference data."""
        return self._lookups.reference(kind, key)

    def describe(self) -> Mapping[str, Sequence[str]]:
        """The columns that are read and still answered, by object."""
        return self._source.describe()

    def test(self) -> str:
        """Sign in and count the subsidiaries."""
        total = self._ql.page("SELECT id FROM subsidiary ORDER BY id").total
        return f"NetSuite answered as {self._host} with {total} subsidiaries"


def said(answer: Answer) -> VendorError:
    """Code, detail and path of `{"title", "status", "o:errorDetails": [{"detail", "o:errorCode", "o:errorPath"}]}`."""
    body = loaded(answer)
    if not isinstance(body, dict):
        return VendorError()
    details = body.get("o:errorDetails")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else body
    code = text_of(first.get("o:errorCode"))
    message = text_of(first.get("detail") or body.get("title"))
    if code == "INVALID_PARAMETER" and "not found" in message.lower() and "field" in message.lower():
        code = "FIELD_NOT_FOUND"
    return VendorError(code, message, text_of(first.get("o:errorPath")))


def _known(object: str) -> str:
    if object not in MANIFEST.objects:
        raise Rejected(f"netsuite has no source object {object}", "unknown-object")
    return object
