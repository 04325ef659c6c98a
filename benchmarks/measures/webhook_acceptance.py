"""Webhooks accepted by our web process, each after a commit, against a bare endpoint that inserts one row and commits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

from sqlalchemy import insert, text

from benchmarks.measurement import Measurement, server
from tieout.store.database import connect, create_database, prepare
from tieout.store.tables import connection

GOAL = 0.7
CLIENTS = 32
WARM_UP = 500
SECRET = "a-secret-of-the-benchmark"
TABLE = "CREATE TABLE received (event_id text PRIMARY KEY, raw bytea, at timestamptz NOT NULL DEFAULT now())"
PATIENCE_SECONDS = 60


def run(full: bool) -> list[Measurement]:
    """Requests a second, both servers up and warm, measured in turns; the median of the turns' ratios."""
    count, turns = (20_000, 5) if full else (3_000, 4)
    rates, ratios = [], []
    with server() as (postgres, folder):
        bare, ours = create_database(postgres.url(), "bare"), create_database(postgres.url(), "ours")
        _prepare(bare, ours)
        told = {
            "TIEOUT_HOME": str(folder / "home"), "TIEOUT_DATABASE_URL": ours, "PORT": str(_free_port()),
            "BENCHMARK_HOOK": SECRET,
        }  # fmt: skip
        port = _free_port()
        with (
            _serving(["benchmarks.programs.bare_endpoint", bare, str(port)], {}, port) as bare_port,
            _serving(["benchmarks.programs.webhook_door"], told, int(told["PORT"])) as our_port,
        ):
            for turn in range(-1, turns):
                sent = WARM_UP if turn < 0 else count
                base = _rate(bare_port, f"/received/psa/{SECRET}", f"bare{turn}", sent)
                rate = _rate(our_port, f"/v1/ingest/psa/{SECRET}", f"ours{turn}", sent)
                if turn >= 0:
                    rates.append(rate)
                    ratios.append(rate / base)
        _check(ours, WARM_UP + turns * count)
    return [
        Measurement(
            "webhook acceptance against a bare insert",
            f"{median(rates):.0f} requests/s",
            median(ratios),
            GOAL,
        )
    ]


def _prepare(bare: str, ours: str) -> None:
    engine = connect(bare)
    with engine.begin() as conn:
        conn.execute(text(TABLE))
    engine.dispose()
    engine = connect(ours)
    prepare(engine)
    config = {"secrets": {"webhook_secret": "env:BENCHMARK_HOOK"}}
    with engine.begin() as conn:
        conn.execute(insert(connection).values(name="psa", connector="kantata", config=config))
    engine.dispose()


def _check(url: str, accepted: int) -> None:
    """What was accepted is in the table: a fast door that loses webhooks measures nothing."""
    engine = connect(url)
    with engine.connect() as conn:
        kept = conn.execute(text("SELECT count(*) FROM hint")).scalar_one()
    engine.dispose()
    if kept != accepted:
        raise RuntimeError(f"{accepted} webhooks were accepted and {kept} are there")


@contextmanager
def _serving(program: Sequence[str], told: Mapping[str, str], port: int) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", *program], env={**os.environ, **told})
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{program[0]} does not serve")
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def _rate(port: int, path: str, prefix: str, count: int) -> float:
    program = [sys.executable, "-m", "benchmarks.programs.webhook_client"]
    told = [str(port), path, prefix, str(count), str(CLIENTS)]
    done = subprocess.run([*program, *told], capture_output=True, text=True, check=True)
    return count / float(done.stdout)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
