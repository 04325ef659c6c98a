"""Write tests/scenarios/COVERAGE.md from the scenario files; `--check` only says whether it is current.

Two views: every published worked example with its file and state, and which billing methods, revenue methods and
verbs the scenarios play together.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ruamel.yaml import YAML

from tieout.scenario.model import Billing, Event, Revenue
from tieout.scenario.parsing import Scenario, load_scenario, scenario_files
from tieout.scenario.verbs import VERBS

ROOT = Path(__file__).parents[1]
SCENARIOS, TRUTH = ROOT / "tests/scenarios", ROOT / "tests/scenario/truth.yaml"
CASES, COVERAGE = SCENARIOS / "truth", SCENARIOS / "COVERAGE.md"
REMEDY = "Run .venv/bin/python -m tools.coverage and commit what it writes."
BILLING = get_args(Billing.model_fields["method"].annotation)
REVENUE = get_args(Revenue.model_fields["method"].annotation)
BASES = ("published", "mixed", "computed", "recalled")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Truth:
    """What is said about the published cases beside their files."""

    waiting: Mapping[str, str]
    left_out: Mapping[str, Mapping[str, str]]
    figures: Mapping[str, str]


def read_truth() -> Truth:
    """The list of what waits and what is left out."""
    told = YAML(typ="safe").load(TRUTH.read_text(encoding="utf-8"))
    return Truth(*(told.get(name) or {} for name in ("waiting", "left_out", "figures")))


def text() -> str:
    """COVERAGE.md as the files say it; the same files give the same bytes."""
    files = scenario_files([SCENARIOS])
    scenarios = {file: load_scenario(file) for file in files}
    cases = {file.stem: one for file, one in scenarios.items() if file.parent == CASES}
    head = [
        "# What the scenarios cover", "",
        f"Written by `python -m tools.coverage` from the files of this folder and `{TRUTH.relative_to(ROOT)}`; "
        "do not edit.",
    ]  # fmt: skip
    lines = [*head, *_truth(cases, read_truth()), *_matrix(scenarios.values())]
    return "\n".join(lines) + "\n"


# --- published cases ----------------------------------------------------------------------------------------------


def _truth(cases: Mapping[str, Scenario], truth: Truth) -> Iterator[str]:
    waiting = [case for case in cases if case in truth.waiting]
    held = len(cases) - len(waiting)
    yield from ("", "## Published worked examples", "")
    yield f"{len(cases) + len(truth.left_out)} cases: {held} hold, {len(waiting)} wait, {len(truth.left_out)} are left out."
    yield "What a basis means: *published* figures were seen, *computed* ones follow from seen inputs, *recalled* ones were not seen."
    yield from ("", *_table(["case", "what", "source", "basis", "state"], _case_rows(cases, truth)))
    yield from ("", "### Figures that a file leaves out", "")
    yield from _table(["case", "what and why"], sorted(truth.figures.items()))


def _case_rows(cases: Mapping[str, Scenario], truth: Truth) -> list[Sequence[str]]:
    rows: dict[str, Sequence[str]] = {}
    for case, scenario in cases.items():
        source = (scenario.header.source or "").removeprefix(f"{case}: ")
        basis = next(tag for tag in scenario.header.tags if tag in BASES)
        state = f"waits: {truth.waiting[case]}" if case in truth.waiting else "holds"
        rows[case] = (f"[{case}](truth/{case}.yaml)", scenario.name, source, basis, state)
    for case, told in truth.left_out.items():
        rows[case] = (case, told["title"], told["source"], told["basis"], f"left out: {told['reason']}")
    return [rows[case] for case in sorted(rows)]


# --- billing method x revenue method x verb ---------------------------------------------------------------------------


def _matrix(scenarios: Iterable[Scenario]) -> Iterator[str]:
    pairs: Counter[Pair] = Counter()
    verbs: Counter[tuple[str, str, str]] = Counter()
    for scenario in scenarios:
        pairs.update(set().union(*pairs_by_line(scenario).values()))
        verbs.update(played(scenario))
    yield from ("", "## Billing method × revenue method", "")
    yield "How many scenarios have a line of both; · is none."
    rows = [(b, *(_count(pairs[b, r]) for r in REVENUE)) for b in BILLING]
    yield from ("", *_table(["billing", *REVENUE], rows))
    yield from ("", "## Billing method × revenue method × verb", "")
    yield "How many scenarios play the verb on a line of both methods, or on its contract, invoice, worker or firm."
    for billing in BILLING:
        yield from ("", f"### {billing}", "")
        table = [(verb, *(_count(verbs[billing, r, verb]) for r in REVENUE)) for verb in sorted(VERBS)]
        yield from _table(["verb", *REVENUE], table)


def pairs_by_line(scenario: Scenario) -> dict[tuple[str, str], set[Pair]]:
    """Contract and line -> the billing and revenue methods that the line has, first or after an amendment."""
    found = {
        (contract.number, line.id): {(line.billing.method, line.revenue.method)}
        for contract in scenario.header.contracts
        for line in contract.lines
    }
    for event in scenario.timeline:
        if event.verb != "amend":
            continue
        contract = scenario.contract(event.body.contract)
        for told in event.body.change.lines:
            key = (contract.number, str(told.get("id", contract.lines[0].id)))
            billing, revenue = next(iter(found.get(key, {("", "as_invoiced")})))
            changed = _method(told, "billing", billing), _method(told, "revenue", revenue)
            found.setdefault(key, set()).add(changed)
    return found


def played(scenario: Scenario) -> set[tuple[str, str, str]]:
    """Billing method, revenue method and verb: each that the scenario plays together."""
    lines = pairs_by_line(scenario)
    entries: dict[Any, Event] = {
        getattr(e.body, "id", None): e for e in scenario.timeline if e.verb not in ("correct", "withdraw")
    }
    found = set()
    for event in scenario.timeline:
        meant = entries.get(event.body.id, event) if event.verb in ("correct", "withdraw") else event
        contract, line = (getattr(meant.body, name, None) for name in ("contract", "line"))
        for (number, name), pairs in lines.items():
            if contract in (None, number) and line in (None, name):
                found |= {(*pair, event.verb) for pair in pairs}
    return found


def _method(told: Mapping[str, Any], part: str, held: str) -> str:
    return str(told.get(part, {}).get("method", held))


def _count(number: int) -> str:
    return str(number) if number else "·"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in row) + " |"


# --- the file -------------------------------------------------------------------------------------------------------


def stale() -> list[str]:
    """One line when the committed file is not what the scenarios say."""
    current = COVERAGE.exists() and COVERAGE.read_text(encoding="utf-8") == text()
    return [] if current else [f"{COVERAGE.name} is not what the scenarios say. {REMEDY}"]


def main(check: bool) -> int:
    """Exit code: 1 when the file is not current."""
    if check:
        found = stale()
        sys.stderr.writelines(f"{line}\n" for line in found)
        return 1 if found else 0
    COVERAGE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
