"""What is wrong with a scenario file is said before anything runs: file, line, what was seen and expected."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tieout.cli.output import Failed
from tieout.cli.scenario import app
from tieout.scenario.parsing import load_scenario
from tieout.scenario.reading import BadScenario
from tieout.scenario.support import refuse_unsupported

GOOD = """\
scenario: 1
name: A good one
customers: [{code: NO, country: NO}]
rate_cards: [{code: STD, rates: [{role: consultant, price: 200.10}]}]
contracts:
  - customer: NO
    lines: [{billing: {method: time_and_materials, rate_card: STD}}]
timeline:
  - {at: 2026-01-05, time: {hours: 8}}
expect:
  - {at: 2026-01-05, revenue: 1600.80}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "case.yaml"
    file.write_text(text)
    return file


def test_values_are_exact_and_a_bare_no_is_norway(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, GOOD))
    assert scenario.header.rate_cards[0].rates[0].price == Decimal("200.10")
    assert scenario.header.customers[0].country == "NO"
    contract = scenario.header.contracts[0]
    assert (contract.number, contract.entity, contract.currency, contract.start) == (
        "C-1",
        "US01",
        "USD",
        date(2026, 1, 5),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("customers:", "costumers:", 3, "unknown key"),
        ("{hours: 8}", "{hours: eight}", 9, "a number expected, got 'eight'"),
        ("{hours: 8}", "{hours: 8, colour: red}", 9, "unknown key"),
        ("time: {hours: 8}", "tyme: {hours: 8}", 9, "unknown verb tyme"),
        ("at: 2026-01-05, time", "at: 2026-02-30, time", 9, "neither a number, a date nor a text"),
        ("at: 2026-01-05, time", "at: 5 January, time", 9, "needs `at: DATE`"),
        ("revenue: 1600.80", "revenues: 1600.80", 11, "unknown measure or selector revenues"),
        ("revenue: 1600.80", "contract: C-9, revenue: 0", 11, "there is no contract C-9"),
        ("rate_card: STD}}]", "rate_card: GOLD}}]", 7, "there is no rate card GOLD"),
        ("customer: NO", "customer: SE", 6, "there is no customer SE"),
        ("rate_card: STD}}]", "rate_card: STD}, tax: S20}]", 7, "there is no tax S20"),
        ("customer: NO", "customer: NO\n    invoicing: {tax: S20}", 7, "there is no tax S20"),
        ("rate_card: STD}}]", "rate_card: STD, cap: {amount: 10.005}}}]", 7, "more than 2 decimals"),
        ("customer: NO", "customer: NO\n    currency: XQQ", 7, "not an ISO 4217 currency"),
        (
            "customer: NO",
            "customer: NO\n    invoicing: {split: [{customer: SE, share: 1}]}",
            7,
            "no customer SE",
        ),
        (
            "customer: NO",
            "customer: NO\n    invoicing: {split: [{customer: NO, share: 0.9}]}",
            7,
            "add up to 1",
        ),
        ("customer: NO", "customer: NO\n    end: 2025-01-01", 7, "ends before it starts"),
        (
            "customer: NO",
            "customer: NO\n    rules:\n      - invoice.net > 0\n      - invoice.net >",
            9,
            "Syntax error",
        ),
        ("customer: NO", "customer: NO\n    rules: [nobody.knows == 1]", 7, "nobody is none of customer"),
        ("code: NO", "exempt_code: VATEX-EU-O, code: NO", 3, "needs exempt"),
        (
            "rate_cards:",
            "tax_points: [{first_of: [payment]}]\nrate_cards:",
            4,
            "supply or invoice is expected",
        ),
        ("revenue: 1600.80", "revenue: 1000.001", 11, "1000.001 has more than 2 decimals"),
        ("revenue: 1600.80", "invoices: [{net: 1, lines: [{net: 1.005}]}]", 11, "more than 2 decimals"),
        (
            "revenue: 1600.80",
            "revenue: 1}\n  - {at: 2026-01-05, journal: {revenue: 0.001}",
            12,
            "more than 2 decimals",
        ),
        ("time: {hours: 8}", "expense: {amount: 1.005}", 9, "1.005 has more than 2 decimals"),
        ("time: {hours: 8}", "expense: {amount: 5, nature: broker}", 9, "nature"),
        ("time: {hours: 8}", "expense: {amount: 5, currency: DOLLAR}", 9, "DOLLAR"),
        ("rate_card: STD}}]", "rate_card: STD, expenses: {markup: -0.1}}}]", 7, "greater than or equal to 0"),
        ("scenario: 1", "scenario: 2", 1, "scenario"),
        ("scenario: 1", "scenario: true", 1, "scenario"),
        ("scenario: 1", "scenario: 1\npolicies: {week_start: someday}", 2, "week_start"),
        ("scenario: 1", "scenario: 1\npolicies: {usage_tolerance: abc}", 2, "a number expected"),
        ("scenario: 1", "scenario: 1\nentities: [{code: A, time_zone: Mars/Base}]", 2, "time zone"),
        ("scenario: 1", "scenario: 1\nworkers: [{id: W1}, {id: W1}]", 2, "W1 is stated twice"),
        ("scenario: 1", "scenario: 1\nprojects: [{code: P, contract: C-9}]", 2, "no contract C-9"),
        (
            "scenario: 1",
            "scenario: 1\npurchase_orders: [{number: P, amount: 0.001}]",
            2,
            "more than 2 decimals",
        ),
        ("scenario: 1", "scenario: 1\nfx: [{at: 2026-01-01, pair: EUR/EUR, rate: 1}]", 2, "no pair"),
        ("scenario: 1", "scenario: 1\nfx: [{at: 2026-01-01, pair: EUR/USD, rate: 0}]", 2, "greater than 0"),
        ("scenario: 1", "scenario: 1\ntaxes: [{code: A, category: AE, rate: 0.2}]", 2, "has no rate"),
        ("scenario: 1", "scenario: 1\ntaxes: [{code: A, category: S}, {code: A, category: S}]", 2, "overlap"),
        (
            "scenario: 1",
            "scenario: 1\npolicies: {transfer_margins: [{supplier: GB9, buyer: US01, margin: 0.1}]}",
            2,
            "no entity GB9",
        ),
        ("country: NO}", "country: NOR}", 3, "ISO 3166"),
        ("country: NO}", "country: NO, parent: X}", 3, "no customer X"),
        ("price: 200.10", "price: 0.1234567", 4, "more than 6 decimals"),
        ("price: 200.10", "price: 1, from: 2026-02-01, to: 2026-01-31", 4, "ends before it starts"),
        ("rates: [{role", "rates: [{person: W9, role", 4, "no worker W9"),
        (
            "rate_card: STD}}]",
            "rate_card: STD}, end: 2025-01-01, start: 2026-01-01}]",
            7,
            "ends before it starts",
        ),
        ("    lines:", "    caps: [{amount: 5, lines: ['9']}]\n    lines:", 7, "no line 9"),
        ("    lines:", "    caps: [{lines: all}]\n    lines:", 7, "states an amount or hours"),
        ("    lines:", "    combine_with: C-9\n    lines:", 7, "no contract C-9"),
        ("    lines:", "    variable: [{id: b, lines: ['9']}]\n    lines:", 7, "no line 9"),
        (
            "    lines:",
            "    invoicing: {retention: {share: 0.1, release: {milestone: M}}}\n    lines:",
            7,
            "milestone M",
        ),
        (
            "rate_card: STD}}]",
            "rate_card: STD}, revenue: {method: as_invoiced, estimated_hours: 4}}]",
            7,
            "no key",
        ),
        ("time: {hours: 8}", "time: {hours: 8, approved: NO}", 9, "approved"),
        ("time: {hours: 8}", "time: {hours: 1_0}", 9, "neither a number"),
        ("time: {hours: 8}", "time: !mine {hours: 8}", 9, "the tag !mine"),
        ("at: 2026-01-05, time", "at: 0001-01-05, time", 9, "a date from 1990-01-01"),
        ("time: {hours: 8}", "hold: {id: T9}", 9, "no entry of time or expense T9"),
        ("time: {hours: 8}", "credit: {all: true, amount: 5}", 9, "one of lines, amount, all"),
        ("time: {hours: 8}", "credit: {lines: [{id: T9, hours: 1}]}", 9, "no entry T9"),
        ("time: {hours: 8}", "close: {period: 2026-13}", 9, "period"),
        ("time: {hours: 8}", "estimate: {variable: bonus, amount: 1}", 9, "no variable amount bonus"),
        ("time: {hours: 8}", "milestone: {id: M9}", 9, "no milestone M9"),
        (
            "time: {hours: 8}",
            "amend: {change: {lines: [{id: '1', billing: {rate_card: X}}]}}",
            9,
            "no rate card X",
        ),
        ("time: {hours: 8}", "amend: {change: {lines: [{id: '2'}]}}", 9, "billing: Field required"),
        ("time: {hours: 8}", "amend: {change: {lines: [{id: '1', bill: 1}]}}", 9, "bill: unknown key"),
        ("time: {hours: 8}", "amend: {change: {remove: ['7']}}", 9, "no line 7"),
        ("time: {hours: 8}", "amend: {change: {end: 2020-01-01}}", 9, "ends before it starts"),
        (
            "time: {hours: 8}}",
            "time: {id: T, hours: 8}}\n  - {at: 2026-01-06, time: {id: T, hours: 4}}",
            10,
            "is stated twice",
        ),
        (
            "time: {hours: 8}}",
            "time: {id: T, hours: 8}}\n  - {at: 2026-01-04, correct: {id: T, hours: 4}}",
            10,
            "only stated after this",
        ),
        ("revenue: 1600.80", "revenue: lots", 11, "a number expected"),
        ("revenue: 1600.80", "line: '9', revenue: 1", 11, "no line 9"),
        ("revenue: 1600.80", "obligation: PO9, revenue: 1", 11, "no obligation PO9"),
        ("revenue: 1600.80", "journal: {revenoo: 1}", 11, "journal"),
        ("revenue: 1600.80", "exceptions: [{kind: nope}]", 11, "kind"),
        ("revenue: 1600.80", "exceptions: none", 11, "exceptions"),
        ("revenue: 1600.80", "invoices: [{nett: 4}]", 11, "unknown key"),
        ("revenue: 1600.80", "events: [foo.bar]", 11, "no event type foo.bar"),
        ("revenue: 1600.80", "revenue: 1, tolerance: -1", 11, "tolerance"),
        ("price: 200.10", "price: -1", 4, "greater than 0"),
        ("name: A good one", "name: [", 4, "expected"),
    ],
)
def test_an_error_names_its_line_and_what_was_expected(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(BadScenario) as caught:
        load_scenario(written(tmp_path, GOOD.replace(old, new)))
    assert (caught.value.line, said in caught.value.message) == (line, True), caught.value
    assert caught.value.file.endswith("case.yaml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("time: {hours: 8}", "system: {name: erp}", "the verb system"),
        ("revenue: 1600.80", "utilization: 1", "the measure utilization"),
    ],
)
def test_what_cannot_be_played_yet_is_told_apart_from_what_is_wrong(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    scenario = load_scenario(written(tmp_path, GOOD.replace(old, new)))
    with pytest.raises(BadScenario) as caught:
        refuse_unsupported(scenario)
    assert (caught.value.code, said in caught.value.message) == ("not-supported", True), caught.value


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "\x00", "a: &x [*x]\n", "scenario: 1\nname: x\n", "a: " + "[" * 3000]
)
def test_a_file_that_is_no_scenario_is_an_error_with_a_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadScenario):
        load_scenario(written(tmp_path, text))


