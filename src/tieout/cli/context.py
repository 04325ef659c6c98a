"""What commands share: the settings in use and an open database."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tieout.bootstrap import (
    Misconfigured,
    Settings,
    embedded_server,
    open_database,
    read_settings,
    settings_in_use,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextmanager
def existing_database() -> Iterator[Engine]:
    """The database that was set up here, or the demo's; started for the call when it does not run."""
    settings = settings_in_use(read_settings())
    if not settings.database_url and not embedded_server(settings).data.exists():
        raise Misconfigured(
            f"Nothing is set up in {settings.home}. Run: tieout demo (a simulated firm) or tieout up (your own), "
            "or set TIEOUT_DATABASE_URL."
        )
    with open_database(settings) as engine:
        yield engine


@contextmanager
def stop_signals() -> Iterator[Callable[[float], bool]]:
    """SIGINT and SIGTERM end a long-running command in order; gives `wait(seconds) -> asked to stop`."""
    asked = threading.Event()

    def ask(*_: Any) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.wait
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM leaves every `with` inside and ends the command with 0; while it is leaving, another changes nothing.

    uvicorn stops at the signal and then raises it once more: with the handler of the system the process would end there,
    and the database that was started for it would go on.
    """

    def end(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = ["Settings", "ended_in_order", "existing_database", "read_settings", "stop_signals"]
