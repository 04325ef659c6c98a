"""Flows that survive crashes: what a flow is written with, and how one run of it ends.

Our own work table remembers what must be done; the engine only drives it. A flow is a function of a business key that
may be run again at any time: it runs top to bottom, skips what our tables say is done, and either ends or returns
`Later`. Where a run that crashed should go on behind what it has done, the body reads and writes through `@transaction`
and calls outside systems through `@step`; what is one piece of work, or keeps in our tables how far it came, needs no
record: it is simply carried out again. Failures are retried here and nowhere else.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from tieout.domain.frames.own_thread import in_own_thread
from tieout.flows.environment import Environment
from tieout.hub import audit, exceptions
from tieout.hub.exceptions import NewException
from tieout.store import clock
from tieout.store import work as store
from tieout.store.work import Piece
from tieout.telemetry.failpoints import fp

if TYPE_CHECKING:
    from tieout.bootstrap import Settings

log = logging.getLogger(__name__)

QUEUES = ("intake", "flows", "runs")
MOST_FAILURES = 8
"""Failures in a row after which a piece of work is shown to a person as `poison`; it is tried on all the same."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
MOST_TRIES = 6
"""Tries of one transaction that loses against another (serialization failure, deadlock)."""
MOST_TOGETHER = 50
"""Pieces of work that one run of a flow takes at most, where the flow takes several."""
MOST_RUNS = 1000
"""Runs of one piece of work in one `run_due`; more means that a flow asks for itself without end."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Later:
    """The flow goes on at a moment of business time; `why` says what it waits for."""

    at: datetime
    why: str


Body = Callable[[str], Later | None]
BatchBody = Callable[[list[str]], Later | None]


class Recorder(Protocol):
    """Carries out a flow's steps and transactions, and remembers their results where there is an engine."""

    def step(self, name: str, function: Callable[[], Any]) -> Any: ...

    def transaction(self, name: str, function: Callable[[Connection], Any]) -> Any: ...

    def conclude(self, function: Callable[[Connection], Any]) -> None: ...


@dataclass(frozen=True)
class Flow:
    """A registered kind of work: its queue, the function that carries it out, and how many pieces a run takes.

    `after`: the kind of work that comes first when both are due for the same key.
    """

    kind: str
    queue: str
    body: BatchBody
    most: int = 1
    after: str | None = None


_flows: dict[str, Flow] = {}
_current: ContextVar[tuple[Environment, Recorder]] = ContextVar("current")


# --- what flows are written with ---------------------------------------------------------------------


def workflow(kind: str, queue: str, after: str | None = None) -> Callable[[Body], Body]:
    """Register the function that carries out one kind of work; it takes the work's key. `after`: see `Flow`."""

    _check_queue(queue)

    def register(body: Body) -> Body:
        _flows[kind] = Flow(kind, queue, lambda keys: body(keys[0]), after=after)
        return body

    return register


def batch_workflow(kind: str, queue: str) -> Callable[[BatchBody], BatchBody]:
    """Register the function for a kind of work of which one run takes what is due together; it takes the keys.

    What failed before is tried alone, so that it holds up nothing else.
    """

    _check_queue(queue)

    def register(body: BatchBody) -> BatchBody:
        _flows[kind] = Flow(kind, queue, body, MOST_TOGETHER)
        return body

    return register


def _check_queue(queue: str) -> None:
    if queue not in QUEUES:
        raise ValueError(f"there is no queue {queue!r}: use one of {', '.join(QUEUES)}")


def step(function: Callable[P, R]) -> Callable[P, R]:
    """A call to the outside, at least once: after a crash it may be repeated. Its result is small and JSON-like."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        _, recorder = _bound()

        def carry_out() -> R:
            result = function(*args, **kwargs)
            fp("durable.step.done")
            return result

        result: R = recorder.step(function.__qualname__, carry_out)
        fp("durable.step.recorded")
        return result

    return call


def transaction(function: Callable[Concatenate[Connection, P], R]) -> Callable[P, R]:
    """One commit, READ COMMITTED, together with the record that it happened: effectively once.

    The function is written with a connection and called without: `f(conn, key)` is called as `f(key)`.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        _, recorder = _bound()

        def carry_out(conn: Connection) -> R:
            result = function(conn, *args, **kwargs)
            fp("durable.transaction.done")
            return result

        result: R = recorder.transaction(function.__qualname__, carry_out)
        fp("durable.transaction.recorded")
        return result

    return call


def environment() -> Environment:
    """The environment of the flow that runs here."""
    return _bound()[0]


@contextmanager
def bound(environment: Environment, recorder: Recorder | None = None) -> Iterator[None]:
    """Run steps and transactions with this environment; without a recorder they run plainly, with no engine."""
    token = _current.set((environment, recorder or Plain(environment.engine)))
    try:
        yield
    finally:
        _current.reset(token)


def committed(environment: Environment, function: Callable[[Connection], R]) -> R:
    """One transaction of which the engine keeps no record, again when another one was in its way."""
    result: R = Plain(environment.engine).transaction("committed", function)
    return result


def _bound() -> tuple[Environment, Recorder]:
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError("no flow runs here: use run_due, a worker, or `with bound(environment)`") from None


