"""One run of the demo: resume or replace, play stop by stop, then say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from tieout.bootstrap import Settings
from tieout.demo.clocks import Clocks
from tieout.demo.compare import compare, requests
from tieout.demo.deeds import Deeds
from tieout.demo.house import SYSTEMS, House, clear
from tieout.demo.order import SEED, Order, Progress
from tieout.demo.people import Credential, welcome
from tieout.demo.script import ZONE, Stop, script
from tieout.demo.summary import summarise
from tieout.hub.verify import verify
from tieout.model.periods import MONTHS, period_of

Say = Callable[[str], None]


class Stopped(Exception):
    """The person asked to stop; the data stays and the next run goes on from here."""


class Demo:
    """A demo on one home. `settings` are the demo's own; `asked(seconds)` waits and says whether to stop."""

    def __init__(self, settings: Settings, asked: Callable[[float], bool], say: Say) -> None:
        self._settings, self._asked, self._say = settings, asked, say

    @contextmanager
    def running(self, scale: str, seed: int | None, fresh: bool) -> Iterator[Play]:
        """Resume an unfinished run of this order or begin anew, with everything up."""
        progress = self._open(scale, seed, fresh)
        house = House(self._settings, progress.order, self._wait)
        with ExitStack() as stack:
            with progress.phase("start"):
                engine = stack.enter_context(house.running())
                house.connect(engine)
                people = welcome(engine, self._settings)
            yield Play(house, engine, progress, people, self._wait, self._say)

    def _open(self, scale: str, seed: int | None, fresh: bool) -> Progress:
        file = self._settings.home / "progress.json"
        last = Progress.read(file)
        order = Order(SEED if seed is None else seed, scale)
        if last is not None and not fresh and not last.finished and (seed is None or last.order == order):
            self._say(f"Going on with the unfinished run of seed {last.order.seed} (--fresh begins anew).")
            return last
        clear(self._settings)
        self._settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        progress = Progress(file, order)
        progress.write()
        return progress

    def _wait(self, seconds: float) -> None:
        if self._asked(seconds):
            raise Stopped


class Play:
    """The quarter itself."""

    def __init__(
        self,
        house: House,
        engine: Engine,
        progress: Progress,
        people: list[Credential],
        wait: Callable[[float], None],
        say: Say,
    ) -> None:
        self.people = people
        self._house, self._engine, self._progress, self._say = house, engine, progress, say
        self._settings = house.settings
        self._clocks = Clocks(engine, house.outside, wait)
        self._until: datetime | None = None
        self._deeds = Deeds(engine, lambda: self._clocks.settle(self._until))

    def to_the_end(self) -> dict[str, Any]:
        """Play what was not played yet; the summary."""
        stops = script(self._progress.order.size)
        for place, stop in enumerate(stops):
            if stop.name in self._progress.done:
                continue
            self._until = stops[place + 1].moment if place + 1 < len(stops) else None
            with self._progress.phase(stop.phase):
                self._play(stop)
            self._progress.finish(stop.name)
            self._say(f"{stop.moment.astimezone(ZONE):%Y-%m-%d}  {stop.phase}")
        self._until = None
        with self._progress.phase("tie out"):
            self._deeds.tie_out(
                sorted({period_of(stop.moment.astimezone(ZONE).date(), MONTHS) for stop in stops[1:]})
            )
        summary = self._sum_up()
        self._progress.finished = True
        self._progress.write()
        return summary

    def fresh_links(self) -> list[Credential]:
        """New sign-in links: the first ones last fifteen minutes."""
        self.people = welcome(self._engine, self._settings)
        return self.people

    def _play(self, stop: Stop) -> None:
        self._clocks.move(stop.moment)
        self._clocks.settle(self._until)
        if "import prices" in stop.deeds:
            self._deeds.import_prices()
        if stop.bill_through is not None:
            self._deeds.bill(stop.bill_through)
        if "answer requests" in stop.deeds:
            for request in requests(self._house.outside.planted(), stop.moment.astimezone(ZONE).date()):
                self._deeds.answer(request)
        if "replay" in stop.deeds:
            self._deeds.replay()

    def _sum_up(self) -> dict[str, Any]:
        with self._progress.phase("compare"), self._engine.connect() as conn:
            mess = compare(conn, self._house.outside.planted())
        with self._progress.phase("verify"):
            invariants = verify(self._engine, sandbox=self._house.outside, logs=self._settings.log_folder)
        calls = {system: self._house.outside.count_calls(system) for system in SYSTEMS}
        with self._engine.connect() as conn:
            return summarise(conn, self._progress.phases, calls, mess, invariants)
