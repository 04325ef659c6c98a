"""Where the story is played: the simulators in a thread, our database, and one forked child for each life of our side.

A theatre belongs to a process that has imported everything and launched nothing (a thread pool would not survive a
fork); it plays one stage at a time and can go back to the moment before any stage.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import select as polling
import signal
import socket
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, text

from tests.faults.firm import STAGES, Stage
from tests.faults.picture import Picture, differences, of_our_figures, of_the_targets
from tests.faults.play import Play
from tieout import workspace
from tieout.bootstrap import Settings, connector_names
from tieout.demo.house import workspace_folder, write_secrets
from tieout.demo.people import STAFF, address
from tieout.flows import durable
from tieout.flows.environment import Environment
from tieout.flows.intake import schedule_reads
from tieout.hub import people
from tieout.hub.actors import SYSTEM
from tieout.hub.settings import mappings_of
from tieout.hub.verify import verify
from tieout.sandbox import tables as sandbox_tables
from tieout.sandbox.server import Sandbox, open_world
from tieout.sandbox.world import World
from tieout.store import clock
from tieout.store.database import clone_database, connect, create_database, drop_database
from tieout.telemetry import failpoints

KILLED = 137
HASTE = "options=-csynchronous_commit%3Doff"
PATIENCE_SECONDS = 300.0
"""A stage takes one second on an idle machine."""
OPENING = datetime(2025, 12, 1, 14, tzinfo=timezone.utc)
Mutation = Callable[[], None]
Script = Callable[[World], None]


class Violation(Exception):
    """Our side did not come to the end that it must come to."""


def hasty(url: str) -> str:
    """Sessions that do not wait for the disk: processes die here, the server does not."""
    return f"{url}{'&' if '?' in url else '?'}{HASTE}"


class Truth:
    """The sandbox's own ledger, as the invariants ask for it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ledger(self) -> list[dict[str, Any]]:
        """Every applied write."""
        return self._world.ledger()

    def calls(self) -> list[dict[str, Any]]:
        """Every request."""
        return self._world.calls()

    def ids(self, system: str, type: str) -> set[str]:
        """What a system holds."""
        return {record.id for record in self._world.all(system, type)}


