"""Deaths at named points, in this process: what a kill leaves behind is what was committed before it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tieout.telemetry import failpoints


class Killed(BaseException):
    """The process died here; no handler of ours may see it."""


class Killing:
    """Lists the failpoints that a life passes, and ends a life at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, log: Path) -> None:
        self._patch, self._log = patch, log
        held = {
            name: getattr(os, name)
            for name in ("environ", "open", "write", "close", "O_WRONLY", "O_APPEND", "O_CREAT")
        }
        patch.setattr(failpoints, "os", SimpleNamespace(**held, _exit=self._die))

    def _die(self, status: int) -> None:
        self._patch.delenv("TIEOUT_FAILPOINT")
        raise Killed(status)

    def points_of(self, life: Callable[[], None]) -> list[str]:
        """The points that a whole life passes, each once, in order."""
        self._patch.setenv("TIEOUT_FAILPOINT_LOG", str(self._log))
        life()
        self._patch.delenv("TIEOUT_FAILPOINT_LOG")
        return list(dict.fromkeys(self._log.read_text().split()))

    def kill_at(self, point: str, life: Callable[[], None], recover: Callable[[], None]) -> None:
        """Live until the first hit of the point, recover, and live the whole life (again)."""
        failpoints._hits.clear()
        self._patch.setenv("TIEOUT_FAILPOINT", f"{point}:1")
        with pytest.raises(Killed):
            life()
        recover()
        life()
