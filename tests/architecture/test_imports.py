"""Who may import whom, one parametrised case per file, with messages that say where the code belongs instead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FILES = sorted((SOURCE / "tieout").rglob("*.py"))
SYSTEMS = sorted(p.parent.name for p in (SOURCE / "tieout" / "connectors").glob("*/manifest.yaml"))

IO_LIBRARIES = {
    "httpx", "requests", "socket", "sqlalchemy", "psycopg", "adbc_driver_postgresql", "dbos", "fastapi", "nicegui",
    "typer", "subprocess", "os", "pathlib", "shutil", "tempfile", "logging", "structlog",
}  # fmt: skip
SQL_LIBRARIES = {"sqlalchemy", "psycopg", "adbc_driver_postgresql", "alembic"}

ALLOWED: dict[str, set[str]] = {
    "model": {"model"},
    "domain": {"domain", "model"},
    "telemetry": {"telemetry", "model"},
    "store": {"store", "model", "telemetry"},
    "connectors": {"connectors", "model"},
    "sandbox": {"sandbox", "model"},
    "hub": {"hub", "store", "domain", "model", "telemetry", "connectors"},
    "documents": {"documents", "domain", "model"},
    "workspace": {"workspace", "hub", "store", "domain", "model", "telemetry", "connectors"},
    "flows": {
        "flows",
        "hub",
        "documents",
        "workspace",
        "store",
        "domain",
        "model",
        "telemetry",
        "connectors",
        "bootstrap",
    },
}
"""Part -> the parts it may import. Doors (api, console, cli, scenario) may import all of them."""

ADVICE = {
    "model": "model/ knows no other part: move what needs them up to domain/ or store/",
    "domain": "domain/ is pure: let hub/ or flows/ read the rows and pass frames or records in",
    "telemetry": "telemetry/ sees the model only: pass what it needs as values",
    "store": "store/ only reads and writes rows: decisions belong to hub/ or domain/",
    "connectors": "a connector knows one outside system: rules belong to domain/, effects on our rows to hub/",
    "sandbox": "the sandbox is the outside world: it may not know how Tieout works inside",
    "hub": "hub/ is below the flows and the doors: start work through hub/work, pass real parts in from bootstrap.py",
    "documents": "documents/ turn a record into a file: let hub/ gather the record and a flow or door pass it in",
    "workspace": "workspace/ stands beside hub/: the doors and flows call it",
    "flows": "flows/ are called by the doors, never the other way round",
}


def imported(file: Path) -> list[tuple[int, str]]:
    """(line, dotted module) of every import in a file, also those inside functions."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.lineno, node.module)]
            if node.module == "tieout":
                found += [(node.lineno, f"tieout.{alias.name}") for alias in node.names]
    return found


def part_of(file: Path) -> str:
    """`hub` for src/tieout/hub/inbox.py, `bootstrap` for src/tieout/bootstrap.py."""
    return file.relative_to(SOURCE / "tieout").parts[0].removesuffix(".py")


def name(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def complaints(file: Path) -> list[str]:
    """What is wrong with a file's imports, each with the place where the code belongs."""
    part, found = part_of(file), []
    for line, module in imported(file):
        where, head, *rest = name(file), *module.split(".")
        at = f"{where}:{line} imports {module}. "
        if head == "tieout" and rest:
            if part in ALLOWED and rest[0] not in ALLOWED[part] and rest[0] != "__init__":
                found.append(at + ADVICE[part])
            if rest[0] == "connectors" and len(rest) > 1:
                found += [at + why for why in connector_complaints(file, rest[1])]
        elif part == "domain" and head in IO_LIBRARIES:
            found.append(at + ADVICE["domain"])
        elif head in SQL_LIBRARIES and not may_speak_sql(file, head):
            found.append(at + "Only store/ holds SQL: add a function there that takes a connection")
    return found


def may_speak_sql(file: Path, library: str) -> bool:
    """store/ holds all SQL, the sandbox its own; others may pass a connection or engine on (types of sqlalchemy)."""
    part = part_of(file)
    if part in ("store", "sandbox"):
        return True
    if library != "sqlalchemy" or part in ("model", "domain", "telemetry", "connectors"):
        return False
    return only_passes_connections_on(file)


def only_passes_connections_on(file: Path) -> bool:
    """Whether a file takes only names from sqlalchemy that say what is passed on, none that builds a statement."""
    harmless = {"Connection", "Engine", "Row", "RowMapping"}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import) and any(a.name.split(".")[0] == "sqlalchemy" for a in node.names):
            return False
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            names = {alias.name for alias in node.names}
            if not (names <= harmless or (node.module or "").endswith(".exc")):
                return False
    return True


def connector_complaints(file: Path, system: str) -> list[str]:
    """Concrete connectors are picked by bootstrap.py alone and do not know each other."""
    if system not in SYSTEMS or part_of(file) == "bootstrap":
        return []
    parts = file.relative_to(SOURCE / "tieout").parts
    if parts[:2] == ("connectors", system):
        return []
    if parts[0] == "connectors" and parts[1] in SYSTEMS:
        return ["connectors never see each other: what they share belongs to connectors/kit"]
    return ["Only bootstrap.py picks concrete connectors: take one from there, or use connectors.kit"]


@pytest.mark.parametrize("file", FILES, ids=name)
def test_imports_follow_the_one_direction(file: Path) -> None:
    assert complaints(file) == []


@pytest.mark.parametrize(
    ("where", "line", "advice"),
    [
        ("domain/rating/x.py", "import httpx", "domain/ is pure"),
        ("domain/rating/x.py", "from tieout.store import tables", "domain/ is pure"),
        ("hub/x.py", "from tieout.flows import durable", "hub/ is below the flows"),
        ("hub/x.py", "from tieout import flows", "hub/ is below the flows"),
        ("hub/x.py", "from sqlalchemy import select", "Only store/ holds SQL"),
        ("api/x.py", "from tieout.connectors.kantata import connect", "Only bootstrap.py"),
        ("connectors/netsuite/x.py", "from tieout.connectors.kantata import api", "never see each other"),
        ("sandbox/x.py", "from tieout.hub import inbox", "the outside world"),
    ],
)
def test_the_rule_catches_a_planted_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, line: str, advice: str
) -> None:
    file = tmp_path / "tieout" / where
    file.parent.mkdir(parents=True)
    file.write_text(f"def f():\n    {line}\n")
    monkeypatch.setattr(f"{__name__}.SOURCE", tmp_path)
    assert [advice in complaint for complaint in complaints(file)] == [True]
