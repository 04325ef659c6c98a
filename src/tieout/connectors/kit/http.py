"""One HTTPS client for every connector: pinned address, own authority, no redirects, bounded answers.

Its one judgement: a failure before anything was sent is Retryable; after a write was sent it is UnknownOutcome.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tieout.connectors.kit.interface import AuthFailed, Drift, Rejected, Retryable, UnknownOutcome
from tieout.connectors.kit.jsontext import Unreadable, parse, parse_object
from tieout.connectors.kit.urls import Pinned, Resolve, check_url, resolve_host

_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def utc_now() -> datetime:
    """The real moment, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class HttpOptions:
    """How a connection may behave; `environment` and `clock` (the moment facts count as observed) come from outside."""

    environment: str = "production"
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    max_bytes: int = 64 * 1024 * 1024
    clock: Callable[[], datetime] = utc_now
    resolve: Resolve = resolve_host
    transport: httpx.BaseTransport | None = None


@dataclass(frozen=True)
class Answer:
    """A whole answer: status, headers (lower-case names), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    write: bool = field(default=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The JSON value; an unreadable one proves nothing about a write and is a passing failure of a read."""
        try:
            return parse(self.body)
        except Unreadable as error:
            raise self.unreadable() from error

    def json_object(self, *split: str) -> dict[str, Any]:
        """The JSON object, members named in `split` as lists of Element."""
        try:
            return parse_object(self.body, split)
        except Unreadable as error:
            raise self.unreadable() from error

    def unreadable(self) -> Retryable | UnknownOutcome:
        """The error of an answer that is not the JSON it should be (an HTML page, a body that breaks off)."""
        kind = UnknownOutcome if self.write else Retryable
        return kind(
            f"status {self.status} came with a body that is not the expected JSON", "unreadable-answer"
        )

    def misshapen(self, what: str) -> Drift | UnknownOutcome:
        """The error of readable JSON without the members it must have."""
        kind = UnknownOutcome if self.write else Drift
        return kind(f"the answer has not the expected shape: {what}", "unexpected-shape")


class Http:
    """Requests to one checked host. Thread-safe."""

    def __init__(
        self,
        url: str,
        *,
        hosts: list[str],
        options: HttpOptions,
        ca: str | None = None,
        sandbox: bool = False,
    ):
        self.place: Pinned = check_url(
            url, hosts=hosts, sandbox=sandbox, environment=options.environment, resolve=options.resolve
        )
        self.options = options
        self._settings = {"hosts": hosts, "options": options, "ca": ca, "sandbox": sandbox}
        timeout = httpx.Timeout(options.read_seconds, connect=options.connect_seconds)
        self._client = httpx.Client(
            verify=_authority(ca), timeout=timeout, follow_redirects=False, trust_env=False,
            transport=options.transport, limits=httpx.Limits(max_connections=20, keepalive_expiry=30),
        )  # fmt: skip

    def at(self, url: str) -> Http:
        """The same settings for another host of the vendor; itself when the host is the same."""
        if url.rstrip("/") == f"https://{self.place.authority}":
            return self
        return Http(url, **self._settings)  # type: ignore[arg-type]

    def send(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """One request, never repeated here. `path` begins with `/` and stays on the checked host."""
        if not path.startswith("/") or path.startswith("//"):
            raise Rejected("a request path must begin with one slash", code="url-refused")
        place = self.place
        try:
            target = httpx.URL(f"https://placeholder{place.path}{path}").copy_with(
                host=place.address, port=place.port
            )
            if params:
                target = target.copy_merge_params(dict(params))
            request = self._client.build_request(
                method, target, content=content, extensions={"sni_hostname": place.host, **self._timeouts()},
                headers={"Host": place.authority, "Accept": "application/json", **(headers or {})},
            )  # fmt: skip
        except (httpx.InvalidURL, ValueError) as error:
            raise Rejected("the request cannot be formed from these values", code="url-refused") from error
        try:
            with closing(self._client.send(request, stream=True)) as response:
                return Answer(response.status_code, _headers(response), self._body(response, write), write)
        except _NOTHING_SENT as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(
                error
            ):
                raise AuthFailed(f"the certificate of {place.host} is not trusted", "certificate") from error
            raise Retryable(f"no connection to {place.host}", type(error).__name__) from error
        except httpx.HTTPError as error:
            kind = UnknownOutcome if write else Retryable
            raise kind(f"{place.host} gave no complete answer", type(error).__name__) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _timeouts(self) -> dict[str, Any]:
        read, connect = self.options.read_seconds, self.options.connect_seconds
        return {"timeout": {"connect": connect, "read": read, "write": read, "pool": connect}}

    def _body(self, response: httpx.Response, write: bool) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self.options.max_bytes:
                kind = UnknownOutcome if write else Drift
                raise kind(f"the answer is larger than {self.options.max_bytes} bytes", "oversized-answer")
            parts.append(part)
        return b"".join(parts)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _authority(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise Rejected(f"the certificate authority file {ca} cannot be read", code="ca-unreadable") from error
