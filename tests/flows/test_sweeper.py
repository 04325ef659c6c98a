"""The chores that one worker does for all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine

from tests.hub.builders import MOMENT
from tieout.bootstrap import Settings
from tieout.flows.environment import Environment
from tieout.flows.workers.engine import Engine as DurableEngine
from tieout.flows.workers.sweeper import Sweeper
from tieout.hub import audit
from tieout.store import clock


class Resting:
    """A durable engine that has nothing to do."""

    def of(self, ids: Any) -> dict[str, Any]:
        """No runs."""
        return {}

    def tidy(self) -> None:
        """Nothing to tidy."""


def test_the_chores_write_a_signed_checkpoint_of_each_business_day(engine: Engine, tmp_path: Path) -> None:
    """Two workers after each other, each with sweeps enough; the chain verifies against every line."""
    settings = Settings(tmp_path)
    with engine.begin() as conn:
        clock.set_now(conn, MOMENT)
        audit.record(conn, "tieout", "test", "thing", "1")
    for _ in range(3):
        for slot in (1, 2):
            sweeper = Sweeper(Environment(engine, settings), cast(DurableEngine, Resting()), slot)
            for _ in range(7):
                sweeper.sweep([])
        with engine.begin() as conn:
            clock.set_now(conn, clock.now(conn) + timedelta(days=1))
    file, key = audit.checkpoints_in(settings.audit_folder)
    assert file is not None
    assert len(file.read_text().splitlines()) == 3
    with engine.begin() as conn:
        assert audit.verify(conn, file, key).findings == ()
