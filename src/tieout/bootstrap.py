"""The one place that picks real parts: settings, database, connectors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tieout.store import clock
from tieout.store.database import connect, create_database, prepare
from tieout.store.postgres import EmbeddedPostgres, quick_folder

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tieout.connectors.kit.interface import Connector, WebhookReceiver

DATABASE = "tieout"
"""The name of our database on the embedded server."""

RECEIVERS = {"kantata": "KantataWebhook"}
"""Connectors that take webhooks: folder name -> class. All others have a `connect` only."""


class Misconfigured(RuntimeError):
    """A setting cannot be used; the text says which and what to do."""


@dataclass(frozen=True)
class Settings:
    """What this machine was told. `home` holds everything local; `database_url` None = the embedded server."""

    home: Path
    database_url: str | None = None
    port: int = 8000
    workspace: Path | None = None
    environment: str = "dev"

    @property
    def run_folder(self) -> Path:
        """Where the supervisor keeps `<name>.pid`."""
        return self.home / "run"

    @property
    def log_folder(self) -> Path:
        """Where children write `<name>.log`."""
        return self.home / "logs"

    @property
    def audit_folder(self) -> Path:
        """Where signed heads of the audit chain are kept, outside the database."""
        return self.home / "audit"

    @property
    def web_url(self) -> str:
        """The address of the web door."""
        return f"http://127.0.0.1:{self.port}"

    def sign_in_url(self, secret: str) -> str:
        """The address that a person opens to sign in by a link (good once, for 15 minutes)."""
        return f"{self.web_url}/sign-in/{secret}"

    def demo(self) -> Settings:
        """The same for `tieout demo`, with data of its own."""
        return replace(self, home=self.home / "demo", database_url=None)

    def as_environment(self) -> dict[str, str]:
        """The variables from which a child process reads these settings again."""
        told = {"TIEOUT_HOME": str(self.home), "PORT": str(self.port), "TIEOUT_ENVIRONMENT": self.environment}
        told["TIEOUT_DATABASE_URL"] = self.database_url or ""  # also unsets what the parent had
        if self.workspace:
            told["TIEOUT_WORKSPACE"] = str(self.workspace)
        return told


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment; TIEOUT_HOME is `~/.tieout` unless stated."""
    told = os.environ if environ is None else environ
    workspace = told.get("TIEOUT_WORKSPACE")
    try:
        port = int(told.get("PORT") or 8000)
        if not 0 < port < 65536:
            raise ValueError
    except ValueError:
        raise Misconfigured(f"PORT is {told['PORT']!r}: set it to a number from 1 to 65535.") from None
    return Settings(
        home=Path(told.get("TIEOUT_HOME") or "~/.tieout").expanduser().absolute(),
        database_url=told.get("TIEOUT_DATABASE_URL") or None,
        port=port,
        workspace=Path(workspace).expanduser().absolute() if workspace else None,
        environment=told.get("TIEOUT_ENVIRONMENT") or "dev",
    )


def settings_apart(settings: Settings, name: str) -> Settings:
    """For a command that needs a server and no installation: the one that is there, else one in a folder of its own.

    So a scenario run does not look like a set-up installation, behind which the demo would not be found any more.
    """
    if settings.database_url or embedded_server(settings).data.exists():
        return settings
    return replace(settings, home=settings.home / name)


def settings_in_use(settings: Settings) -> Settings:
    """What reading commands look at: these settings, or the demo's when nothing else was ever set up."""
    configured = settings.database_url or embedded_server(settings).data.exists()
    demo = settings.demo()
    return demo if not configured and embedded_server(demo).data.exists() else settings


# --- database ----------------------------------------------------------------------------------------


def embedded_server(settings: Settings) -> EmbeddedPostgres:
    """The server under the home folder (not started)."""
    return EmbeddedPostgres(settings.home / "postgres")


@contextmanager
def open_database_url(settings: Settings) -> Iterator[str]:
    """The address of our database; an embedded server is started when it does not run and stopped by its last user."""
    if settings.database_url:
        yield settings.database_url
        return
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = embedded_server(settings)
    try:
        yield create_database(server.start(), DATABASE)
    finally:
        server.release()


@contextmanager
def open_scratch_url(settings: Settings) -> Iterator[str]:
    """The address of a server for databases that are thrown away: the one that was stated, else one in memory."""
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedPostgres(quick_folder(settings.home / "scratch"))
    try:
        yield server.start()
    finally:
        server.release(discard=True)


@contextmanager
def open_database(settings: Settings, *, pool_size: int = 5) -> Iterator[Engine]:
    """An engine on our database, checked and with the newest schema."""
    with open_database_url(settings) as url:
        engine = connect(url, pool_size=pool_size)
        try:
            prepare(engine)
            yield engine
        finally:
            engine.dispose()


# --- connectors --------------------------------------------------------------------------------------


def connector_names() -> list[str]:
    """The folder names of the systems that can be connected."""
    folder = Path(__file__).parent / "connectors"
    return sorted(manifest.parent.name for manifest in folder.glob("*/manifest.yaml"))


def clock_of(engine: Engine) -> Callable[[], datetime]:
    """The one clock of business time as a function, for parts that have no connection of ours."""

    def moment() -> datetime:
        with engine.connect() as conn:
            return clock.now(conn)

    return moment


def open_connector(
    settings: Settings,
    system: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    moment: Callable[[], datetime],
) -> Connector:
    """A connection to one system. `config` and `secrets` (resolved) are those that its `connect` describes.

    `moment` dates what it observes (see `clock_of`). Simulators (`sandbox: true` in `config`) are reachable in the environment `dev` only.
    """
    from tieout.connectors.kit.http import HttpOptions  # commands that call nobody need no HTTP client

    connect_system = cast("Callable[..., Connector]", _connector_part(system, "connect"))
    return connect_system(config, secrets, HttpOptions(environment=settings.environment, clock=moment))


def open_connectors(
    settings: Settings,
    connections: Mapping[str, tuple[str, Mapping[str, Any]]],
    secrets_of: Callable[[str], Mapping[str, str]],
    moment: Callable[[], datetime],
) -> dict[str, Connector]:
    """Connections by name, each from its (system, config); `secrets_of(name)` resolves its secrets."""
    return {
        name: open_connector(settings, system, config, secrets_of(name), moment)
        for name, (system, config) in connections.items()
    }


@cache
def objects_of(system: str) -> frozenset[str]:
    """The objects that a system's manifest says are read; none of a system that there is no connector for."""
    from tieout.connectors.kit.manifest import load_manifest

    if system not in connector_names():
        return frozenset()
    return frozenset(load_manifest(Path(__file__).parent / "connectors" / system).objects)


def webhook_receiver(system: str, secrets: Sequence[str]) -> WebhookReceiver | None:
    """What turns a system's webhooks into hints (two secrets during a rotation); None when it sends none."""
    if system not in RECEIVERS:
        return None
    return cast("WebhookReceiver", _connector_part(system, RECEIVERS[system])(secrets))


def _connector_part(system: str, name: str) -> Any:
    if system not in connector_names():
        raise Misconfigured(f"There is no connector {system!r}: use one of {', '.join(connector_names())}.")
    return getattr(import_module(f"tieout.connectors.{system}"), name)
