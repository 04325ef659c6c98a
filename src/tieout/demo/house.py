"""The processes of the demo: Postgres, sandbox, web door and workers under one supervisor, on a home of their own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from tieout import workspace
from tieout.bootstrap import Misconfigured, Settings, open_database
from tieout.demo.order import Order
from tieout.demo.outside import Outside
from tieout.demo.script import OPENING
from tieout.flows.environment import Environment
from tieout.flows.intake import schedule_reads
from tieout.hub.actors import SYSTEM
from tieout.processes import (
    Program,
    Supervisor,
    clear_home,
    refuse_taken_port,
    tieout_program,
    web_program,
    worker_programs,
)
from tieout.store import clock

WORKERS = 2
PATIENCE_SECONDS = 60.0
SYSTEMS = ("salesforce", "kantata", "netsuite")


def clear(settings: Settings) -> None:
    """Replace what an earlier run left; refused while a demo runs on this home."""
    if settings.home.exists():
        clear_home(settings)


def workspace_folder() -> Path:
    """The firm's workspace: of the repository, else as it was installed with the package."""
    repository = Path(__file__).resolve().parents[3]
    for folder in (repository, Path(sys.prefix) / "share" / "tieout"):
        if (folder / "examples" / "meridian" / "tieout.yaml").is_file():
            return folder / "examples" / "meridian"
    raise Misconfigured("The demo's workspace examples/meridian is missing: install Tieout again.")


class House:
    """The running demo. `wait(seconds)` is how its callers let time pass; it raises when the demo is to stop."""

    def __init__(self, settings: Settings, order: Order, wait: Callable[[float], None]) -> None:
        self.settings, self.order, self.wait = settings, order, wait
        self.outside = Outside(settings.home / "sandbox", wait)

    @contextmanager
    def running(self) -> Iterator[Engine]:
        """Everything up, watched by a thread of its own; our database, migrated, with the clock set."""
        with Supervisor(self.settings) as supervisor:
            refuse_taken_port(self.settings.port)
            supervisor.add(self._sandbox())
            with open_database(self.settings) as engine:
                self._set_clock(engine)
                supervisor.add(web_program(self.settings), *worker_programs(self.settings, WORKERS))
                over = threading.Event()
                watch = threading.Thread(target=supervisor.run, args=(over.wait,), name="watch", daemon=True)
                watch.start()
                try:
                    yield engine
                finally:
                    self.outside.close()
                    over.set()
                    watch.join()

    def _sandbox(self) -> Program:
        size = self.order.size
        return tieout_program(
            self.settings, "sandbox", "sandbox", "--seed", str(self.order.seed), "--workers", str(size.workers),
            "--months", str(size.months),
        )  # fmt: skip

    def _set_clock(self, engine: Engine) -> None:
        with engine.begin() as conn:
            if clock.injected(conn) is None:
                clock.set_now(conn, OPENING)

    def connect(self, engine: Engine) -> None:
        """Apply the firm's workspace with the sandbox's sign-ins, and have its webhooks come to our door."""
        self.outside.wait_until_it_answers(PATIENCE_SECONDS)
        told = self.outside.credentials
        folder = self.settings.home / "secrets"
        write_secrets(folder, told)
        environ = {
            "TIEOUT_SANDBOX_URL": told["url"], "TIEOUT_SANDBOX_CA": told["ca"],
            "TIEOUT_SANDBOX_NETSUITE_ACCOUNT": told["netsuite"]["config"]["account"],
            "TIEOUT_SANDBOX_SECRETS": str(folder),
        }  # fmt: skip
        with engine.begin() as conn:
            workspace.apply(conn, workspace_folder(), SYSTEM, "dev", environ)
        secret = told["kantata"]["secrets"]["webhook_secret"]
        self.outside.register_webhook("kantata", f"{self.settings.web_url}/v1/ingest/kantata/{secret}")
        schedule_reads(Environment(engine, self.settings))


def write_secrets(folder: Path, told: Mapping[str, Any]) -> None:
    """One private file for each secret of each system."""
    for system in SYSTEMS:
        place = folder / system
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, value in told[system]["secrets"].items():
            write_private(place / name, value)


def write_private(file: Path, text: str) -> None:
    """A file that only its owner can read, whole or not at all."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(file)
