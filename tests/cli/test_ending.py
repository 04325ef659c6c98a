"""A long-running command that is asked to stop leaves in order: exit 0, and the database it started stops with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tieout.bootstrap import embedded_server, read_settings, settings_apart

PATIENCE = 120.0
"""Seconds; a first start makes a database, on a busy machine."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(["serve"], ""), (["sandbox", "--workers", "3", "--months", "1"], "sandbox")],
    ids=["serve", "sandbox"],
)
def test_sigterm_stops_the_command_and_its_database(tmp_path: Path, arguments: list[str], part: str) -> None:
    home, port = tmp_path / "home", free_port()
    settings = read_settings({"TIEOUT_HOME": str(home), "PORT": str(port)})
    server = embedded_server(settings_apart(settings, part) if part else settings)
    listening: Callable[[], bool] = (
        (home / "sandbox" / "credentials.json").exists if part else lambda: answers(port)
    )
    told = {"TIEOUT_HOME": str(home), "PORT": str(port), "TIEOUT_DATABASE_URL": ""}
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "tieout.cli", *arguments]
        process = subprocess.Popen(command, env={**os.environ, **told}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while not listening():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, "it did not start in time"
            time.sleep(0.05)
        database = server.pid()
        assert database is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
        assert not psutil.pid_exists(database)
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
        server.stop()
