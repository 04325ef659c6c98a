"""The real command on a database with a small firm (tests/hub/verified.py)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.hub import verified
from tieout.cli import main
from tieout.store.database import plain_url

PAT, ANN, BOB, EVE = (f"{name}@example.com" for name in ("pat", "ann", "bob", "eve"))


class Desk:
    """Runs commands in this process; `--json` is added and read."""

    def __init__(self, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        self.engine, self._capsys = engine, capsys
        with engine.begin() as conn:
            self.invoice = verified.build(conn)

    def __call__(self, *arguments: str) -> tuple[int, Any]:
        """Exit code and the one JSON value."""
        code, out, _ = self.shown(*arguments, "--json")
        return code, json.loads(out)

    def shown(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = self._capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, said.out, said.err


def open_desk(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Any
) -> Desk:
    """A desk on this database, at a home of this test."""
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))
    monkeypatch.setenv("TIEOUT_HOME", str(home))
    return Desk(engine, capsys)
