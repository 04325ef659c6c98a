"""A worker that is killed again and again ends in the same figures and target ledgers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults.ordering import Player

SEED, DEATHS = 20260102, 20


def test_a_worker_killed_at_twenty_seeded_moments_ends_in_the_same_figures_and_ledgers(
    admin_url: str, migrated_template: str, database_name: Callable[[], str], tmp_path: Path
) -> None:
    """Real workers with the durable engine on one slot; SIGKILL after a seeded number of points that each passed."""
    answer = Player(
        tmp_path / "lives", "lives", admin=admin_url, migrated=migrated_template, name=database_name(),
        seed=SEED, deaths=DEATHS,
    ).answer()  # fmt: skip
    assert answer.violations == []
    assert answer.survived == [f"{DEATHS} of {DEATHS} deaths, seed {SEED}"]
