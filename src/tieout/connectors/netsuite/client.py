"""The NetSuite connector: the reading side, the writing side and the sign-in put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tieout.connectors.kit.base import TwoSided, open_http
from tieout.connectors.kit.errors import VendorError
from tieout.connectors.kit.families.rest import RestCaller, loaded, setting, text_of
from tieout.connectors.kit.http import Answer, Http, HttpOptions
from tieout.connectors.kit.interface import ReportedFact
from tieout.connectors.kit.manifest import load_manifest
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
    url = str(config.get("url") or account_url(setting(config, "account")))
    return NetSuite(open_http(MANIFEST, url, config, options), config, secrets)


def account_url(account: str) -> str:
    """The address of an account: `1234567_SB1` is served at `1234567-sb1.…`."""
    return f"https://{account.lower().replace('_', '-')}.suitetalk.api.netsuite.com"


class NetSuite(TwoSided):
    """One account."""

    manifest = MANIFEST

    def __init__(self, http: Http, config: Mapping[str, Any], secrets: Mapping[str, str]):
        super().__init__(config)
        caller = RestCaller(MANIFEST, lambda: sign_in(http, secrets), said)
        self._ql = SuiteQl(caller, self.page_size)
        self._lookups = Lookups(self._ql, caller, http.options.clock)
        self.source = NetSuiteSource(
            self._ql, self._lookups, MANIFEST.objects, self.overlap_seconds, http.options.clock
        )
        self.target = NetSuiteTarget(caller, MANIFEST)
        self._host = http.place.host

    def report(self, check: str, entity: str, start: date, end: date) -> Sequence[ReportedFact]:
        """Keyed facts for a tie-out check."""
        return report(self._ql, self._lookups, check, entity, start, end)

    def reference(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """One record of NetSuite's own reference data."""
        return self._lookups.reference(kind, key)

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