def test_aliases_are_followed_but_do_not_grow_without_end(tmp_path: Path) -> None:
    """Nine lists, each of ten aliases of the one before: a billion values, refused after 200,000."""
    lists = ["a0: &a0 [1]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(BadScenario, match="at most 200000 values"):
        load_scenario(written(tmp_path, "\n".join(lists)))
    alias = GOOD.replace("- {at: 2026-01-05, time", "- {at: &day 2026-01-05, time").replace(
        "- {at: 2026-01-05, revenue", "- {at: *day, revenue"
    )
    assert load_scenario(written(tmp_path, alias)).expectations[0].at == date(2026, 1, 5)


def test_check_tells_machines_file_line_code_and_message(tmp_path: Path) -> None:
    fine, wrong = tmp_path / "fine.yaml", tmp_path / "wrong.yaml"
    fine.write_text(GOOD)
    wrong.write_text(GOOD.replace("hours: 8", "hours: eight"))
    answer = CliRunner().invoke(app, ["check", str(tmp_path), "--json"])
    [problem] = json.loads(answer.stdout)
    assert (answer.exit_code, problem["line"], Path(problem["file"]).name) == (1, 9, "wrong.yaml")
    assert CliRunner().invoke(app, ["check", str(fine), "--json"]).exit_code == 0
    failed = CliRunner().invoke(app, ["check", str(tmp_path / "none")]).exception
    assert isinstance(failed, Failed)
    assert (failed.exit_code, failed.code) == (2, "TIE-104")


def test_the_schema_knows_every_verb_and_measure() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert {"time", "bill", "credit", "amend"} <= set(schema["properties"]["timeline"]["items"]["properties"])
    assert {"revenue", "invoices"} <= set(schema["$defs"]["Expected"]["properties"])
    assert "from" in json.dumps(schema)


@pytest.mark.parametrize("more", ["", "\n  - {at: 2026-01-06, correct: {id: T1, hours: 7, task: build}}"])
def test_a_task_is_one_of_those_that_its_project_states(tmp_path: Path, more: str) -> None:
    """A project that states no tasks takes any."""
    head = "projects: [{code: P-C-1, contract: C-1, tasks: [design, build]}]"
    entry = "{at: 2026-01-05, time: {hours: 8}}"
    fine = GOOD.replace(entry, entry.replace("hours", "id: T1, task: design, hours") + more)
    assert load_scenario(written(tmp_path, fine.replace("rate_cards:", f"{head}\nrate_cards:")))
    wrong = fine.replace("task: build" if more else "task: design", "task: polish")
    assert load_scenario(written(tmp_path, wrong))
    with pytest.raises(
        BadScenario, match="no task polish in project P-C-1: it states design, build"
    ) as caught:
        load_scenario(written(tmp_path, wrong.replace("rate_cards:", f"{head}\nrate_cards:")))
    assert caught.value.line == (11 if more else 10)


def test_the_finer_of_the_currencies_that_may_be_meant_decides(tmp_path: Path) -> None:
    """A contract in yen (no decimals) of an entity in dollars: 0.50 may be dollars, 0.005 is neither."""
    yen = GOOD.replace("customer: NO", "customer: NO\n    currency: JPY").replace(
        "revenue: 1600.80", "revenue: 0.50"
    )
    assert load_scenario(written(tmp_path, yen))
    with pytest.raises(BadScenario, match="more than 2 decimals"):
        load_scenario(written(tmp_path, yen.replace("0.50", "0.005")))
    both = yen.replace("scenario: 1", "scenario: 1\nentities: [{code: JP01, currency: JPY}]")
    with pytest.raises(BadScenario, match="more than 0 decimals"):
        load_scenario(written(tmp_path, both))
