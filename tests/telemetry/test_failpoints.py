"""Failpoints do nothing unless asked, log each pass, and end the process at the hit that was named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = "from tieout.telemetry.failpoints import fp\nfor _ in range(3):\n    fp('a'); fp('b.c')\n"


def run(**more: str) -> int:
    return subprocess.run([sys.executable, "-c", CODE], env={**os.environ, **more}, check=False).returncode


def test_the_named_hit_ends_the_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(TIEOUT_FAILPOINT="b.c:2", TIEOUT_FAILPOINT_LOG=str(log)) == 137
    assert log.read_text().split() == ["a", "b.c", "a", "b.c"]
    assert run(TIEOUT_FAILPOINT="b.c:4") == 0
    assert run() == 0
