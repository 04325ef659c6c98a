"""Playing a firm's actions into the world, up to a moment, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from tieout.sandbox.firm.people import Desk, Left, do
from tieout.sandbox.firm.plan import Action, Firm
from tieout.sandbox.firm.projects import NotYet, Projects
from tieout.sandbox.world import World

SYSTEM, TYPE, ID = "firm", "timeline", "1"
Waiting = tuple[int, Left | None]
"""Number of an action that could not be done yet, and the entries that are left of it (None: all of it)."""


class Timeline:
    """The life of a firm. The world itself remembers how far it came, so that another process goes on exactly there."""

    def __init__(self, firm: Firm) -> None:
        self._firm = firm
        self._identity = f"seed {firm.seed}, {len(firm.workers)} workers, {len(firm.entries)} entries"

    def advance(self, world: World, to: datetime) -> int:
        """Play every action up to a moment and set the clock to it; how many were carried out.

        What could not be done before (time on a project that did not exist) is tried first, in its order. The
        actions of one moment and the note of them are one transaction.
        """
        desk = Desk(world, Projects(world), self._firm.seed)
        position, waiting = self._place(world)
        before = len(waiting)
        if waiting:
            waiting = self._play(desk, waiting, position)
        played = before - len(waiting)
        for _, group in groupby(self._due(position, to), lambda number: self._firm.actions[number].moment):
            numbers = list(group)
            position = numbers[-1] + 1
            left = self._play(desk, [(number, None) for number in numbers], position, waiting)
            played += len(numbers) + len(waiting) - len(left)
            waiting = left
        if world.now() < to:
            world.set_now(to)
        return played

    def _due(self, position: int, to: datetime) -> Iterator[int]:
        """Numbers of the actions from a position on whose moment has come."""
        for number in range(position, len(self._firm.actions)):
            if self._firm.actions[number].moment > to:
                return
            yield number

    def _play(
        self, desk: Desk, actions: Sequence[Waiting], position: int, others: Sequence[Waiting] = ()
    ) -> list[Waiting]:
        """Carry out actions of one moment and note it, all or nothing; everything that waits after it."""
        waiting, world = list(others), desk.world
        with world.transaction():
            for number, left in actions:
                action = self._firm.actions[number]
                if world.now() < action.moment:
                    world.set_now(action.moment)
                try:
                    rest = do(desk, action.system, action.verb, action.payload, left)
                except NotYet:
                    waiting.append((number, left))
                    continue
                if rest:
                    waiting.append((number, rest))
                else:
                    self._plant(world, action)
            self._note(world, position, waiting)
        return waiting

    def _plant(self, world: World, action: Action) -> None:
        for item in action.mess:
            world.plant(item.what, item.kind, item.key, item.detail())

    def _place(self, world: World) -> tuple[int, list[Waiting]]:
        """How far the world came; a new world starts with the firm's first day."""
        held = world.get(SYSTEM, TYPE, ID)
        if held is None:
            world.set_now(self._firm.actions[0].moment)
            return 0, []
        if held.fields["firm"] != self._identity:
            raise ValueError(f"this world holds another firm ({held.fields['firm']}), not {self._identity}")
        return held.fields["position"], [(number, left) for number, left in held.fields["waiting"]]

    def _note(self, world: World, position: int, waiting: list[Waiting]) -> None:
        told = {
            "firm": self._identity,
            "position": position,
            "waiting": [[number, None if left is None else list(left)] for number, left in waiting],
        }
        world.put(SYSTEM, TYPE, told, id=ID, at=world.now())  # takes no stamp of the vendors
