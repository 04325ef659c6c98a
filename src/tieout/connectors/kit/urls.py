"""The guard on every outside address: https only, known hosts only, never a private network.

A name is resolved once; every address it has must be public; the connection is then made to the address that was
checked, so a name that answers differently the second time cannot lead anywhere else.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tieout.connectors.kit.interface import Rejected

Resolve = Callable[[str, int], Sequence[str]]

_HOST = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
_PORTS = frozenset({443, 8443})
_CARRIER_NAT = ipaddress.ip_network("100.64.0.0/10")


@dataclass(frozen=True)
class Pinned:
    """A checked place: `host` for the Host header and the certificate, `address` for the socket."""

    host: str
    port: int
    address: str
    path: str

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Every address of a name, IPv4 first (one look-up of the system's resolver)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Rejected(f"the name {host} does not resolve", code="unresolvable-host") from error
    addresses = {str(entry[4][0]).split("%")[0] for entry in found}
    return sorted(addresses, key=lambda address: (":" in address, address))


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet (not loopback, private, link-local, carrier NAT, mapped…)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    elif ip in _CARRIER_NAT:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def host_matches(host: str, patterns: Sequence[str]) -> bool:
    """Whether a host is one of the manifest's: an exact name, or `*.suffix` for names below it."""
    return any(host.endswith(p[1:]) and host != p[2:] if p.startswith("*.") else host == p for p in patterns)


def check_url(
    url: str,
    *,
    hosts: Sequence[str],
    sandbox: bool = False,
    environment: str = "production",
    resolve: Resolve = resolve_host,
) -> Pinned:
    """The pinned place of a URL, or Rejected with the reason.

    `sandbox` opens loopback addresses (and only these) on any port, and only in environment `dev`.
    """
    if sandbox and environment != "dev":
        raise Rejected("a sandbox connection is allowed only in environment dev", code="sandbox-refused")
    if not url.isascii() or any(c.isspace() or ord(c) < 32 for c in url) or "\\" in url:
        raise Rejected("the address holds characters that no address has", code="url-refused")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise Rejected("the address cannot be read", code="url-refused") from error
    host = (parts.hostname or "").lower()
    if parts.scheme != "https":
        raise Rejected("only https addresses are allowed", code="url-refused")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise Rejected("the address may hold no user, query or fragment", code="url-refused")
    _check_host(host, port, hosts, sandbox)
    addresses = list(resolve(host, port))
    if not addresses:
        raise Rejected(f"the name {host} does not resolve", code="unresolvable-host")
    for address in addresses:
        allowed = _is_loopback(address) if sandbox else is_public(address)
        if not allowed:
            raise Rejected(f"{host} leads to an address that connections may not use", code="private-address")
    return Pinned(host=host, port=port, address=addresses[0], path=parts.path.rstrip("/"))


def _check_host(host: str, port: int, hosts: Sequence[str], sandbox: bool) -> None:
    if sandbox:
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise Rejected("a sandbox connection leads to this machine only", code="url-refused")
        return
    if not _HOST.match(host) or ".." in host or re.fullmatch(r"[0-9a-fx.]+", host.rsplit(".", 1)[-1]):
        raise Rejected("the address names no proper host", code="url-refused")
    if port not in _PORTS:
        raise Rejected(f"port {port} is not allowed", code="url-refused")
    if not host_matches(host, hosts):
        raise Rejected(f"{host} is not a host of this system", code="url-refused")