class Theatre:
    """One stage house; `name` sets its databases apart from others on the server."""

    def __init__(self, admin_url: str, migrated: str, folder: Path, name: str) -> None:
        self._admin, self._migrated, self._folder, self._name = admin_url, migrated, folder, name
        self._kept: list[str] = []
        self.settings = Settings(folder / "home")
        self.sandbox = Sandbox(
            open_world(hasty(create_database(admin_url, self._database("sandbox")))), folder / "sandbox"
        )
        self.world = self.sandbox.world
        self.url = ""

    @contextmanager
    def open(self) -> Iterator[Theatre]:
        """The simulators answer; afterwards nothing is left on the server."""
        self.sandbox.start()
        try:
            yield self
        finally:
            self.sandbox.stop()
            self.world.engine.dispose()
            for database in (*self._kept, self._database("sandbox"), self._database("play")):
                drop_database(self._admin, database)

    @property
    def plain_url(self) -> str:
        """Our database as a worker gets it, which refuses sessions that do not wait for the disk."""
        return self.url.replace(HASTE, "").rstrip("?&")

    # --- going back ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """An empty outside and a workspace that is applied, before the first stage."""
        self.world.empty()
        self.world.set_now(OPENING)
        self._fresh(self._migrated)
        self._in_child(self._prepare, {})

    def keep(self, place: int) -> None:
        """Remember this moment, before stage number `place`."""
        kept = self._database(f"before{place}")
        clone_database(self._admin, self._database("play"), kept)
        self._kept.append(kept)
        with self.world.engine.begin() as conn:
            conn.execute(text(f"CREATE SCHEMA before{place}"))
            for table in sandbox_tables.metadata.sorted_tables:
                conn.execute(text(f"CREATE TABLE before{place}.{table.name} AS TABLE public.{table.name}"))

    def go_back(self, place: int) -> None:
        """To the moment before stage number `place`."""
        self._fresh(self._database(f"before{place}"))
        self.world.empty()
        with self.world.engine.begin() as conn:
            for table in sandbox_tables.metadata.sorted_tables:
                conn.execute(delete(table))
                _copy_back(conn, table, f"before{place}")
        self.world._load()

    def _fresh(self, template: str) -> None:
        drop_database(self._admin, self._database("play"))
        self.url = hasty(clone_database(self._admin, template, self._database("play")))

    def _database(self, what: str) -> str:
        return f"faults_{self._name}_{what}"

    # --- playing ---------------------------------------------------------------------------------------

    def outside(self, stage: Stage) -> None:
        """People do their part of a stage."""
        self.world.set_now(stage.moment)
        stage.outside(self.world)

    def inside(self, stage: Stage, told: dict[str, str], mutate: Mutation | None = None) -> int:
        """One life of our side on a stage, with these variables of its environment; its exit status."""
        return self._in_child(lambda tell: self._play(stage, tell), told, mutate)

    def play(self, stage: Stage, mutate: Mutation | None = None) -> None:
        """A stage to its end, undisturbed."""
        if self.inside(stage, {}, mutate) != 0:
            raise Violation(f"{stage.name} does not come to an end: {self.said}")

    def heal(self) -> None:
        """The outside behaves again, and what it took in late has come."""
        self.world.clear_faults()
        self.world.set_now(self.world.now() + timedelta(hours=1))
        self.sandbox._apply_late()

    def play_killed(self, stage: Stage, point: str, hit: int, mutate: Mutation | None = None) -> None:
        """A stage in which our side dies at a point and then begins again."""
        status = self.inside(stage, {"TIEOUT_FAILPOINT": f"{point}:{hit}"}, mutate)
        if status not in (0, KILLED):
            raise Violation(f"{stage.name} breaks before {point}:{hit}: {self.said}")
        if status == 0:
            raise Violation(f"{stage.name} never comes to hit {hit} of {point}")
        self.play(stage, mutate)

    def points_of(self, stage: Stage) -> Counter[str]:
        """Play a stage and count the points that are passed."""
        log = self._folder / "points"
        log.unlink(missing_ok=True)
        if self.inside(stage, {"TIEOUT_FAILPOINT_LOG": str(log)}) != 0:
            raise Violation(f"{stage.name} does not come to an end undisturbed: {self.said}")
        return Counter(log.read_text().split()) if log.exists() else Counter()

    def picture(self) -> Picture:
        """Figures and targets now."""
        engine = connect(self.url)
        try:
            return of_our_figures(engine) | of_the_targets(self.world)
        finally:
            engine.dispose()

    def compare(self, expected: Picture) -> None:
        """The same figures and the same targets as in the rehearsal."""
        found = differences(expected, self.picture())
        if found:
            raise Violation("\n  ".join(["it stands otherwise:", *found[:12]]))

    def check_invariants(self) -> None:
        """Every invariant over our database and the sandbox's ledger, in a child."""
        if self._in_child(lambda _: self.verify(), {}) != 0:
            raise Violation(self.said)

    def verify(self) -> None:
        """The same in this process, for one whose thread pools are launched; it can fork no child afterwards."""
        world = World(open_world(self.world.engine.url.render_as_string(hide_password=False)).engine)
        failed = [one for one in verify(connect(self.url), sandbox=Truth(world)) if one["status"] == "failed"]
        if failed:
            raise Violation("; ".join(f"{one['invariant']} {one['detail']}" for one in failed))

    # --- in the child ----------------------------------------------------------------------------------

    def _prepare(self, _: Any) -> None:
        told = self.sandbox.credentials
        secrets = self.settings.home / "secrets"
        write_secrets(secrets, told)
        environ = {
            "TIEOUT_SANDBOX_URL": told["url"], "TIEOUT_SANDBOX_CA": told["ca"],
            "TIEOUT_SANDBOX_NETSUITE_ACCOUNT": told["netsuite"]["config"]["account"],
            "TIEOUT_SANDBOX_SECRETS": str(secrets),
        }  # fmt: skip
        engine = connect(self.url)
        with engine.begin() as conn:
            clock.set_now(conn, OPENING)
            workspace.apply(conn, workspace_folder(), SYSTEM, "dev", environ)
            for role, name in STAFF.items():
                people.add_person(conn, address(role), name, [role])
        schedule_reads(Environment(engine, self.settings))

    def _play(self, stage: Stage, tell: Callable[[datetime], None]) -> None:
        Play(Environment(connect(self.url), self.settings), stage, tell).carry_out()

    # --- forking ---------------------------------------------------------------------------------------

    def _in_child(
        self,
        body: Callable[[Callable[[datetime], None]], None],
        told: dict[str, str],
        mutate: Mutation | None = None,
    ) -> int:
        """Run something in a forked child, keeping its clock outside too; its exit status. `said`: why it failed."""
        ours, theirs = socket.socketpair()
        self.said = ""
        pid = os.fork()
        if pid == 0:
            _live(body, told, mutate, theirs)
        theirs.close()
        try:
            self._listen(ours, pid)
        finally:
            ours.close()
            _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _listen(self, ours: socket.socket, pid: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        with ours.makefile("r") as lines:
            while True:
                ready, _, _ = polling.select([ours], [], [], max(0.0, deadline - time.monotonic()))
                line = lines.readline() if ready else ""
                if not ready:
                    self.said = f"it is not done after {PATIENCE_SECONDS:.0f} s"
                    os.kill(pid, signal.SIGKILL)
                    return
                if not line:
                    return
                message = json.loads(line)
                if "clock" in message:
                    to = datetime.fromisoformat(message["clock"])
                    self.world.set_now(max(to, self.world.now()))
                    with contextlib.suppress(OSError):  # it may be dead already
                        ours.sendall(b"ok\n")
                self.said = message.get("error", self.said)


def _copy_back(conn: Connection, table: Table, schema: str) -> None:
    """The rows that were kept, and numbers that go on after them."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    kept = f"SELECT {columns} FROM {schema}.{table.name}"  # noqa: S608
    conn.execute(text(f"INSERT INTO public.{table.name} ({columns}) OVERRIDING SYSTEM VALUE {kept}"))
    for column in (column for column in table.columns if column.identity is not None):
        numbers = func.pg_get_serial_sequence(f"public.{table.name}", column.name)
        conn.execute(select(func.setval(numbers, func.greatest(func.max(column), 1))))


def _live(
    body: Callable[[Callable[[datetime], None]], None],
    told: dict[str, str],
    mutate: Mutation | None,
    line: socket.socket,
) -> None:
    """The whole life of a child; it never returns."""
    status = 1
    try:
        faulthandler.dump_traceback_later(PATIENCE_SECONDS - 10)
        gc.freeze()  # what the parent holds open is the parent's to close
        failpoints._hits.clear()
        os.environ.update(told)
        if mutate is not None:
            mutate()

        def tell(to: datetime) -> None:
            line.sendall(json.dumps({"clock": to.isoformat()}).encode() + b"\n")
            line.recv(16)

        body(tell)
        status = 0
    except BaseException as error:
        what = str(error) if isinstance(error, Violation) else traceback.format_exc()[-1500:]
        with contextlib.suppress(OSError):
            line.sendall(json.dumps({"error": what}).encode() + b"\n")
    finally:
        os._exit(status)


def warm_up() -> None:
    """Import and read once what every life needs, without launching anything."""
    durable.flows()
    for name in connector_names():
        import_module(f"tieout.connectors.{name}")
        mappings_of(name)


@dataclass(frozen=True)
class Rehearsal:
    """The undisturbed story: the points that each stage passes, and how it stands after each."""

    passed: list[Counter[str]]
    pictures: list[Picture]

    def first_hits(self) -> list[tuple[int, str, int]]:
        """(stage, point, hit) of every point where the story first passes it."""
        seen: dict[str, tuple[int, str, int]] = {}
        for place, counted in enumerate(self.passed):
            for point in counted:
                seen.setdefault(point, (place, point, 1))
        return list(seen.values())

    def hits(self) -> list[tuple[int, str, int]]:
        """The first, the second and the last hit of every point in every stage."""
        return [
            (place, point, hit)
            for place, counted in enumerate(self.passed)
            for point, most in counted.items()
            for hit in sorted({1, min(2, most), most})
        ]


def rehearse(theatre: Theatre) -> Rehearsal:
    """Play the story undisturbed and keep every moment before a stage."""
    rehearsal = Rehearsal([], [])
    theatre.begin()
    for place, stage in enumerate(STAGES):
        theatre.keep(place)
        theatre.outside(stage)
        rehearsal.passed.append(theatre.points_of(stage))
        rehearsal.pictures.append(theatre.picture())
    theatre.check_invariants()
    return rehearsal


def kill(
    theatre: Theatre, rehearsal: Rehearsal, place: int, point: str, hit: int, *, to_the_end: bool
) -> str:
    """Die at a hit of a point and begin again, to the end of the stage or the story; what is wrong then, or nothing."""
    try:
        theatre.go_back(place)
        theatre.outside(STAGES[place])
        theatre.play_killed(STAGES[place], point, hit)
        theatre.compare(rehearsal.pictures[place])
        for stage in STAGES[place + 1 :] if to_the_end else ():
            theatre.outside(stage)
            theatre.play(stage)
        theatre.compare(rehearsal.pictures[-1 if to_the_end else place])
        theatre.check_invariants()
    except Violation as violation:
        return f"{STAGES[place].name}, {point}:{hit}: {violation}"
    return ""
