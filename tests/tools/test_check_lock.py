"""`make check` notices a dependency that was changed without `make lock`."""

from __future__ import annotations

import pytest
from tools.check_lock import ROOT, findings

PROJECT = """
[project]
dependencies = ["Alembic>=1.16", "psycopg[binary]>=3.2,<4"]
[dependency-groups]
dev = ["ruff"]
"""
LOCK = "alembic==1.20.1 \\\n    --hash=sha256:00\npsycopg[binary]==3.3.9 \\\n    --hash=sha256:00\nruff==0.14.0 \\\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("", ""), []),
        (("alembic==1.20.1", "alembic==1.15.0"), ["Alembic 1.15.0"]),
        (("ruff==0.14.0", "rough==0.14.0"), ["ruff None"]),
        (("3.3.9", "4.0"), ["psycopg 4.0"]),
    ],
)
def test_a_lock_that_does_not_answer_is_named(change: tuple[str, str], said: list[str]) -> None:
    found = findings(PROJECT, LOCK.replace(*change) if change[0] else LOCK)
    assert len(found) == len(said)
    assert all(text in line and "make lock" in line for text, line in zip(said, found, strict=True))


def test_every_locked_file_has_a_hash_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = [block for block in lock.split("\n") if "==" in block and not block.startswith(" ")]
    assert all(line.endswith("\\") for line in pins), "a pin without hashes"
    assert "://" not in lock
