"""Fail when requirements.lock does not answer pyproject.toml: a dependency was added or bounded without `make lock`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def findings(project: str, lock: str) -> list[str]:
    """One line for each requirement of `project` (pyproject text) that `lock` lacks or pins outside its bounds."""
    stated = tomllib.loads(project)
    wanted = stated["project"]["dependencies"] + stated["dependency-groups"]["dev"]
    pinned = {
        canonicalize_name(n): v
        for n, v in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^ ;\\]+)", lock, re.M)
    }
    found = []
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found.append(
                f"requirements.lock has {requirement.name} {version}, wanted {requirement}: run make lock"
            )
    return found


if __name__ == "__main__":
    found = findings((ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text())
    sys.stderr.writelines(f"{line}\n" for line in found)
    sys.exit(1 if found else 0)
