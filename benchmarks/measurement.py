"""What a measure answers, and the small helpers that measures share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tieout.store.postgres import EmbeddedPostgres


@dataclass(frozen=True)
class Measurement:
    """A figure of ours with its unit, its ratio to the baseline of the same run, and the ratio that is the goal.

    `higher_is_better` False: the goal is the most that the ratio may be.
    """

    measure: str
    value: str
    ratio: float
    goal: float
    higher_is_better: bool = True

    @property
    def ok(self) -> bool:
        """Whether the goal is met."""
        return self.ratio >= self.goal if self.higher_is_better else self.ratio <= self.goal


@contextmanager
def server() -> Iterator[tuple[EmbeddedPostgres, Path]]:
    """A PostgreSQL of its own in a folder of its own; both go at the end."""
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        found = EmbeddedPostgres(folder / "postgres")
        found.start()
        try:
            yield found, folder
        finally:
            found.stop()


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of a line through the points, least squares; of logarithms, the exponent of growth."""
    mid_x, mid_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mid_x) * (b - mid_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mid_x) ** 2 for a in x)