class Plain:
    """Carries out steps and transactions in this process, with no engine and no record of the steps."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        """Call it."""
        return function()

    def transaction(self, name: str, function: Callable[[Connection], Any]) -> Any:
        """Run it in a transaction of its own, again when another one was in its way."""
        for number in range(1, MOST_TRIES):
            try:
                with self._engine.begin() as conn:
                    return function(conn)
            except DBAPIError as error:
                if not was_in_the_way(error):
                    raise
            time.sleep(0.005 * 2**number)
        with self._engine.begin() as conn:
            return function(conn)

    def conclude(self, function: Callable[[Connection], Any]) -> None:
        """Record the end of a run."""
        self.transaction("conclude", function)


def was_in_the_way(error: BaseException) -> bool:
    """Whether a transaction only lost against another one (serialization failure or deadlock)."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("40001", "40P01")


def is_away(error: BaseException) -> bool:
    """Whether only the database could not be reached: the connection broke, or none could be made."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state.startswith(("08", "57P"))


# --- one run -----------------------------------------------------------------------------------------


def flows() -> Mapping[str, Flow]:
    """Every kind of work that this installation can carry out."""
    package = importlib.import_module("tieout.flows")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:  # the workers' machinery holds no flows and loads the engine
            importlib.import_module(f"tieout.flows.{module.name}")
    return _flows


def next_run(due: Sequence[Piece]) -> list[Piece]:
    """What is carried out next of due work, oldest first: one piece, with its like where a flow takes several."""
    first = due[0]
    most = _flows[first.kind].most
    if most == 1 or first.attempts:
        return [first]
    return [piece for piece in due if piece.kind == first.kind and not piece.attempts][:most]


def run_flow(pieces: Sequence[Piece]) -> None:
    """One run of pieces of one kind, whose end is recorded in the work table whatever happens."""
    _, recorder = _bound()
    kind, keys = pieces[0].kind, [piece.key for piece in pieces]
    fp("durable.before_body")
    try:
        later = in_own_thread(lambda: _flows[kind].body(keys))
    except Exception as error:
        log.warning("%s %s failed: %s: %s", kind, ", ".join(keys), type(error).__name__, error)
        why, at_once = explained(error), is_away(error)
        recorder.conclude(lambda conn: record_failures(conn, pieces, why, at_once=at_once))
    else:
        next_at = None if later is None else later.at
        fp("durable.before_finish")
        recorder.conclude(lambda conn: _record_ends(conn, pieces, next_at))
    fp("durable.finished")


def _record_ends(conn: Connection, pieces: Sequence[Piece], next_at: datetime | None) -> None:
    store.finish(conn, pieces, next_at)
    poison = [f"{piece.kind} {piece.key}" for piece in pieces if piece.attempts >= MOST_FAILURES]
    if poison:
        exceptions.resolve(conn, "poison", poison, "the work was carried out")


def record_failures(conn: Connection, pieces: Sequence[Piece], error: str, *, at_once: bool = False) -> None:
    """The run failed: each piece is due again after a pause, `at_once` when nothing of its own was wrong."""
    moment = clock.now(conn)
    for piece in sorted(pieces):
        due_at = moment if at_once else moment + pause_after(piece.attempts)
        if store.fail(conn, *piece, error, due_at, moment) >= MOST_FAILURES:
            cause = f"{piece.kind} {piece.key} failed {MOST_FAILURES} times or more in a row: {error}"
            evidence = {
                "work": {"kind": piece.kind, "key": piece.key},
                "group": f"{piece.kind}: {error[:80]}",
            }
            new = NewException("poison", f"{piece.kind} {piece.key}", cause, evidence=evidence)
            exceptions.open_exceptions(conn, [new])


def pause_after(failures: int) -> timedelta:
    """How long a piece of work waits after that many earlier failures in a row."""
    return min(FIRST_PAUSE * 2 ** min(failures, 20), LONGEST_PAUSE)


def explained(error: Exception) -> str:
    """What went wrong, in one line that the database can hold."""
    first = next(iter(str(error).splitlines()), "")
    return str(audit.plain(f"{type(error).__name__}: {first}"[:600]))


# --- running: inline, or as a worker -----------------------------------------------------------------


def run_due(environment: Environment, kinds: Collection[str] | None = None) -> int:
    """Run due work in this process, with no engine, until nothing is due by the injected clock; how many runs.

    A flow that fails is due again later, as in a worker; nothing is raised for it.
    """
    known = flows()
    chosen = {kind: known[kind].after for kind in known if kinds is None or kind in kinds}
    runs: Counter[tuple[str, str]] = Counter()
    with bound(environment):
        while pieces := _take_next(environment.engine, chosen):
            runs.update(piece[:2] for piece in pieces)
            endless = [piece for piece in pieces if runs[piece[:2]] > MOST_RUNS]
            if endless:
                raise RuntimeError(f"the work {endless[0].kind} {endless[0].key} asks for itself without end")
            run_flow(pieces)
    return runs.total()


def _take_next(engine: Engine, kinds: Mapping[str, str | None]) -> list[Piece]:
    with engine.begin() as conn:
        due = store.due(conn, kinds, MOST_TOGETHER)
        taken = store.take(conn, next_run(due)) if due else []
    fp("durable.taken")
    return taken


def run_worker(settings: Settings, slot: int) -> None:
    """Be worker number `slot` until stopped by SIGINT or SIGTERM."""
    from tieout.flows.workers.worker import Worker

    Worker(settings, slot).run()
