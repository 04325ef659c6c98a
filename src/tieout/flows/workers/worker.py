"""One worker process: its slot, the engine, and the loops beside it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tieout.bootstrap import Misconfigured, Settings, open_database
from tieout.flows.durable import flows
from tieout.flows.environment import Environment
from tieout.flows.workers.dispatcher import Dispatcher
from tieout.flows.workers.engine import Engine as DurableEngine
from tieout.flows.workers.pace import Pace
from tieout.flows.workers.sweeper import Sweeper
from tieout.store import leases

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
WAIT_FOR_SLOT_SECONDS = 5.0
"""How long a killed predecessor's session may linger before its slot counts as taken."""
DRAIN_SECONDS = 5
"""What running flows have to end after a stop signal; the supervisor kills after ten."""
POOL = 12


class SlotTaken(Misconfigured):
    """Another process works on this slot."""


class Lease:
    """Holds a worker's slot with a session of its own, and the installation's chores when they are free."""

    def __init__(self, engine: Engine, slot: int) -> None:
        self._engine = engine
        self._slot = slot
        self._conn: Connection | None = None
        self._chores = False

    def acquire(self) -> None:
        """Take the slot, or refuse when another process keeps it."""
        deadline = time.monotonic() + WAIT_FOR_SLOT_SECONDS
        self._conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        while not leases.take_slot(self._conn, self._slot):
            if time.monotonic() > deadline:
                self.release()
                raise SlotTaken(
                    f"Worker slot {self._slot} is taken: another worker runs on it. Choose another with --slot."
                )
            time.sleep(0.1)

    def keep(self) -> bool:
        """Make sure the slot is still ours (a restarted server forgets it); true when the chores are ours too."""
        try:
            if self._conn is None:
                self.acquire()
            assert_held = self._conn
            if assert_held is None or not leases.is_alive(assert_held):
                return False
            self._chores = self._chores or leases.take_chores(assert_held)
            return self._chores
        except DBAPIError:
            self.release()
            return False

    def release(self) -> None:
        """Give everything up."""
        conn, self._conn, self._chores = self._conn, None, False
        if conn is not None:
            with suppress(DBAPIError):
                conn.invalidate()
                conn.close()


class Worker:
    """Runs flows until it is told to stop."""

    def __init__(self, settings: Settings, slot: int) -> None:
        self._settings = settings
        self._slot = slot
        self._stop = threading.Event()

    def run(self) -> None:
        """Work until SIGINT or SIGTERM; running flows get a few seconds to end, the rest goes on elsewhere."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        with open_database(self._settings, pool_size=POOL) as database:
            lease = Lease(database, self._slot)
            lease.acquire()
            environment = Environment(database, self._settings)
            flows()
            gc.freeze()  # what was loaded stays: the collector need not look through it again and again
            engine = DurableEngine(environment, f"worker-{self._slot}")
            engine.launch()
            dispatcher, pace = Dispatcher(environment, engine), Pace()
            handing_out = threading.Thread(
                target=self._loop,
                args=("dispatcher", lambda: _hand_out(dispatcher, engine, pace), 0.0),
                daemon=True,
            )
            handing_out.start()
            log.info("worker %s works", self._slot)
            sweeper = Sweeper(environment, engine, self._slot)
            try:
                self._loop("sweeper", lambda: _sweep(lease, engine, sweeper), SWEEP_SECONDS)
            except SlotTaken as taken:
                log.error("%s This one ends at once.", taken)
                os._exit(3)  # its threads must not go on beside those of the slot's new holder
            handing_out.join(1.0)
            engine.drain(DRAIN_SECONDS)
            lease.release()
            logging.shutdown()
        os._exit(0)  # a thread that hangs in a call to the outside must not keep the slot's process

    def _ask_to_stop(self, *_: Any) -> None:
        self._stop.set()

    def _loop(self, name: str, tick: Callable[[], Any], seconds: float) -> None:
        """Call `tick` until told to stop; a failure is logged and waited out, never fatal."""
        pause = seconds
        while not self._stop.wait(pause):
            try:
                tick()
                pause = seconds
            except SlotTaken:
                raise
            except Exception as error:
                log.warning("%s: %s: %s", name, type(error).__name__, error)
                pause = 0.5


def _hand_out(dispatcher: Dispatcher, engine: DurableEngine, pace: Pace) -> None:
    """Begin what is due, then wait: for the next look, or until a run ends."""
    if dispatcher.tick():
        pace.work_found()
    engine.wait(pace.seconds)


def _sweep(lease: Lease, engine: DurableEngine, sweeper: Sweeper) -> None:
    chores = lease.keep()
    begun = engine.begun()
    if orphans := engine.orphans(begun):
        log.warning("%s runs of this worker were lost with the database and go on", len(orphans))
        engine.take_over(orphans)
    if chores:
        sweeper.sweep(begun)
