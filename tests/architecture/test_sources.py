"""What no source file may contain, and how long it may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tieout"
FILES = sorted(SOURCE.rglob("*.py"))
PURE = [f for f in FILES if f.relative_to(SOURCE).parts[0] in ("domain", "model")]
LONGEST = 500

NOT_PURE = {
    "now": "the moment comes in as an argument (hub and flows take it from store.clock)",
    "today": "the day comes in as an argument (hub and flows take it from store.clock)",
    "utcnow": "the moment comes in as an argument (hub and flows take it from store.clock)",
    "time": "the moment comes in as an argument (hub and flows take it from store.clock)",
    "uuid4": "ids come in as arguments (hub and flows take them from store.ids)",
    "float": "money, hours and shares are Decimal, in frames too (model/decimals.py)",
    "Float64": "money, hours and shares are Decimal, in frames too (model/decimals.py)",
    "Float32": "money, hours and shares are Decimal, in frames too (model/decimals.py)",
    "random": "the same inputs must give the same figures",
    "open": "domain/ does no I/O: hub/ reads and passes the content in",
}


def name(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def impurities(text: str) -> list[str]:
    """Uses of clock, randomness, floats or files in a module's text, each with what to do instead."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"line {node.lineno}: the float {node.value}: {NOT_PURE['float']}")
            continue
        used = None
        if isinstance(node, ast.Call):
            called = node.func
            used = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
            if used == "time" and not isinstance(called, ast.Attribute):
                used = None
        elif isinstance(node, ast.Import):
            used = "random" if any(a.name in ("random", "secrets") for a in node.names) else None
        elif isinstance(node, ast.ImportFrom):
            used = "random" if node.module in ("random", "secrets") else None
        elif isinstance(node, ast.Attribute) and node.attr in ("Float64", "Float32"):
            used = node.attr
        if used in NOT_PURE:
            found.append(f"line {node.lineno}: {used}: {NOT_PURE[used]}")
    return found


@pytest.mark.parametrize("file", PURE, ids=name)
def test_the_domain_is_pure_and_exact(file: Path) -> None:
    assert impurities(file.read_text()) == []


@pytest.mark.parametrize(
    "line",
    ["x = 0.1", "x = float('1')", "d = datetime.now()", "d = date.today()", "u = uuid4()", "import random",
     "from random import Random", "t = pl.Float64", "f = open('x')", "t = time.time()"],
)  # fmt: skip
def test_the_rule_catches_a_planted_fault(line: str) -> None:
    assert len(impurities(line)) == 1


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_module_is_short_enough_to_read_whole(file: Path) -> None:
    lines = len(file.read_text().splitlines())
    assert lines < LONGEST, f"{name(file)} has {lines} lines: split it by what its parts are about"


SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False}
READERS = {"fromstring", "parse", "XML", "iterparse", "HTML"}


def xml_risks(text: str) -> list[str]:
    """Ways in which a module's text reads XML that could name files, addresses or entities."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if any(module.startswith("xml.") for module in modules):
                found.append(
                    f"line {node.lineno}: the standard library's XML: use lxml with a hardened parser"
                )
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "etree":
            continue
        given = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        if node.func.attr == "XMLParser" and not SAFE.items() <= given.items():
            found.append(f"line {node.lineno}: a parser without {SAFE}")
        if node.func.attr in READERS and len(node.args) < 2:
            found.append(f"line {node.lineno}: etree.{node.func.attr} without a parser")
    return found


@pytest.mark.parametrize("file", FILES, ids=name)
def test_xml_is_read_by_a_hardened_parser(file: Path) -> None:
    assert xml_risks(file.read_text()) == []


@pytest.mark.parametrize(
    "line",
    ["etree.XMLParser()", "etree.XMLParser(resolve_entities=False)", "etree.fromstring(x)", "etree.parse(x)",
     "import xml.etree.ElementTree", "from xml.dom import minidom",
     "etree.XMLParser(resolve_entities=True, no_network=True, load_dtd=False)"],
)  # fmt: skip
def test_the_rule_catches_a_bare_parser(line: str) -> None:
    assert len(xml_risks(line)) == 1
