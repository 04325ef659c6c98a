"""Hands due work to this worker's engine, as much as it has room for; several workers may do so side by side.

The work table is the queue: a piece is marked as taken in one commit and begun right after it. What is lost between the
two has no run in the engine, and the sweeper gives it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tieout.flows.durable import Flow, flows, next_run
from tieout.flows.environment import Environment
from tieout.flows.workers.engine import Engine, run_id
from tieout.flows.workers.pace import Rests
from tieout.store import work as store
from tieout.store.work import Piece
from tieout.telemetry.failpoints import fp

ROOM = {"intake": 8, "flows": 8, "runs": 2}
"""Runs of each queue at once in one worker."""
ROOM_OF_CONNECTION = 2
"""Reads of one connection at once in one worker, so that a slow source does not keep the others waiting."""
MOST_LOOKED_AT = 200


class Dispatcher:
    """Takes due rows of the work table for one engine."""

    def __init__(self, environment: Environment, engine: Engine) -> None:
        self._environment = environment
        self._engine = engine
        self._flows = flows()
        self._asking = environment.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._rests = Rests()

    def tick(self) -> int:
        """Begin what is due now by the injected clock and has room; how many runs."""
        running = self._engine.running()
        load = Counter(self._flows[piece.kind].queue for piece in running)
        kinds = {
            kind: flow.after for kind, flow in self._flows.items() if load[flow.queue] < ROOM[flow.queue]
        }
        with self._asking.connect() as conn:
            due = store.due(conn, kinds, MOST_LOOKED_AT)
        rested = self._rests.over(due)
        chosen = choose(rested, running, self._flows) if rested else []
        if not chosen:
            return 0
        with self._environment.begin() as conn:
            runs = [taken for pieces in chosen if (taken := store.take(conn, pieces))]
            for pieces in runs:
                if len(pieces) > 1:
                    store.carry(conn, pieces, run_id(pieces[0]))
            fp("durable.taking")
        fp("durable.taken")
        for pieces in runs:
            self._rests.begin(pieces)
            self._engine.start(pieces)
        return len(runs)


def choose(due: Sequence[Piece], running: Iterable[Piece], known: Mapping[str, Flow]) -> list[list[Piece]]:
    """The runs that are begun of due work, oldest first, beside those that run here already.

    Of a kind whose runs take several pieces one runs at a time: what comes due meanwhile goes together into the next.
    """
    load: Counter[str] = Counter()
    for piece in running:
        load.update(_places(piece, known))
    chosen, left = [], list(due)
    while left:
        run = next_run(left)
        left = [piece for piece in left if piece not in run]
        places = _places(run[0], known)
        if all(load[place] < _room(place) for place in places):
            load.update(places)
            chosen.append(run)
    return chosen


def _places(piece: Piece, known: Mapping[str, Flow]) -> list[str]:
    """What a run takes up: its queue, and its connection or its kind."""
    flow = known[piece.kind]
    if flow.queue == "intake":
        return [flow.queue, f"connection {piece.key.partition('/')[0]}"]
    return [flow.queue, f"kind {piece.kind}"] if flow.most > 1 else [flow.queue]


def _room(place: str) -> int:
    if place.startswith("connection "):
        return ROOM_OF_CONNECTION
    return ROOM.get(place, 1)
