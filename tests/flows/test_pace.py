"""The work table is looked at quickly while there is work and seldom after a rest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tieout.flows.workers import pace
from tieout.flows.workers.pace import QUICK_SECONDS, REST_AFTER_SECONDS, SELDOM_SECONDS, Pace


def test_a_rest_slows_the_looks_and_work_quickens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Pace()
    assert kept.seconds == QUICK_SECONDS, "a moment without work is no rest"
    now = pace.time.monotonic() + REST_AFTER_SECONDS + 1
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now))
    assert kept.seconds == SELDOM_SECONDS
    kept.work_found()
    assert kept.seconds == QUICK_SECONDS
