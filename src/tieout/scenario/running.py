"""Running many scenarios: each on a database cloned from a migrated template, several processes side by side."""

from __future__ import annotations

import os
import secrets
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tieout.bootstrap import Settings
from tieout.domain.frames.own_thread import in_own_thread
from tieout.scenario.checking import Check
from tieout.scenario.parsing import load_scenario
from tieout.scenario.playing import Player
from tieout.scenario.reading import BadScenario
from tieout.store.database import clone_database, connect, create_database, drop_database, prepare


@dataclass(frozen=True)
class Result:
    """One scenario's outcome; `error` says why it could not be played to its end."""

    file: str
    name: str
    ok: bool
    seconds: float
    checks: list[Check] = field(default_factory=list)
    error: dict[str, Any] | None = None
    database: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The form of interfaces: `database` only where it was kept."""
        shown = asdict(self)
        for check in shown["checks"]:
            del check["trace"]
        if self.database is None:
            del shown["database"]
        return shown


def run_scenarios(
    admin_url: str, settings: Settings, files: Sequence[Path], *, keep: bool = False
) -> Iterator[Result]:
    """Play the files on the server of `admin_url`, in their order; a file that is wrong is a result with an error."""
    with _template(admin_url) as template:
        processes = min(len(files), os.cpu_count() or 1)
        if processes <= 1:
            for file in files:
                yield _run(admin_url, template, settings, file, keep)
            return
        # each process has a core of its own; frames need no threads beside it
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
        # spawned, never forked: a fork of a process with threads (frames use some) can stand still for ever
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(_run, admin_url, template, settings, file, keep) for file in files]
            for job in jobs:
                yield job.result()


@contextmanager
def _template(admin_url: str) -> Iterator[str]:
    """A database with the newest schema, to be cloned."""
    name = f"scenario_template_{secrets.token_hex(4)}"
    engine = connect(create_database(admin_url, name))
    try:
        prepare(engine)
    finally:
        engine.dispose()
    try:
        yield name
    finally:
        drop_database(admin_url, name)


def _run(admin_url: str, template: str, settings: Settings, file: Path, keep: bool) -> Result:
    started = time.monotonic()
    name, checks, error, database = file.stem, list[Check](), None, f"scenario_{secrets.token_hex(6)}"
    try:
        scenario = load_scenario(file)
        name = scenario.name
        engine = connect(clone_database(admin_url, template, database), pool_size=2)
        try:
            checks = in_own_thread(Player(scenario, engine, settings).play)
        finally:
            engine.dispose()
    except BadScenario as bad:
        error = {"code": bad.code, "message": bad.message, "file": bad.file, "line": bad.line}
    except Exception as defect:
        # what no check foresaw is a defect of ours: told as such with its place, and the other files go on
        where = traceback.extract_tb(defect.__traceback__)[-1]
        said = f"{type(defect).__name__}: {defect} ({Path(where.filename).name}:{where.lineno})"
        error = {"code": "defect", "message": said[:1000], "file": str(file), "line": 1}
    finally:
        if not keep:
            drop_database(admin_url, database)
    ok = error is None and all(check.ok for check in checks)
    return Result(
        str(file), name, ok, round(time.monotonic() - started, 3), checks, error, database if keep else None
    )
