"""Queues are looked at quickly while there is work and seldom after a rest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tieout.flows.durable import QUEUES
from tieout.flows.workers import pace
from tieout.flows.workers.pace import QUICK_SECONDS, REST_AFTER_SECONDS, SELDOM_SECONDS, Pace


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """What the engine is asked: (queue, seconds)."""
    found: list[tuple[str, float]] = []

    def retrieve(name: str) -> SimpleNamespace:
        return SimpleNamespace(set_polling_interval_sec=lambda seconds: found.append((name, seconds)))

    monkeypatch.setattr(pace, "DBOS", SimpleNamespace(retrieve_queue=retrieve))
    return found


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let real time pass."""
    now = pace.time.monotonic()
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now + seconds))


def test_a_rest_slows_every_queue_once_and_work_quickens_them(
    asked: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Pace()
    kept.nothing_found()
    assert (asked, kept.seconds) == ([], QUICK_SECONDS), "a moment without work is no rest"
    later(monkeypatch, REST_AFTER_SECONDS + 1)
    kept.nothing_found()
    kept.nothing_found()
    assert asked == [(name, SELDOM_SECONDS) for name in QUEUES]
    assert kept.seconds == SELDOM_SECONDS
    kept.work_found()
    assert asked[len(QUEUES) :] == [(name, QUICK_SECONDS) for name in QUEUES]
    assert kept.seconds == QUICK_SECONDS
