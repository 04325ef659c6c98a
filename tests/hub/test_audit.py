"""The audit chain: every row sealed once, every kind of tampering named (F83)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from tests.hub.builders import prepare
from tieout.hub import audit
from tieout.store import clock

KEY = b"k" * 32


@pytest.fixture
def chain(conn: Connection) -> Connection:
    """Ten sealed rows, in a database whose administrator took the guards away."""
    prepare(conn)
    for table in ("audit", "audit_seal"):
        conn.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    for number in range(10):
        audit.record(
            conn, "tieout", "test", "thing", f"T-{number}", detail={"n": number, "odd": "a\x00b\ud800"}
        )
    assert audit.seal(conn) == 10
    return conn


def test_a_whole_chain_verifies_and_shows_its_tail(chain: Connection, tmp_path: Path) -> None:
    audit.checkpoint(chain, tmp_path / "marks", KEY)
    audit.record(chain, "tieout", "test", "thing", "late")
    assert audit.verify(chain, tmp_path / "marks", KEY) == audit.Verification(10, 1, ())
    assert audit.seal(chain) == 1
    assert audit.seal(chain) == 0


TAMPERING = {
    "edited": ("UPDATE audit SET actor = 'mallory' WHERE key = 'T-4'", 5, "not the one that was sealed"),
    "edited count": ("UPDATE audit SET rows = 2 WHERE key = 'T-0'", 1, "not the one that was sealed"),
    "edited digest": ("UPDATE audit SET digest = 'x' WHERE key = 'T-9'", 10, "not the one that was sealed"),
    "deleted": ("DELETE FROM audit_seal WHERE position = 6", 6, "is missing"),
    "reordered": (
        "UPDATE audit a SET detail = b.detail, key = b.key FROM audit b"
        " WHERE (a.key, b.key) IN (('T-2', 'T-3'), ('T-3', 'T-2'))", 3, "not the one that was sealed"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERING)
def test_the_first_bad_row_is_named(chain: Connection, name: str) -> None:
    statement, position, what = TAMPERING[name]
    chain.execute(text(statement))
    (finding,) = audit.verify(chain).findings
    assert finding.position == position
    assert what in finding.what


def test_a_cut_tail_and_a_rewritten_chain_are_seen_by_the_checkpoint(
    chain: Connection, tmp_path: Path
) -> None:
    """Both leave a chain that verifies by itself."""
    marks = tmp_path / "marks"
    audit.checkpoint(chain, marks, KEY)
    with chain.begin_nested() as savepoint:
        chain.execute(text("DELETE FROM audit_seal WHERE position > 7"))
        chain.execute(text("DELETE FROM audit WHERE key IN ('T-7', 'T-8', 'T-9')"))
        assert audit.verify(chain).findings == ()
        (cut,) = audit.verify(chain, marks, KEY).findings
        assert "the chain was cut" in cut.what
        savepoint.rollback()
    chain.execute(text("DELETE FROM audit_seal"))
    chain.execute(text("UPDATE audit SET actor = 'mallory' WHERE key = 'T-1'"))
    assert audit.seal(chain) == 10
    assert audit.verify(chain).findings == ()
    (rewritten,) = audit.verify(chain, marks, KEY).findings
    assert "rewritten" in rewritten.what


def test_a_checkpoint_with_another_key_is_not_believed(chain: Connection, tmp_path: Path) -> None:
    audit.checkpoint(chain, tmp_path / "marks", b"other")
    assert [f.what for f in audit.verify(chain, tmp_path / "marks", KEY).findings] == [
        "checkpoint line 1 is not signed with this key"
    ]


def test_one_checkpoint_a_business_day_whoever_asks(engine: Engine, tmp_path: Path) -> None:
    """Two chore workers at once and many sweeps write one line; the next day has its own; both are signed."""
    folder = tmp_path / "audit"
    with engine.begin() as conn:
        prepare(conn)
        assert audit.checkpoint_of_day(conn, folder) is None, "nothing is sealed yet"
        audit.record(conn, "tieout", "test", "thing", "1")
    with engine.begin() as first, engine.begin() as second:
        assert audit.seal(first) == 1
        assert audit.checkpoint_of_day(first, folder) is not None
        assert audit.checkpoint_of_day(second, folder) is None, "another one is at it"
    for _ in range(2):
        with engine.begin() as conn:
            audit.seal(conn)
            assert audit.checkpoint_of_day(conn, folder) is None, "this day has its own"
    with engine.begin() as conn:
        clock.set_now(conn, clock.now(conn) + timedelta(days=1))
        line = audit.checkpoint_of_day(conn, folder)
        assert line is not None
        assert line["count"] == 2, "the first checkpoint is in the chain, too"
        file, key = audit.checkpoints_in(folder)
        assert file is not None
        assert len(file.read_text().splitlines()) == 2
        assert audit.verify(conn, file, key).findings == ()
        assert audit.verify(conn, file, b"other").findings != ()
    assert {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())} == {
        "audit": 0o700, "checkpoints.key": 0o600, "checkpoints.jsonl": 0o600,
    }  # fmt: skip


def test_without_a_checkpoint_there_is_no_file_and_no_key(tmp_path: Path) -> None:
    assert audit.checkpoints_in(tmp_path) == (None, None)


def test_late_commits_and_rolled_back_numbers_leave_no_hole(engine: Engine) -> None:
    """A row that commits after a younger one was sealed is sealed next; a roll-back's number is never missed."""
    with engine.connect() as slow, engine.connect() as quick, engine.connect() as sealer:
        audit.record(slow, "tieout", "slow", "thing", "1")
        audit.record(quick, "tieout", "undone", "thing", "2")
        quick.rollback()
        audit.record(quick, "tieout", "quick", "thing", "3")
        quick.commit()
        assert audit.seal(sealer) == 1
        sealer.commit()
        slow.commit()
        assert audit.seal(sealer) == 1
        sealer.commit()
        assert audit.verify(sealer) == audit.Verification(2, 0, ())


def test_only_one_sealer_works_at_a_time(engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as second:
        audit.record(first, "tieout", "test", "thing", "1")
        first.commit()
        assert audit.seal(first) == 1
        assert audit.seal(second) == 0
