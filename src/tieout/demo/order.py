"""What was ordered, and how far a run of it came: one small file, written after each step that was settled."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Scale:
    """The size of a firm."""

    workers: int
    months: int


SCALES = {"small": Scale(workers=30, months=3)}
LARGEST = "small"
SEED = 1


@dataclass(frozen=True)
class Order:
    """Which firm is played. The same order gives the same quarter."""

    seed: int = SEED
    scale: str = LARGEST

    @property
    def size(self) -> Scale:
        """How large the firm is."""
        return SCALES[self.scale]


@dataclass
class Progress:
    """How far a run came. Every step may be repeated, so a file that is one step behind does no harm."""

    file: Path
    order: Order
    done: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    finished: bool = False

    @classmethod
    def read(cls, file: Path) -> Progress | None:
        """What the last run left; None when there is none, or its file is unreadable."""
        try:
            told: dict[str, Any] = json.loads(file.read_text())
            return cls(file, Order(**told["order"]), told["done"], told["phases"], told["finished"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self) -> None:
        """Keep it, whole or not at all."""
        told = {
            "order": asdict(self.order), "done": self.done, "finished": self.finished,
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
        }  # fmt: skip
        new = self.file.with_suffix(".new")
        with new.open("w") as output:
            json.dump(told, output)
            output.flush()
            os.fsync(output.fileno())
        new.replace(self.file)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds of a phase; a phase that is entered again adds up."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - begun

    def finish(self, step: str) -> None:
        """The step is settled."""
        if step not in self.done:
            self.done.append(step)
        self.write()
