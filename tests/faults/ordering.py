"""Ordering deaths from player processes, and what they answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Answer:
    """Deaths that were survived, what was wrong, and every point there is."""

    survived: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    points: set[str] = field(default_factory=set)
    caught: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    whole: bool = False

    def take(self, told: Mapping[str, Any]) -> None:
        """One line of an answer."""
        match told:
            case {"point": str(point)}:
                self.survived.append(point)
            case {"violation": str(what)}:
                self.violations.append(what)
            case {"caught": str(name)}:
                self.caught.append(name)
            case {"missed": str(name)}:
                self.missed.append(name)
            case {"points": list(points)}:
                self.points, self.whole = set(points), True


class Player:
    """A process of its own that carries out one order."""

    def __init__(self, folder: Path, program: str = "player", **order: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "player.log"
        told = {**order, "folder": str(folder)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"tests.faults.{program}", json.dumps(told)], cwd=ROOT, text=True,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def answer(self) -> Answer:
        """Wait for everything it has to say."""
        answer = Answer()
        for line in self._process.stdout or ():
            answer.take(json.loads(line))
        if self._process.wait() or not answer.whole:
            answer.violations.append(f"the player broke: {self._log.read_text()[-2000:]}")
        return answer
