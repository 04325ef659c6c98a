"""No connection leads anywhere but to the vendor's public hosts (or, for a sandbox in dev, to this machine)."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from tieout.connectors.kit.http import Http, HttpOptions
from tieout.connectors.kit.interface import Rejected, Retryable
from tieout.connectors.kit.urls import check_url, is_public

HOSTS = ["*.vendor.example", "api.vendor.example"]
PUBLIC = "93.184.215.14"

REFUSED = [
    "http://api.vendor.example", "ftp://api.vendor.example", "//api.vendor.example", "api.vendor.example", "",
    "https://", "https:///x", "https://vendor.example", "https://evil.example", "https://api.vendor.example.evil.io",
    "https://evilvendor.example", "https://api.vendor.example@evil.io", "https://evil.io@api.vendor.example",
    "https://user:pw@api.vendor.example", "https://@api.vendor.example", "https://api.vendor.example#@evil.io",
    "https://api.vendor.example?x=1", "https://api.vendor.example?", "https://api.vendor.example#",
    "https://api.vendor.example\\@evil.io", "https://api.vendor.example\t", "https://api.vendor.example\r\nHost: x",
    "https://api.vendor.example:22", "https://api.vendor.example:99999", "https://api.vendor.example:x",
    "https://api.vendor.example.", "https://.api.vendor.example", "https://a..vendor.example",
    "https://-api.vendor.example", "https://127.0.0.1", "https://2130706433", "https://0x7f000001",
    "https://0177.0.0.1", "https://127.1", "https://[::1]", "https://[::ffff:7f00:1]", "https://[::ffff:127.0.0.1]",
    "https://169.254.169.254", "https://10.0.0.1", "https://192.168.1.1", "https://172.16.0.1", "https://100.64.0.1",
    "https://0.0.0.0", "https://[fc00::1]", "https://[fe80::1%25eth0]", "https://localhost", "https://metadata",
    "https://127.0.0.1.nip.io", "https://①②⑦.0.0.1", "https://api。vendor.example", "https://api.vendor.ex\u0430mple",
    "https://[::1", "https://api.vendor.example/\u202e", "https://api%2evendor.example", "https://api_x.vendor.example",
]  # fmt: skip

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
    "169.254.169.254", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fc00::1", "fd12::1", "fe80::1", "ff02::1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2001:db8::1", "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_a_bad_address_is_refused_before_a_socket_is_opened(url: str) -> None:
    """Nothing is resolved to something useful and nothing is connected."""
    with pytest.raises(Rejected):
        Http(url, hosts=HOSTS, options=HttpOptions(resolve=lambda h, p: [PUBLIC], transport=_never()))


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_whoever_names_it(address: str) -> None:
    """Also when one public address stands beside it."""
    assert not is_public(address)
    for answer in ([address], [PUBLIC, address]):
        with pytest.raises(Rejected):
            check_url("https://api.vendor.example", hosts=HOSTS, resolve=lambda h, p, a=answer: a)


@pytest.mark.parametrize("url", ["https://api.vendor.example", "https://a.b.vendor.example:8443/base/"])
def test_a_public_host_of_the_vendor_is_accepted(url: str) -> None:
    """And pinned to the address that was checked."""
    place = check_url(url, hosts=HOSTS, resolve=lambda h, p: [PUBLIC])
    assert place.address == PUBLIC
    assert not place.path.endswith("/")


def test_a_name_is_resolved_once() -> None:
    """A name that answers with a private address the second time never gets a second time."""
    answers = [[PUBLIC], ["127.0.0.1"]]
    seen: list[httpx.Request] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    options = HttpOptions(resolve=resolve, transport=httpx.MockTransport(handle))
    http = Http("https://api.vendor.example", hosts=HOSTS, options=options)
    for _ in range(3):
        http.send("GET", "/x", write=False)
    assert {r.url.host for r in seen} == {PUBLIC}
    assert {r.headers["host"] for r in seen} == {"api.vendor.example"}
    assert {r.extensions["sni_hostname"] for r in seen} == {"api.vendor.example"}
    assert len(answers) == 1


def test_a_sandbox_leads_to_this_machine_and_only_in_dev() -> None:
    """Loopback on any port in dev; nothing else, and nowhere else."""
    local = {"hosts": HOSTS, "sandbox": True, "environment": "dev"}
    assert check_url("https://localhost:9999", **local, resolve=lambda h, p: ["127.0.0.1"]).port == 9999  # type: ignore[arg-type]
    for url, answer in [("https://localhost:1", PUBLIC), ("https://api.vendor.example", "127.0.0.1")]:
        with pytest.raises(Rejected):
            check_url(url, **local, resolve=lambda h, p, a=answer: [a])  # type: ignore[arg-type]
    with pytest.raises(Rejected):
        check_url("https://localhost:1", hosts=HOSTS, sandbox=True, resolve=lambda h, p: ["127.0.0.1"])


def test_a_redirect_is_not_followed() -> None:
    """Wherever it points: the token stays here."""
    calls: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.host)
        return httpx.Response(302, headers={"Location": "https://169.254.169.254/latest/meta-data"})

    options = HttpOptions(resolve=lambda h, p: [PUBLIC], transport=httpx.MockTransport(handle))
    answer = Http("https://api.vendor.example", hosts=HOSTS, options=options).send("GET", "/x", write=False)
    assert answer.status == 302
    assert calls == [PUBLIC]


@pytest.mark.parametrize("path", ["//evil.io/x", "https://evil.io", "x", ""])
def test_a_path_stays_on_its_host(path: str) -> None:
    """What a vendor gives as the next page is a path, never another place."""
    options = HttpOptions(resolve=lambda h, p: [PUBLIC], transport=_never())
    with pytest.raises(Rejected):
        Http("https://api.vendor.example", hosts=HOSTS, options=options).send("GET", path, write=False)


def test_a_name_without_an_address_is_told() -> None:
    """In our words, without an exception of the resolver."""
    options = HttpOptions(resolve=lambda h, p: [], transport=_never())
    with pytest.raises((Rejected, Retryable)):
        Http("https://api.vendor.example", hosts=HOSTS, options=options)


def _never() -> httpx.BaseTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"a request left for {request.url}")

    return httpx.MockTransport(handle)
