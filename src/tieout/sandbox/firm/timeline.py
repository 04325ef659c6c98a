"""Playing a firm's actions into the world, up to a moment, each exactly once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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

        What could not be done before (time on a project that did not exist) is tried first, in its order. Each action
        and the note of it are one transaction.
        """
        desk = Desk(world, Projects(world), self._firm.seed)
        position, waiting = self._place(world)
        played, still = 0, list[Waiting]()
        for place, (number, left) in enumerate(waiting):
            rest = self._play(desk, number, left, position, [*still, *waiting[place + 1 :]])
            played += rest is None
            still += [rest] if rest else []
        for number in range(position, len(self._firm.actions)):
            action = self._firm.actions[number]
            if action.moment > to:
                break
            rest = self._play(desk, number, None, number + 1, still)
            played += rest is None
            still += [rest] if rest else []
        if world.now() < to:
            world.set_now(to)
        return played

    def _play(
        self, desk: Desk, number: int, left: Left | None, position: int, others: list[Waiting]
    ) -> Waiting | None:
        """Carry out one action with its note; what is left of it, None when it is done."""
        action, world = self._firm.actions[number], desk.world
        rest: Waiting | None = None
        with world.transaction():
            if world.now() < action.moment:
                world.set_now(action.moment)
            try:
                undone = do(desk, action.system, action.verb, action.payload, left)
                rest = (number, undone) if undone else None
            except NotYet:
                rest = number, left
            if rest is None:
                self._plant(world, action)
            waiting = sorted([*others, *([rest] if rest else [])], key=lambda one: one[0])
            self._note(world, position, waiting)
        return rest

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
        told: list[Any] = [[number, None if left is None else list(left)] for number, left in waiting]
        world.put(SYSTEM, TYPE, {"firm": self._identity, "position": position, "waiting": told}, id=ID)
