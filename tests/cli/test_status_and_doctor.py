"""`status` and `doctor` on a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from tieout.cli import main
from tieout.store.clock import now, set_now
from tieout.store.database import plain_url
from tieout.store.tables import connection


def answer_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, object]:
    """Exit code and the JSON value of a command run in this process."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_status_counts_what_waits_and_how_far_a_connection_lags(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIEOUT_HOME", str(tmp_path))
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))
    with engine.begin() as conn:
        moment = now(conn)
        set_now(conn, moment)
        conn.execute(
            insert(connection).values(
                name="netsuite",
                connector="netsuite",
                config={},
                last_synced_at=moment.replace(microsecond=0),
                budget_per_minute=60,
            )
        )
    code, answer = answer_of(capsys, "status")
    assert code == 0
    assert isinstance(answer, dict)
    assert set(answer) == {"database", "workers", "connections", "inbox", "outbox", "exceptions"}
    [shown] = answer["connections"]
    assert shown == {"name": "netsuite", "ok": True, "lag_seconds": 0, "budget_left": 60, "detail": None}
    assert answer["inbox"] == {"new": 0, "held": 0, "refused": 0}
    assert answer["exceptions"] == []
    password = engine.url.password
    assert password
    assert password not in json.dumps(answer)


def test_doctor_on_an_empty_machine_checks_all_and_sets_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TIEOUT_HOME", str(home))
    monkeypatch.setenv("PORT", "18231")
    monkeypatch.delenv("TIEOUT_DATABASE_URL", raising=False)
    code, answer = answer_of(capsys, "doctor")
    assert code == 0, answer
    assert isinstance(answer, list)
    assert {"python", "home folder", "disk space", "port", "database", "fsync"} <= {
        c["check"] for c in answer
    }
    assert list(home.iterdir()) == []


def test_doctor_names_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setenv("TIEOUT_HOME", str(tmp_path))
    monkeypatch.setenv("TIEOUT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    code, answer = answer_of(capsys, "doctor")
    assert code == 1
    assert isinstance(answer, list)
    remedies = {check["check"]: check["remedy"] for check in answer if not check["ok"]}
    assert remedies["home folder"].endswith(f"chmod 700 {tmp_path}")
    assert "TIEOUT_DATABASE_URL" in remedies["database"]
