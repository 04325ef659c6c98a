"""The client over real TLS: pinned address, own authority, the name in the certificate."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tieout.connectors.kit.http import Http, HttpOptions
from tieout.connectors.kit.interface import AuthFailed, Retryable, UnknownOutcome


class Server(BaseHTTPRequestHandler):
    """Answers with what it was asked; a POST to /cut is read and then cut off; /short promises more than it sends."""

    protocol_version = "HTTP/1.1"
    hosts: list[str]

    def do_GET(self) -> None:
        type(self).hosts.append(self.headers["Host"])
        self._send(b'{"ok": true}', 100 if self.path == "/short" else 12)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True
        if self.path != "/cut":
            self._send(b'{"ok": true}', 12)

    def _send(self, body: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        if length != len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A server on 127.0.0.1 with a certificate for localhost; its port and its authority's file."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = _self_signed()
    (folder / "ca.pem").write_bytes(certificate)
    (folder / "both.pem").write_bytes(key + certificate)
    Server.hosts = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield httpd.server_address[1], folder / "ca.pem"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def client(port: int, ca: Path | None, host: str = "localhost") -> Http:
    options = HttpOptions(environment="dev", read_seconds=5, resolve=lambda h, p: ["127.0.0.1"])
    return Http(f"https://{host}:{port}", hosts=[], options=options, ca=str(ca) if ca else None, sandbox=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_known_authority_is_trusted(server: tuple[int, Path], host: str) -> None:
    """The socket goes to the address, name and Host header are those of the URL."""
    port, ca = server
    http = client(port, ca, host)
    assert http.send("GET", "/x", write=False).json() == {"ok": True}
    assert Server.hosts[-1] == f"{host}:{port}"
    http.close()


def test_an_unknown_authority_is_not(server: tuple[int, Path]) -> None:
    """Without the file nothing is sent, and a person must look: repeating does not help."""
    seen = len(Server.hosts)
    with pytest.raises(AuthFailed, match="certificate"):
        client(server[0], None).send("GET", "/x", write=False)
    assert len(Server.hosts) == seen


def test_a_cut_connection_after_a_write_is_unknown(server: tuple[int, Path]) -> None:
    """The server read the whole request and went away."""
    http = client(*server)
    assert http.send("POST", "/x", write=True, content=b"{}").ok
    with pytest.raises(UnknownOutcome):
        http.send("POST", "/cut", write=True, content=b"{}")


def test_an_answer_that_breaks_off_is_no_answer(server: tuple[int, Path]) -> None:
    """Fewer bytes than were promised."""
    with pytest.raises(Retryable):
        client(*server).send("GET", "/short", write=False)


def test_nobody_listening_is_retryable_also_for_a_write(server: tuple[int, Path]) -> None:
    """Nothing was sent."""
    with pytest.raises(Retryable):
        client(1, server[1]).send("POST", "/x", write=True, content=b"{}")


def _self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
