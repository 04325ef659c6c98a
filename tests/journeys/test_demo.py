"""The demo from the outside: one whole quarter by the command, interrupted by kill -9 on its way."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout.demo import SCALES
from tieout.demo.order import Order, Progress
from tieout.demo.script import script
from tieout.hub.actors import ROLES
from tieout.sandbox.firm import MESS

LONGEST_SECONDS = 480
KEYS = {
    "seconds", "phases", "systems", "contracts", "projects_active", "assignments_confirmed", "time_entries",
    "invoices", "billed", "revenue", "exceptions", "mess", "tie_out", "invariants",
}  # fmt: skip


@dataclass
class Home:
    """A home of its own, on a port of its own, and how the command is called there."""

    folder: Path
    port: int

    @property
    def demo(self) -> Path:
        return self.folder / "demo"

    def environment(self) -> dict[str, str]:
        left_out = ("TIEOUT_DATABASE_URL", "TIEOUT_WORKSPACE")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        return kept | {"TIEOUT_HOME": str(self.folder), "PORT": str(self.port)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tieout.cli", *arguments]
        return subprocess.Popen(
            command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        return process.returncode, out, err


@dataclass
class Played:
    """A finished run and what it said."""

    home: Home
    summary: Mapping[str, Any]
    said: str
    killed: int


@pytest.fixture
def home(tmp_path: Path) -> Home:
    tmp_path.chmod(0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Home(tmp_path, probe.getsockname()[1])


@pytest.mark.journey
def test_a_quarter_that_is_interrupted(home: Home) -> None:
    """One run for all that is asked of it: the demo is killed in its middle, then a worker, and it ends as it should."""
    played = play(home)
    for holds in (
        all_mess_is_absorbed_or_found, every_invariant_holds, the_summary_has_the_fixed_form,
        the_quarter_was_billed_once, the_tie_out_finds_the_document_that_is_not_ours, it_went_on_after_it_was_killed,
        nothing_runs_afterwards, people_can_sign_in_and_nobody_else_reads_how, other_commands_look_at_the_demo,
    ):  # fmt: skip
        holds(played)


def play(home: Home) -> Played:
    """The quarter, with the demo killed in its middle and a worker killed after that."""
    first = home.start("demo", "--once", "--json")
    _wait_for_stops(home, first, 3)
    first.kill()
    first.communicate()
    second = home.start("demo", "--once", "--json")
    _wait_for_stops(home, second, 5)
    worker = int((home.demo / "run" / "worker-1.pid").read_text())
    os.kill(worker, signal.SIGKILL)
    out, err = second.communicate(timeout=LONGEST_SECONDS)
    assert second.returncode == 0, err[-3000:] + _what_failed(out)
    return Played(home, json.loads(out), err, worker)


def _what_failed(out: str) -> str:
    summary = json.loads(out) if out.startswith("{") else {"mess": [], "invariants": []}
    missed = [one for one in summary["mess"] if one["outcome"] == "missed"]
    failed = [one for one in summary["invariants"] if one["status"] == "failed"]
    return json.dumps(missed + failed, indent=1) if missed + failed else out[-3000:]


def _wait_for_stops(home: Home, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        progress = Progress.read(home.demo / "progress.json")
        if progress is not None and len(progress.done) >= count:
            return
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.1)
    raise AssertionError(f"{count} stops were not reached in {LONGEST_SECONDS} s")


def all_mess_is_absorbed_or_found(played: Played) -> None:
    mess = played.summary["mess"]
    assert [one for one in mess if one["outcome"] == "missed"] == []
    assert {one["what"] for one in mess} == set(MESS)
    assert {one["where"]["kind"] for one in mess} == {"exception", "tie_out", "audit"}


def every_invariant_holds(played: Played) -> None:
    invariants = played.summary["invariants"]
    assert [one for one in invariants if one["status"] == "failed"] == []
    assert [one["invariant"] for one in invariants] == [f"I{number}" for number in range(1, 31)]


def the_summary_has_the_fixed_form(played: Played) -> None:
    summary = played.summary
    assert set(summary) == KEYS
    assert set(summary["systems"]) == {"salesforce", "kantata", "netsuite"}
    assert all(set(one) == {"read", "written", "calls"} for one in summary["systems"].values())
    assert all(min(one.values()) > 0 for one in summary["systems"].values())
    assert set(summary["invoices"]) == {"drafted", "released", "posted", "credited"}
    assert all(isinstance(amount, str) for amount in summary["billed"].values())


def the_quarter_was_billed_once(played: Played) -> None:
    summary = played.summary
    assert (summary["contracts"], summary["projects_active"]) == (12, 11)
    assert 3500 < summary["time_entries"] < 4500
    documents = summary["invoices"]
    assert documents["drafted"] == documents["released"] == documents["posted"] > 30
    assert documents["credited"] == 1
    assert Decimal(summary["billed"]["USD"]) == Decimal(summary["revenue"]["USD"]) > 1_000_000


def the_tie_out_finds_the_document_that_is_not_ours(played: Played) -> None:
    checks = {one["period"]: one for one in played.summary["tie_out"] if one["check"] == "billed"}
    assert sum(one["theirs_only"] for one in checks.values()) == 1
    assert sum(one["ours_only"] + one["different"] for one in checks.values()) == 0
    documents = played.summary["invoices"]
    assert sum(one["matched"] for one in checks.values()) == documents["posted"] + documents["credited"]


def it_went_on_after_it_was_killed(played: Played) -> None:
    assert "Going on with the unfinished run" in played.said
    with pytest.raises(ProcessLookupError):
        os.kill(played.killed, 0)


def nothing_runs_afterwards(played: Played) -> None:
    assert list((played.home.demo / "run").glob("*.pid")) == []


def people_can_sign_in_and_nobody_else_reads_how(played: Played) -> None:
    file = played.home.demo / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = json.loads(file.read_text())
    assert told["url"] == f"http://127.0.0.1:{played.home.port}"
    assert {person["role"] for person in told["people"]} == set(ROLES)
    assert all(set(person) == {"name", "role", "sign_in_url", "token"} for person in told["people"])


def other_commands_look_at_the_demo(played: Played) -> None:
    code, out, err = played.home.run("status", "--json")
    assert code == 0, err
    assert {one["name"] for one in json.loads(out)["connections"]} == {"salesforce", "kantata", "netsuite"}


def test_an_unknown_scale_is_refused(home: Home) -> None:
    code, out, err = home.run("demo", "--once", "--scale", "firm")
    assert (code, out) == (2, "")
    assert "does not exist yet" in err


def test_what_was_ordered_is_remembered(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json", Order(7))
    with progress.phase("start"):
        pass
    progress.finish("one")
    progress.finish("one")
    read = Progress.read(tmp_path / "progress.json")
    assert read is not None
    assert (read.order, read.done, read.finished) == (Order(7), ["one"], False)
    (tmp_path / "progress.json").write_text("{")
    assert Progress.read(tmp_path / "progress.json") is None


def test_stops_are_in_order_and_bill_each_month() -> None:
    stops = script(SCALES["small"])
    moments = [stop.moment for stop in stops]
    assert moments == sorted(moments)
    assert [stop.bill_through.isoformat() for stop in stops if stop.bill_through] == [
        "2026-01-31", "2026-02-28", "2026-03-31",
    ]  # fmt: skip
