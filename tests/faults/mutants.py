"""Deliberate defects, each of which the harness must catch: a check that cannot fail proves nothing.

A mutant is put into a forked child of one stage. `script` makes the outside misbehave, `point` kills the first life there;
the same script and death without the mutant must do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.firm import STAGES
from tests.faults.theatre import Rehearsal, Theatre, Violation
from tieout.flows import durable, intake
from tieout.hub import delivery, exceptions, inbox, outbox, receiving
from tieout.hub.receiving import Received
from tieout.sandbox.world import World
from tieout.store import invoices
from tieout.store import outbox as outbox_store
from tieout.store.work import Piece

PLACES = {stage.name: place for place, stage in enumerate(STAGES)}


@dataclass(frozen=True)
class Mutant:
    """A defect, the stage in which it shows, and what brings it to light."""

    name: str
    stage: str
    put_in: Callable[[], None]
    script: Callable[[World], None] | None = None
    point: str | None = None


def is_caught(theatre: Theatre, rehearsal: Rehearsal, mutant: Mutant) -> tuple[bool, str]:
    """Whether the stage ends otherwise with the mutant, and what is wrong without it (nothing, if all is well)."""
    without = _wrong(theatre, rehearsal, mutant, None)
    return bool(_wrong(theatre, rehearsal, mutant, mutant.put_in)), without


def _wrong(theatre: Theatre, rehearsal: Rehearsal, mutant: Mutant, put_in: Callable[[], None] | None) -> str:
    place = PLACES[mutant.stage]
    stage = STAGES[place]
    theatre.go_back(place)
    theatre.outside(stage)
    if mutant.script is not None:
        mutant.script(theatre.world)
    try:
        if mutant.point is not None:
            theatre.play_killed(stage, mutant.point, 1, put_in)
        else:
            theatre.play(stage, put_in)
        theatre.heal()
        theatre.compare(rehearsal.pictures[place])
        theatre.check_invariants()
    except Violation as violation:
        return f"{mutant.name}: {violation}"
    return ""


# --- what the outside does -----------------------------------------------------------------------------


def _project_is_made_but_nobody_hears(world: World) -> None:
    world.add_fault("kantata", "apply_then_timeout", path="^write .*/workspaces")


def _project_is_made_minutes_later(world: World) -> None:
    world.add_fault("kantata", "apply_late", path="^write .*/workspaces", seconds=120)


# --- defects -------------------------------------------------------------------------------------------


def _send_again_at_once() -> None:
    delivery._first_action = lambda *_: "send"


def _believe_it_absent() -> None:
    outbox._look_up = lambda *_: None


def _count_nothing() -> None:
    counting = delivery.count_calls

    def count_calls(conn: Any, rows: Any, action: Any, moment: Any, **more: Any) -> Any:
        before = [(row["id"], row["attempts"]) for row in rows]
        calls = counting(conn, rows, action, moment, **more)
        for one, attempts in before:
            outbox_store.change(conn, one, {"attempts": attempts})
        return calls

    delivery.count_calls = count_calls


def _resolve_nothing() -> None:
    exceptions.resolve = lambda *_, **__: 0


def _cursor_first() -> None:
    waiting: list[tuple[Any, ...]] = []

    def receive(conn: Any, connection: str, changes: Sequence[Any]) -> Received:
        waiting.append((connection, changes))
        return receiving.receive(conn, connection, [])

    def keep() -> None:
        with durable.environment().begin() as conn:
            receiving.receive(conn, *waiting.pop())

    inbox.receive = receive
    _after("intake.page_kept", keep)


def _react_later() -> None:
    reacting, waiting = intake.react, []

    def react(conn: Any, events: Any) -> None:
        waiting.append(events)

    def go_on() -> None:
        with durable.environment().begin() as conn:
            reacting(conn, waiting.pop())

    intake.react = react
    _after("intake.applied", go_on)


def _after(point: str, go_on: Callable[[], None]) -> None:
    passing = intake.fp

    def fp(name: str) -> None:
        passing(name)
        if name == point:
            go_on()

    intake.fp = fp


def _every_reading_is_new() -> None:
    making, seen = receiving._row, [0]

    def row(connection: str, change: Any, moment: Any) -> dict[str, Any]:
        seen[0] += 1
        made = making(connection, change, moment)
        return made | {"source_version": f"{made['source_version']}~{moment.isoformat()}~{seen[0]}"}

    receiving._row = row


def _number_on_its_own() -> None:
    taking = invoices.take_number

    def take_number(conn: Any, entity: str, series: str, prefix: str) -> str:
        with conn.engine.begin() as other:
            return taking(other, entity, series, prefix)

    invoices.take_number = take_number


def _balance_stays() -> None:
    invoices.move = lambda *_: 0


def _finish_first() -> None:
    def run_flow(pieces: Sequence[Piece]) -> None:
        _, recorder = durable._bound()
        recorder.conclude(lambda conn: durable._record_ends(conn, pieces, None))
        durable._flows[pieces[0].kind].body([piece.key for piece in pieces])

    durable.run_flow = run_flow


MUTANTS = (
    Mutant("a retry sends without looking up", "completed", _send_again_at_once, _project_is_made_minutes_later),
    Mutant("a look-up that finds nothing is believed at once", "completed", _believe_it_absent,
           _project_is_made_minutes_later),
    Mutant("an attempt is not counted before its call", "completed", _count_nothing, _project_is_made_but_nobody_hears),
    Mutant("an exception stays when its cause is gone", "completed", _resolve_nothing),
    Mutant("the cursor moves before the inbox has the page", "signed", _cursor_first, point="intake.page_kept"),
    Mutant("what follows from a fact is asked for in a later commit", "corrected", _react_later, point="intake.applied"),
    Mutant("a version that comes again is kept again", "worked", _every_reading_is_new),
    Mutant("a number is taken in a commit of its own", "billed", _number_on_its_own, point="billing.release.numbered"),
    Mutant("a release does not move the balance", "billed", _balance_stays),
    Mutant("work is noted as done before its effects", "billed", _finish_first, point="posting.delivering"),
)  # fmt: skip
