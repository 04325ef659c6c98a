"""The sandbox process: three simulated vendors behind one HTTPS port on 127.0.0.1, on their vendors' real paths."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import create_engine, make_url

from tieout.sandbox.authority import make_certificates, make_private_key, write_private
from tieout.sandbox.control import PREFIX, Advance, Control
from tieout.sandbox.simulators.common import Answer, Call, Simulator
from tieout.sandbox.simulators.kantata import Kantata
from tieout.sandbox.simulators.netsuite import NetSuite
from tieout.sandbox.simulators.salesforce import Salesforce
from tieout.sandbox.world import World

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
LARGEST_BODY = 16 * 1024 * 1024
THREADS = 16
PLACES = (
    ("/services/rest", "netsuite"),
    ("/services/", "salesforce"),
    ("/api/v1", "kantata"),
    ("/oauth", "kantata"),
)


def run(own_url: str, folder: Path, port: int, seed: int, workers: int, months: int) -> None:
    """Serve until the process is told to stop. `folder/credentials.json` is written when the port listens."""
    from tieout.sandbox.firm.generation import generate
    from tieout.sandbox.firm.timeline import Timeline

    world = open_world(own_url)
    firm = generate(seed, workers, months)
    timeline = Timeline(firm)
    if not world.all("netsuite", "subsidiary"):
        timeline.advance(world, firm.actions[0].moment)
    gc.freeze()  # the firm stays as it is: the collector need not look through it again and again
    Sandbox(world, folder, port, lambda to: timeline.advance(world, to)).serve()


def open_world(own_url: str) -> World:
    """The world in a database of the sandbox's own."""
    url = make_url(own_url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
    return World(create_engine(url, pool_size=THREADS, max_overflow=THREADS))


class Sandbox:
    """One server. `serve` blocks; `start` and `stop` run it in a thread."""

    def __init__(self, world: World, folder: Path, port: int = 0, advance: Advance | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.world, self._folder = world, folder
        self._ca, self._certificate, self._key = make_certificates(folder)
        self._socket, known = self._bind(port), _known(folder)
        self.port = self._socket.getsockname()[1]
        self.url = f"https://{HOST}:{self.port}"
        self.credentials = _credentials(self.url, self._ca, known)
        self.simulators: dict[str, Simulator] = {
            "salesforce": Salesforce(world, self.credentials["salesforce"]["secrets"]),
            "kantata": Kantata(world, self.credentials["kantata"]["secrets"]),
            "netsuite": NetSuite(world, self.credentials["netsuite"]["secrets"]),
        }
        self._control = Control(world, self.credentials["control_token"], advance or self._set_clock)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sandbox")
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def serve(self) -> None:
        """Listen, say how to sign in, answer."""
        config = uvicorn.Config(
            self._app, ssl_keyfile=self._key, ssl_certfile=self._certificate, log_level="critical", interface="asgi3", access_log=False,
            lifespan="off", proxy_headers=False, server_header=False, timeout_keep_alive=60,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._socket.listen(128)
        text = json.dumps(self.credentials, indent=2)
        write_private(self._folder / "credentials.json", text.encode())
        log.info("the sandbox answers at %s", self.url)
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve in a thread; returns when the server takes calls."""
        self._thread = threading.Thread(target=self.serve, name="sandbox-server", daemon=True)
        self._thread.start()
        while self._server is None or not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        """End what `start` began."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
        self._pool.shutdown(wait=False)

    def handle(self, call: Call) -> Answer:
        """One request to whichever part it belongs to."""
        if call.path.startswith(PREFIX):
            answer = self._control.handle(call)
            self._apply_late()
            return answer
        self._apply_late()
        name = next((name for prefix, name in PLACES if call.path.startswith(prefix)), "")
        if not name:
            return Answer(404)
        answer = self.simulators[name].handle(call)
        self.world.record_call(name, call.method, call.path, 0 if answer.drop else answer.status)
        return answer

    def _apply_late(self) -> None:
        for late in self.world.take_late():
            self.simulators[late["system"]].apply_late(late["method"], late["path"], bytes(late["body"]))

    def _set_clock(self, to: datetime) -> int:
        self.world.set_now(to)
        return 0

    def _bind(self, port: int) -> socket.socket:
        """The port asked for, else the one of last time when it is free, else any."""
        last = _known(self._folder).get("url", "").rpartition(":")[2]
        for wanted in [port] if port else [int(last) if last.isdigit() else 0, 0]:
            bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind((HOST, wanted))
                return bound
            except OSError:
                bound.close()
                if port:
                    raise
        raise OSError("no free port")

    # --- the web server's side ------------------------------------------------------------------------

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, whole = await _read(receive)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        call = Call(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._pool, self.handle, call) if whole else Answer(413)
        except Exception:
            log.exception("a simulator broke at %s %s", call.method, call.path)
            answer = Answer(500, b"the simulator itself broke")
        await _send(answer, send)


async def _read(receive: Any) -> tuple[bytes, bool]:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return b"", False
        if not message.get("more_body") or message["type"] != "http.request":
            return bytes(body), True


async def _send(answer: Answer, send: Any) -> None:
    if answer.hold_seconds:
        await asyncio.sleep(answer.hold_seconds)
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answer.headers.items()
    ]
    if answer.drop:
        promised = (b"content-length", b"64")
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, promised]})
        return  # the web server closes a connection whose answer was not completed
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    with suppress(RuntimeError):
        await send({"type": "http.response.body", "body": b"" if answer.status == 204 else answer.body})


# --- sign-ins -------------------------------------------------------------------------------------------


def _known(folder: Path) -> dict[str, Any]:
    try:
        known = json.loads((folder / "credentials.json").read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _credentials(url: str, ca: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Config and secrets of each connection as its connector takes them; secrets stay those of the last start."""
    config = {"url": url, "ca": str(ca), "sandbox": True}

    def kept(system: str, **secret: str) -> dict[str, str]:
        return secret | known.get(system, {}).get("secrets", {})

    return {
        "url": url, "ca": str(ca), "control_token": known.get("control_token") or secrets.token_urlsafe(24),
        "salesforce": {
            "config": config,
            "secrets": kept("salesforce", client_id="3MVG9sandbox", client_secret=secrets.token_urlsafe(24)),
        },
        "kantata": {
            "config": config,
            "secrets": kept("kantata", token=secrets.token_urlsafe(24), webhook_secret=secrets.token_urlsafe(24)),
        },
        "netsuite": {
            "config": {**config, "account": "TSTDRV1000001_SB1"},
            "secrets": kept(
                "netsuite", client_id=secrets.token_hex(16), certificate_id=secrets.token_urlsafe(16),
                private_key_pem=make_private_key(),
            ),
        },
    }  # fmt: skip
