"""The durable engine, bound at launch: recorded steps and transactions, and what became of its runs.

The engine drives; our work table remembers and is the queue. A run's id is made of the piece of work, its trigger and
its attempt, so beginning the same run twice is one run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dbos import DBOS, SetWorkflowID
from dbos import SQLAlchemyDatasource as Datasource
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tieout.flows.durable import MOST_TRIES, Plain, bound, flows, is_away, run_flow, was_in_the_way
from tieout.flows.environment import Environment
from tieout.store import clock
from tieout.store import work as store
from tieout.store.database import connect, plain_url
from tieout.store.work import Piece

APPLICATION = "tieout"
VERSION = "1"
"""Every release runs what an earlier one began: flows are re-entrant, and a run that no longer fits is begun anew."""
WORKFLOW = "work"
MOST_RESTARTS = 5
"""A run that ends its process this often is given up; the work is tried again with a pause, at last as `poison`."""
KEEP = timedelta(hours=1)
"""How long ended runs stay listed in the engine; the facts are in our tables."""
_PATIENCE_SECONDS = 60.0
POOL = 10
"""Connections that the engine keeps for its own records."""


@dataclass(frozen=True)
class Run:
    """One run of a piece of work as the engine knows it; `executor` had it last."""

    id: str
    status: str
    executor: str
    taken_over: int


class Contended(RuntimeError):
    """A transaction lost against others again and again; the flow is tried again later."""


def run_id(piece: Piece) -> str:
    """The id of the run that begins with a piece of work; the same for everyone who begins it."""
    return f"{piece.kind}/{piece.key}/{piece.number}.{piece.attempts}"


class Recorded(Plain):
    """Steps and transactions whose results the engine remembers, so that a crashed run goes on behind them."""

    def __init__(self, datasource: Any, engine: Any) -> None:
        super().__init__(engine)
        self._datasource = datasource

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Call it and record the result."""
        return DBOS.run_step({"name": name}, function)

    def transaction(self, name: str, function: Callable[[Connection], Any]) -> Any:
        """Run it and record the result in the same commit; a lost connection is waited for."""
        tries = 0

        def carry_out() -> Any:
            nonlocal tries
            tries += 1
            try:
                return function(self._datasource.sql_session().connection())
            except DBAPIError as error:
                if was_in_the_way(error) and tries >= MOST_TRIES:
                    raise Contended(f"{name} lost against other transactions {tries} times") from error
                raise

        return self._datasource.run_tx_step({"name": name, "isolation_level": "READ COMMITTED"}, carry_out)

    def conclude(self, function: Callable[[Connection], Any]) -> None:
        """Record the run's end; a database that is away is waited for. Twice is harmless: the row says which run it is."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                super().transaction("conclude", function)
                return
            except DBAPIError as error:
                if not is_away(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


class Engine:
    """The engine of one worker process."""

    def __init__(self, environment: Environment, executor: str) -> None:
        self._environment = environment
        self._asking = environment.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._executor = executor
        self._running: dict[str, Piece] = {}
        self._seen_idle: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()

    def launch(self) -> None:
        """Bind and start; what this executor had begun when it died goes on."""
        flows()
        url = plain_url(self._environment.engine)
        self._pool = connect(url, pool_size=POOL)

        def carry_out(pieces: list[list[Any]]) -> None:
            self._carry_out([Piece(*piece) for piece in pieces])

        self._workflow = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MOST_RESTARTS)(carry_out)
        DBOS(
            config={
                "name": APPLICATION, "system_database_url": url, "application_version": VERSION,
                "executor_id": self._executor, "log_level": "ERROR", "system_database_engine": self._pool,
            }
        )  # fmt: skip
        DBOS.listen_queues([])  # but for the engine's own, on which runs that were taken over go on
        datasource = Datasource.create(url, engine=self._environment.engine)
        self._recorder = Recorded(datasource, self._environment.engine)
        DBOS.launch()

    def drain(self, seconds: float) -> None:
        """Give what runs that long to end; what does not goes on elsewhere. The process ends after that."""
        deadline = time.monotonic() + seconds
        while self.running() and time.monotonic() < deadline:
            self.wait(0.05)

    # --- runs ------------------------------------------------------------------------------------------

    def start(self, pieces: Sequence[Piece]) -> None:
        """Begin a run of pieces that were taken."""
        with self._lock:
            self._running[run_id(pieces[0])] = pieces[0]
        try:
            with SetWorkflowID(run_id(pieces[0])):
                DBOS.start_workflow(self._workflow, [list(piece) for piece in pieces])
        except Exception:
            self._ended(run_id(pieces[0]))
            raise

    def running(self) -> list[Piece]:
        """The first piece of each run that this process carries out."""
        with self._lock:
            return list(self._running.values())

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than until a run ends: something may be due then."""
        self._wake.wait(seconds)
        self._wake.clear()

    def _carry_out(self, pieces: list[Piece]) -> None:
        name = run_id(pieces[0])
        with self._lock:
            self._running[name] = pieces[0]
        try:
            with self._asking.connect() as conn:
                current = store.current(conn, pieces)
            if (
                current
            ):  # one that was given up meanwhile may already run anew, and must not run twice at once
                with bound(self._environment, self._recorder):
                    run_flow(current)
        finally:
            self._ended(name)

    def _ended(self, name: str) -> None:
        with self._lock:
            self._running.pop(name, None)
        self._wake.set()

    # --- what became of runs ---------------------------------------------------------------------------

    def begun(self) -> list[Run]:
        """Every run that was begun and has no end, in all workers."""
        return _runs(DBOS.list_workflows(status="PENDING", load_input=False, load_output=False))

    def of(self, ids: Iterable[str]) -> dict[str, Run]:
        """These runs by id; one that the engine does not know is missing."""
        wanted = list(ids)
        if not wanted:
            return {}
        found = DBOS.list_workflows(workflow_ids=wanted, load_input=False, load_output=False)
        return {run.id: run for run in _runs(found)}

    def orphans(self, begun: Iterable[Run]) -> list[Run]:
        """Our own begun runs that no thread of this process carries out, seen so twice in a row.

        A database that was away ends threads without a trace.
        """
        mine = {run.id: run for run in begun if run.executor == self._executor}
        with self._lock:
            idle = mine.keys() - self._running.keys()
            orphaned, self._seen_idle = idle & self._seen_idle, idle
        return [mine[name] for name in sorted(orphaned)]

    def take_over(self, runs: Iterable[Run]) -> None:
        """Let any worker go on with runs that nobody carries out; the caller made sure of that."""
        for run in runs:
            if run.taken_over >= MOST_RESTARTS:
                DBOS.cancel_workflow(run.id)
                continue
            DBOS.update_workflow_attributes(run.id, {"taken_over": run.taken_over + 1})
            DBOS.resume_workflows([run.id])

    def tidy(self) -> None:
        """Remove runs that ended long ago."""
        with self._environment.engine.connect() as conn:
            before = clock.real_now(conn) - KEEP
        ended = DBOS.list_workflows(
            completed_before=before.isoformat(), limit=1000, load_input=False, load_output=False
        )
        if ended:
            DBOS.delete_workflows([run.workflow_id for run in ended])


def _runs(found: Iterable[Any]) -> list[Run]:
    return [
        Run(
            one.workflow_id, one.status, one.executor_id or "", int((one.attributes or {}).get("taken_over", 0)),
        )
        for one in found
    ]  # fmt: skip
