"""Named points at every boundary where a crash test may kill the process; a no-op in ordinary use.

`TIEOUT_FAILPOINT="name:hit"` ends the process at that hit of that point, as `kill -9` would (status 137).
`TIEOUT_FAILPOINT_LOG=path` appends the name of every point that is passed, so that a test can list them all.
"""

from __future__ import annotations

import os
from collections import Counter

_hits: Counter[str] = Counter()


def fp(name: str) -> None:
    """Pass the point `name`, or die here when the environment says so."""
    target = os.environ.get("TIEOUT_FAILPOINT")
    log = os.environ.get("TIEOUT_FAILPOINT_LOG")
    if target is None and log is None:
        return
    _hits[name] += 1
    if log:
        _append(log, name)
    if target and _is_hit(target, name):
        os._exit(137)


def _append(path: str, name: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{name}\n".encode())
    finally:
        os.close(descriptor)


def _is_hit(target: str, name: str) -> bool:
    wanted, _, hit = target.rpartition(":")
    if not wanted:
        wanted, hit = target, "1"
    return wanted == name and _hits[name] == int(hit)
