"""Answers that the API gives and the command line prints in the same shape; needs no web library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tieout.hub.exceptions import Replayed


def replays(plans: Sequence[Replayed], dry_run: bool) -> dict[str, Any]:
    """What a replay of exceptions set in motion, or would."""
    shown = [
        {"exception": plan.exception, "kind": plan.kind, "key": plan.key, "facts": len(plan.inbox),
         "intents": len(plan.intents), "work": [list(piece) for piece in plan.work]}
        for plan in plans
    ]  # fmt: skip
    return {"dry_run": dry_run, "replays": shown}
