"""`python -m benchmarks [--full] [--only NAME]`: run the measures, append to RESULTS.md, end with the table."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import measures
from benchmarks.measurement import Measurement

RESULTS = Path(__file__).parent / "RESULTS.md"
HEADER = "| measure | value | ratio | goal | ok |\n| --- | --- | --- | --- | --- |\n"


def main() -> int:
    """1 when a goal was missed or a measure failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--full", action="store_true", help="the large sizes, without a limit of time")
    parser.add_argument("--only", help="one measure, by the name of its file")
    told = parser.parse_args()
    names = [module.name for module in pkgutil.iter_modules(measures.__path__)]
    found: list[Measurement] = []
    for name in names if told.only is None else [told.only]:
        sys.stderr.write(f"{name} …\n")
        found += importlib.import_module(f"benchmarks.measures.{name}").run(told.full)
    table = HEADER + "".join(row(one) for one in found)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n## {machine()}{' · full' if told.full else ''}\n\n{table}")
    sys.stdout.write(table)
    return 0 if all(one.ok for one in found) else 1


def row(one: Measurement) -> str:
    """One line of the table."""
    goal = f"{'≥' if one.higher_is_better else '≤'} {one.goal:g}"
    return f"| {one.measure} | {one.value} | {one.ratio:.2f} | {goal} | {'yes' if one.ok else 'no'} |\n"


def machine() -> str:
    """When, on what, of which commit, and how busy the machine was."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False,
        cwd=RESULTS.parent,
    )  # fmt: skip
    moment = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{moment} · {told.stdout.strip() or 'no commit'} · {platform.machine()}, {os.cpu_count()} cores, {load}"


if __name__ == "__main__":
    sys.exit(main())
