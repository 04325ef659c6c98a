"""`status` and `doctor` on a real server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text

from tieout.cli import main
from tieout.hub.verify.case import LEFT_BEHIND
from tieout.store.clock import now, set_now
from tieout.store.database import plain_url
from tieout.store.tables import connection, work


def answer_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
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
    assert {c["check"] for c in answer} == {"python", "home folder", "disk space", "port", "database"}


def test_doctor_looks_into_a_database_that_is_set_up(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A home that others can read keeps nothing else from being checked."""
    tmp_path.chmod(0o755)
    monkeypatch.setenv("TIEOUT_HOME", str(tmp_path))
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))
    monkeypatch.setenv("PORT", "18232")
    _, answer = answer_of(capsys, "doctor")
    assert [c["check"] for c in answer if not c["ok"]] == ["home folder"]
    assert {"clock", "migrations", "connections", "stuck work"} <= {c["check"] for c in answer}
    with engine.begin() as conn:
        conn.execute(
            insert(connection).values(
                name="crm", connector="salesforce", state="attention", state_detail="no", config={}
            )
        )
        conn.execute(
            insert(connection).values(
                name="old", connector="kantata", state="attention", enabled=False, config={}
            )
        )
        moment = now(conn)
        row = {"kind": "sync", "requested": 2, "started": 1, "done": 1, "updated_at": moment}
        conn.execute(insert(work).values(key="crm/Fails", attempts=8, due_at=moment, **row))
        conn.execute(insert(work).values(key="crm/Waits", attempts=7, due_at=moment, **row))
        conn.execute(insert(work).values(key="crm/Late", due_at=moment - LEFT_BEHIND * 2, **row))
    monkeypatch.setattr("tieout.cli.doctor.MOST_SECONDS_APART", -1.0)
    _, answer = answer_of(capsys, "doctor")
    remedies = {c["check"]: c["remedy"] for c in answer if not c["ok"]}
    assert set(remedies) == {"home folder", "clock", "connections", "stuck work"}
    assert remedies["connections"] == "crm: no. Run: tieout connections test crm."
    assert "2 pieces" in remedies["stuck work"]
    assert "sync crm/Fails, sync crm/Late" in remedies["stuck work"]
    with engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    _, answer = answer_of(capsys, "doctor")
    assert "0000" in next(c["remedy"] for c in answer if c["check"] == "migrations")


@pytest.mark.parametrize(
    ("says", "ok"), [(b'{"status": "up", "version": "0.1.0"}', True), (b"[1]", False), (b"no", False)]
)
def test_the_port_is_taken_unless_our_own_web_door_has_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    says: bytes, ok: bool,
) -> None:  # fmt: skip
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(says)

    with HTTPServer(("127.0.0.1", 0), Door) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        monkeypatch.setenv("TIEOUT_HOME", str(tmp_path))
        monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))
        monkeypatch.setenv("PORT", str(door.server_port))
        _, answer = answer_of(capsys, "doctor")
        door.shutdown()
    assert [c["ok"] for c in answer if c["check"] == "port"] == [ok]
