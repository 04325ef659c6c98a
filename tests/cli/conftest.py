"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.cli.desk import Desk, open_desk


@pytest.fixture
def desk(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """Commands on the small firm: 10 h billed of contract K-1, 2 h stuck in no project."""
    return open_desk(engine, monkeypatch, capsys, tmp_path)
