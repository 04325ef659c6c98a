"""What is wrong with a workspace: where, what was seen, what was expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to put right; `file` is relative to the folder, `line` counts from 1 (a row of a price list)."""

    file: str
    line: int
    key: str
    seen: str
    expected: str
    remedy: str = ""

    @property
    def place(self) -> str:
        """`file:line`, as editors open it."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return f"{self.place}: {where}{self.seen}; {self.expected}." + (
            f" {self.remedy}" if self.remedy else ""
        )
