"""Both flows survive a death at the first hit of every failpoint: the same figures, the same target ledgers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.ordering import Player

SHARES = 3
FOLLOWED = 9
"""Every ninth death is followed to the end of the story. After the others figures and target ledgers are compared with the
undisturbed story at the end of their stage, from where it goes on as it did without them. `make faults` takes also the
second and last hit of each point, in every stage."""
AREAS = (
    "setup", "rating", "billing", "posting", "settlement", "status_back", "outbox", "crosswalk", "intake", "inbox",
    "hints", "durable", "flows", "events", "audit", "books", "tie_out", "exceptions", "work", "canonical",
)  # fmt: skip


@pytest.mark.parametrize("share", range(SHARES))
def test_whoever_dies_at_the_first_hit_of_a_failpoint_ends_in_the_same_figures_and_ledgers(
    share: int, admin_url: str, migrated_template: str, database_name: Callable[[], str], tmp_path: Path
) -> None:
    """Play the smallest firm once undisturbed; then once for each point of this share with a death there."""
    answer = Player(
        tmp_path / "player", admin=admin_url, migrated=migrated_template, name=database_name(), form="short",
        share=[share, SHARES], every=FOLLOWED,
    ).answer()  # fmt: skip
    assert answer.violations == []
    assert {point.split(".")[0] for point in answer.points} >= set(AREAS)
    assert len(answer.survived) >= len(answer.points) // SHARES
