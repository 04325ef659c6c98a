"""What holds for every command: help without a server, one JSON value, exit codes, errors that say what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tieout.bootstrap import Misconfigured, Settings
from tieout.cli import COMMANDS, load_command, main
from tieout.cli.up import wait_for_web
from tieout.processes import Program, Supervisor


def run(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A real `tieout` process on a home of this test."""
    return subprocess.run(
        [sys.executable, "-m", "tieout.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "TIEOUT_HOME": str(home), "TIEOUT_DATABASE_URL": "", **environment},
        check=False,
    )


def leaves(name: str) -> list[tuple[str, ...]]:
    """The runnable commands under a top-level name."""
    command = load_command(name)
    return [(name, sub) for sub in command.commands] if hasattr(command, "commands") else [(name,)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path in leaves(name):
        with pytest.raises(SystemExit) as ended:
            main([*path, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert "Example: " in shown, f"tieout {' '.join(path)} --help shows no example: set epilog="


def test_help_imports_no_database_engine_or_web_library() -> None:
    """`tieout --help` must be fast and work with no server."""
    code = (
        "import sys\nfrom tieout.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'dbos', 'fastapi', 'nicegui', 'polars', 'httpx'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wrong_command_or_option_is_a_usage_error(tmp_path: Path) -> None:
    assert run("nonsense", home=tmp_path).returncode == 2
    assert run("status", "--nonsense", home=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error_code", "said"),
    [
        (["status", "--bogus"], 2, "TIE-101", "--bogus"),
        (["nonsense"], 2, "TIE-101", "nonsense"),
        (["trace"], 2, "TIE-101", "argument"),
        (["rates", "import", "/nonexist", "--card", "X"], 2, "TIE-104", "/nonexist"),
        (["scenario", "run", "/nonexist"], 2, "TIE-104", "/nonexist"),
        (["scenario", "check", "/nonexist"], 2, "TIE-104", "/nonexist"),
        (["demo", "--scale", "firm"], 2, "TIE-101", "firm"),
        (["exceptions", "replay", "--as", "a@b.example"], 2, "TIE-101", "--kind"),
        (["status"], 3, "TIE-503", "does not answer"),
    ],
)
def test_with_json_a_failure_too_is_one_value_on_stdout(
    tmp_path: Path, arguments: list[str], exit_code: int, error_code: str, said: str
) -> None:
    address = "postgresql://x:secret@127.0.0.1:1/x" if exit_code == 3 else ""
    done = run(*arguments, "--json", home=tmp_path, TIEOUT_DATABASE_URL=address)
    answer = json.loads(done.stdout)
    assert (done.returncode, set(answer), answer["error"]["code"]) == (exit_code, {"error"}, error_code)
    assert set(answer["error"]) == {"code", "message", "remedy", "fields"}
    assert said in answer["error"]["message"]
    assert done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_something_broken_is_one_value_too_and_stays_loud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise KeyError("a broken invariant")

    monkeypatch.setattr("tieout.cli.status.existing_database", broken)
    with pytest.raises(KeyError):
        main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "TIE-500"


def test_with_nothing_set_up_a_reading_command_says_what_to_run_and_makes_nothing(tmp_path: Path) -> None:
    done = run("status", "--json", home=tmp_path / "home")
    assert done.returncode == 3
    assert "tieout demo" in json.loads(done.stdout)["error"]["message"]
    assert "tieout demo" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PORT": "http"}, "PORT is 'http'"),
        ({"TIEOUT_DATABASE_URL": "not a url"}, "TIEOUT_DATABASE_URL"),
        ({"TIEOUT_DATABASE_URL": "postgresql://x:se%23cret@127.0.0.1:1/x"}, "TIEOUT_DATABASE_URL"),
    ],
)
def test_a_wrong_environment_is_explained_without_a_traceback(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    done = run("status", home=tmp_path, **environment)
    assert done.returncode == 3
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "se#cret" not in done.stderr
    assert "se%23cret" not in done.stderr


def test_up_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = run("up", home=tmp_path / "home", PORT=str(other.getsockname()[1]))
    assert done.returncode == 3
    assert "PORT=" in done.stderr
    assert not (tmp_path / "home").exists()


def test_up_says_why_the_web_door_does_not_start(tmp_path: Path) -> None:
    """A web door that ends at once: `up` stops with its last words instead of waiting for ever."""
    settings = Settings(tmp_path / "home", database_url="postgresql://not-used")
    dying = Program("web", [sys.executable, "-S", "-c", "raise SystemExit('no certificate')"])
    with Supervisor(settings) as supervisor:
        supervisor.add(dying)
        with pytest.raises(Misconfigured, match="no certificate"):
            wait_for_web(replace(settings, port=1), supervisor, threading.Event().wait)


@pytest.mark.parametrize("file", ["no\udcfftext", "x" * 5000, "a\nb", "/nonexistent/x.yaml"])
def test_a_file_that_cannot_be_named_is_said_and_not_a_traceback(tmp_path: Path, file: str) -> None:
    """An argument need not be text, nor a name that a file can have."""
    done = run("scenario", "check", file, home=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert done.stderr
