"""What a failed call proves: nothing was sent, or nobody knows."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest

from tieout.connectors.kit.http import Http, HttpOptions
from tieout.connectors.kit.interface import ConnectorError, Drift, Rejected, Retryable, UnknownOutcome

NOTHING_SENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout]
SENT = [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError,
        httpx.DecodingError]  # fmt: skip


def call(handler: object, *, write: bool, max_bytes: int = 1000) -> object:
    options = HttpOptions(
        transport=httpx.MockTransport(handler),  # type: ignore[arg-type]
        resolve=lambda h, p: ["93.184.215.14"], max_bytes=max_bytes,
    )  # fmt: skip
    http = Http("https://api.vendor.example", hosts=["api.vendor.example"], options=options)
    return http.send("PUT" if write else "GET", "/x", write=write, content=b"{}" if write else None)


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("failure", NOTHING_SENT)
def test_before_anything_was_sent_a_call_may_be_repeated(failure: type[httpx.HTTPError], write: bool) -> None:
    """Reads and writes alike."""
    with pytest.raises(Retryable):
        call(_raising(failure), write=write)


@pytest.mark.parametrize("failure", SENT)
def test_after_it_was_sent_a_write_is_unknown_and_a_read_is_not(failure: type[httpx.HTTPError]) -> None:
    """The write may have been applied."""
    with pytest.raises(UnknownOutcome):
        call(_raising(failure), write=True)
    with pytest.raises(Retryable):
        call(_raising(failure), write=False)


def test_an_answer_is_bounded_also_after_unpacking() -> None:
    """A small packed body that unpacks to a large one stops at the bound."""
    packed = gzip.compress(b"0" * 5000)

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=packed, headers={"Content-Encoding": "gzip"})

    assert len(packed) < 1000
    with pytest.raises(Drift):
        call(handle, write=False)
    with pytest.raises(UnknownOutcome):
        call(handle, write=True)


def test_an_endless_answer_is_cut_off() -> None:
    """Reading stops at the bound, it does not wait for the end."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 100

    with pytest.raises(Drift):
        call(lambda request: httpx.Response(200, content=endless()), write=False)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00b", "\udcff"])
def test_header_and_path_injection_is_refused(value: str) -> None:
    """Line breaks and bad text never reach the wire."""
    options = HttpOptions(
        transport=httpx.MockTransport(lambda r: httpx.Response(200)), resolve=lambda h, p: ["93.184.215.14"]
    )
    http = Http("https://api.vendor.example", hosts=["api.vendor.example"], options=options)
    with pytest.raises(ConnectorError):
        http.send("GET", f"/{value}", write=False)


def test_a_missing_authority_file_is_told() -> None:
    """With the file's name."""
    options = HttpOptions(resolve=lambda h, p: ["93.184.215.14"])
    with pytest.raises(Rejected, match="authority"):
        Http("https://api.vendor.example", hosts=["api.vendor.example"], options=options, ca="nowhere.pem")


def _raising(failure: type[httpx.HTTPError]) -> object:
    def handle(request: httpx.Request) -> httpx.Response:
        raise failure("broken")

    return handle
