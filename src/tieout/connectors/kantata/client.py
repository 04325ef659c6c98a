"""The Kantata connector: the reading side, the writing side and the sign-in put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tieout.connectors.kantata.api import KantataApi, said
from tieout.connectors.kantata.source import KantataSource
from tieout.connectors.kantata.target import KantataTarget
from tieout.connectors.kantata.webhook import KantataWebhook
from tieout.connectors.kit.base import TwoSided, open_http
from tieout.connectors.kit.families.rest import Grant, RestCaller, secret, setting
from tieout.connectors.kit.http import Http, HttpOptions
from tieout.connectors.kit.interface import Hint
from tieout.connectors.kit.manifest import load_manifest

MANIFEST = load_manifest(Path(__file__).parent)


def connect(
    config: Mapping[str, Any], secrets: Mapping[str, str], options: HttpOptions | None = None
) -> Kantata:
    """A connection. `config`: url, optional ca (file), sandbox, overlap_seconds, page_size; the webhook may have two secrets."""
    return Kantata(open_http(MANIFEST, setting(config, "url"), config, options), config, secrets)


class Kantata(TwoSided):
    """One account."""

    manifest = MANIFEST

    def __init__(self, http: Http, config: Mapping[str, Any], secrets: Mapping[str, str]):
        super().__init__(config)
        caller = RestCaller(MANIFEST, lambda: Grant(secret(secrets, "token"), http), said, renewable=False)
        self._host, self._api = http.place.host, KantataApi(caller, self.page_size)
        self.source = KantataSource(self._api, MANIFEST.objects, self.overlap_seconds, http.options.clock)
        self.target = KantataTarget(self._api)
        self._webhook = KantataWebhook(
            [secrets.get("webhook_secret", ""), secrets.get("webhook_secret_previous", "")]
        )

    def test(self) -> str:
        """One harmless call."""
        self._api.page("users", {"per_page": "1"})
        return f"Kantata answered as {self._host}"

    def hints(self, secret: str, headers: Mapping[str, str], body: bytes) -> Sequence[Hint]:
        """What a webhook request says."""
        return self._webhook.hints(secret, headers, body)
