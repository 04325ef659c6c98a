"""JSON over HTTPS with a bearer token: sign in late, sign in again once when the token has run out, classify errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tieout.connectors.kit.errors import Expired, VendorError, classify
from tieout.connectors.kit.http import Answer, Http
from tieout.connectors.kit.interface import AuthFailed, Rejected
from tieout.connectors.kit.manifest import Manifest


@dataclass(frozen=True)
class Grant:
    """A bearer token and the host it is good for."""

    token: str
    http: Http


class RestCaller:
    """Calls of one connection. One sign-in at a time; threads share its grant."""

    def __init__(
        self, manifest: Manifest, sign_in: Callable[[], Grant], said: Callable[[Answer], VendorError],
        *, renewable: bool = True,
    ):  # fmt: skip
        self._manifest, self._sign_in, self._said, self._renewable = manifest, sign_in, said, renewable
        self._lock = threading.Lock()
        self._grant: Grant | None = None

    def read(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
        *, method: str = "GET", content: bytes | None = None,
    ) -> Answer:  # fmt: skip
        """A successful answer of a call that changes nothing."""
        return self._call(method, path, params, headers, content, write=False)

    def write(
        self, method: str, path: str, content: bytes, params: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """A successful answer of a call that changes something; `content` goes out unchanged."""
        return self._call(method, path, params, None, content, write=True)

    def _call(
        self, method: str, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None,
        content: bytes | None, *, write: bool,
    ) -> Answer:  # fmt: skip
        grant = self._current(None)
        try:
            return self._once(grant, method, path, params, headers, content, write=write)
        except Expired:
            if not self._renewable:
                raise
            return self._once(self._current(grant), method, path, params, headers, content, write=write)

    def _once(
        self, grant: Grant, method: str, path: str, params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None, content: bytes | None, *, write: bool,
    ) -> Answer:  # fmt: skip
        sent = {"Authorization": f"Bearer {grant.token}", **(headers or {})}
        if content is not None:
            sent["Content-Type"] = "application/json"
        answer = grant.http.send(method, path, write=write, headers=sent, params=params, content=content)
        if answer.ok:
            return answer
        raise self.error(answer)

    def error(self, answer: Answer) -> Exception:
        """The error class of an answer that is no success."""
        retry_after = answer.headers.get("retry-after", "")
        return classify(
            self._manifest.errors,
            answer.status,
            self._said(answer),
            write=answer.write,
            retry_after=retry_after,
        )

    def _current(self, stale: Grant | None) -> Grant:
        with self._lock:
            if self._grant is None or self._grant is stale:
                self._grant = self._sign_in()
            return self._grant


def setting(config: Mapping[str, Any], name: str) -> str:
    """A setting that a connection needs; Rejected with its name when it has none."""
    if not config.get(name):
        raise Rejected(f"the connection's config lacks {name}", "incomplete-config", name)
    return str(config[name])


def secret(secrets: Mapping[str, str], name: str) -> str:
    """A secret that a connection needs; AuthFailed with its name when it has none."""
    if not secrets.get(name):
        raise AuthFailed(f"the connection has no secret {name}", "missing-secret", name)
    return secrets[name]


def oauth_token(http: Http, path: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The token answer of an OAuth 2.0 endpoint; AuthFailed when it refuses."""
    answer = http.send(
        "POST", path, write=False, content=urlencode(form).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    if answer.ok:
        body = answer.json()
        if isinstance(body, dict) and isinstance(body.get("access_token"), str):
            return body
        raise answer.misshapen("a token answer without access_token")
    if answer.status == 429 or answer.status >= 500:
        raise classify(
            [], answer.status, VendorError(), write=False, retry_after=answer.headers.get("retry-after", "")
        )
    raise AuthFailed("the system refused to sign this connection in", _oauth_code(answer))


def _oauth_code(answer: Answer) -> str:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return str(answer.status)
    return str(body.get("error", answer.status))[:80] if isinstance(body, dict) else str(answer.status)


def loaded(answer: Answer) -> Any:
    """The JSON of an error body, or None when it is none (error bodies may be HTML)."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def text_of(value: Any) -> str:
    """A scalar of an error body as bounded text."""
    return "" if value is None else str(value)[:500]
