"""Write docs/api/openapi.json and docs/api/asyncapi.yaml from the code; `--check` only says whether they are current.

A change that breaks those who use the last one is refused unless the version of the package says so.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tools.breaking import allowed, asyncapi_breaks, openapi_breaks
from tools.corrections import uncorrected

from tieout.api.app import create_app
from tieout.api.contract import asyncapi
from tieout.bootstrap import read_settings

ROOT = Path(__file__).parents[1]
OPENAPI, ASYNCAPI = ROOT / "docs/api/openapi.json", ROOT / "docs/api/asyncapi.yaml"
REMEDY = "Run .venv/bin/python -m tools.contracts and commit what it writes."


def openapi() -> dict[str, Any]:
    """The OpenAPI document of this code."""
    return create_app(read_settings({}), console=False).openapi()


def documents() -> dict[Path, str]:
    """File -> the text it should have; the same code gives the same bytes."""
    yaml = YAML()
    yaml.default_flow_style, yaml.width = False, 4096
    written = io.StringIO()
    yaml.dump(json.loads(json.dumps(asyncapi())), written)
    text = json.dumps(openapi(), indent=1, ensure_ascii=False)
    return {OPENAPI: text + "\n", ASYNCAPI: written.getvalue()}


def stale(wanted: dict[Path, str]) -> list[str]:
    """One line for each file that is not what the code says."""
    return [
        f"{path.relative_to(ROOT)} is not what the code says. {REMEDY}"
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def breaking(wanted: dict[Path, str]) -> list[str]:
    """What the code takes away from the committed files, when its version does not allow that."""
    found = []
    for path, compare in ((OPENAPI, openapi_breaks), (ASYNCAPI, asyncapi_breaks)):
        if path.exists():
            old, new = read(path, path.read_text(encoding="utf-8")), read(path, wanted[path])
            if not allowed(old["info"]["version"], new["info"]["version"]):
                found += uncorrected(compare(old, new))
    return found


def read(path: Path, text: str) -> dict[str, Any]:
    """A document from its text."""
    value: dict[str, Any] = json.loads(text) if path.suffix == ".json" else YAML(typ="safe").load(text)
    return value


def main(check: bool) -> int:
    """Exit code: 1 when something is not current or breaks."""
    wanted = documents()
    found = breaking(wanted)
    found += stale(wanted) if check else []
    if found:
        sys.stderr.writelines(f"{line}\n" for line in found)
        return 1
    if not check:
        for path, text in wanted.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
