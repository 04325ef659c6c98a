"""What the documentation names exists: linked pages, files, make targets, commands with their options."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tieout.cli import COMMANDS, load_command
from tieout.scenario import model, support, verbs
from tieout.scenario.parsing import load_scenario

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = sorted(
    [*(ROOT / name for name in TOP), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"^(?:src|tests|examples|docs|tools|benchmarks)/[\w./-]+$")
_COMMAND = re.compile(r"(?:^|[\s;&|(])(?:\.venv/bin/)?(tieout(?:\s+[^\s;&|<>()`]+)+)")
_MAKE = re.compile(r"(?:^|[\s;&|])make\s+([a-z]+)")
_STRAY = re.compile(r"\b(https?://(?:localhost|127\.0\.0\.1):\d{5}|/(?:root|home|work)/)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def shell(text: str) -> list[str]:
    """The lines of all shell fences, continuations joined, comments left out."""
    fences = (body for language, body in _FENCE.findall(text) if language in ("sh", ""))
    lines = "\n".join(fences).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if not line.startswith("#")]


def spoken(text: str) -> list[str]:
    """Everything set as code: inline pieces outside fences, and the lines of shell fences."""
    return [*_CODE.findall(_FENCE.sub("", text)), *shell(text)]


def commands(text: str) -> list[str]:
    """Every `tieout …` with what follows it."""
    return [" ".join(found.split()) for piece in spoken(text) for found in _COMMAND.findall(piece)]


@cache
def options_of(path: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """(options, subcommands) of a command; raises LookupError when there is none of that name."""
    if path[0] not in COMMANDS:
        raise LookupError(f"there is no command tieout {path[0]}")
    command: Any = load_command(path[0])
    for word in path[1:]:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            raise LookupError(f"there is no command tieout {' '.join(path)}")
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return frozenset(options), frozenset(getattr(command, "commands", {}))


def complaint(said: str) -> str | None:
    """What is wrong with a command line as it is documented."""
    words = said.split()[1:]
    if words[0].startswith("-"):
        return (
            None if words[0] in ("--help", "--version", "--install-completion") else f"no option {words[0]}"
        )
    if not re.fullmatch(r"[a-z-]+", words[0]):
        return None
    try:
        path: tuple[str, ...] = (words[0],)
        options, below = options_of(path)
        if below and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
            path = (words[0], words[1])
            options, _ = options_of(path)
    except LookupError as missing:
        return str(missing)
    given = {word.split("=")[0] for word in words if word.startswith("--")}
    unknown = sorted(given - options)
    return f"tieout {' '.join(path)} has no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = [link.split("#")[0] for link in _LINK.findall(_FENCE.sub("", page.read_text()))]
    local = [link for link in links if link and not link.startswith(("http://", "https://", "mailto:"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_named_exists(page: Path) -> None:
    named = {piece.rstrip("/") for piece in spoken(page.read_text()) if _FILE.match(piece)}
    assert sorted(piece for piece in named if not (ROOT / piece).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_exists_with_its_options(page: Path) -> None:
    found = {said: complaint(said) for said in commands(page.read_text())}
    assert {said: wrong for said, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {target for piece in spoken(page.read_text()) for target in _MAKE.findall(piece)}
    assert sorted(asked - targets) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_machine_is_named(page: Path) -> None:
    assert _STRAY.findall(page.read_text()) == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted = {re.split(r"[<>=\[]", one)[0] for one in named}
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs/adr/0013-dependencies.md").read_text(), re.MULTILINE)
    assert {package for row in rows for package in _CODE.findall(row)} == wanted


def test_decisions_are_numbered_and_listed() -> None:
    records = sorted((ROOT / "docs/adr").glob("0*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    parts = (
        "- Status: ",
        "- Area: ",
        "## Context",
        "## Decision",
        "## Consequences",
        "## Alternatives",
        "## Files",
    )
    assert {record.name: [p for p in parts if p not in record.read_text()] for record in records} == {
        record.name: [] for record in records
    }
    index = (ROOT / "docs/adr/README.md").read_text()
    assert [record.name for record in records if f"({record.name})" not in index] == []


def test_the_scenarios_page_says_what_is_played() -> None:
    page = (ROOT / "docs/scenarios.md").read_text()
    played, missing = page.split("## Not supported yet")
    of_tables = {
        word for row in re.findall(r"^\| (`[^|]+) \|", played, re.MULTILINE) for word in _CODE.findall(row)
    }
    refused = set(_CODE.findall(missing))
    assert of_tables >= support.VERBS | support.MEASURES
    assert (set(verbs.VERBS) - support.VERBS) | (model.MEASURES - support.MEASURES) <= refused
    assert not (support.VERBS | support.MEASURES) & refused


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_scenarios_in_the_documentation_can_be_played(page: Path, tmp_path: Path) -> None:
    for language, body in _FENCE.findall(page.read_text()):
        if language == "yaml" and body.startswith("scenario: 1"):
            file = tmp_path / "example.yaml"
            file.write_text(body)
            support.refuse_unsupported(load_scenario(file))


def test_every_command_is_documented() -> None:
    told = {said.split()[1] for page in PAGES for said in commands(page.read_text())}
    assert sorted(set(COMMANDS) - told) == []


@pytest.mark.parametrize(
    "said",
    ["tieout nonsense", "tieout connections nonsense", "tieout up --nonsense", "tieout --nonsense",
     "tieout people add --nonsense=1"],
)  # fmt: skip
def test_a_wrong_command_is_noticed(said: str) -> None:
    assert complaint(said) is not None


@pytest.mark.parametrize(
    "said",
    [
        "tieout up --workers 4",
        "tieout people add EMAIL --role ROLE",
        "tieout trace INV-1/1 --json",
        "tieout --help",
    ],
)
def test_a_right_command_is_not_complained_about(said: str) -> None:
    assert complaint(said) is None


def test_commands_are_found_in_fences_and_in_sentences() -> None:
    page = "Run `tieout up --workers 4`.\n```sh\nTIEOUT_HOME=x .venv/bin/tieout trace \\\n  INV-1/1 | head  # tieout no\n```\n"
    assert commands(page) == ["tieout up --workers 4", "tieout trace INV-1/1"]
