"""`tieout init`, `check`, `apply` and `connections`: exit codes, one JSON value, what to do next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tieout.cli import main
from tieout.connectors.kit.interface import AuthFailed
from tieout.flows.environment import Environment
from tieout.store.database import plain_url
from tieout.store.tables import work, workspace_version


@pytest.fixture(autouse=True)
def _on_this_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit code, stdout (as JSON when asked for), stderr."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(said.out) if "--json" in arguments else said.out, said.err


class Answering:
    """A connector that can sign in, or not."""

    def __init__(self, name: str) -> None:
        self.name = name

    def objects(self) -> list[str]:
        return ["Thing"]

    def test(self) -> str:
        if self.name == "netsuite":
            raise AuthFailed("the certificate was revoked")
        return "signed in"


def test_init_check_apply_and_what_follows(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "My Firm"
    code, made, _ = run(capsys, "init", str(place), "--json")
    assert (code, "tieout.yaml" in made["files"]) == (0, True)
    assert "name: my-firm" in (place / "tieout.yaml").read_text()
    assert run(capsys, "init", str(place))[0] == 2
    monkeypatch.setenv("TIEOUT_WORKSPACE", str(place))
    assert run(capsys, "check", "--json")[:2] == (0, [])
    code, applied, _ = run(capsys, "apply", "--json")
    assert (code, applied["version"], applied["changed"]) == (0, 1, True)
    monkeypatch.delenv("TIEOUT_WORKSPACE")
    monkeypatch.chdir(place)
    code, _, note = run(capsys, "apply")
    assert (code, "in force already" in note) == (0, True)
    code, found, _ = run(capsys, "connections", "list", "--json")
    assert (code, [one["name"] for one in found]) == (0, ["kantata", "netsuite", "salesforce"])
    monkeypatch.setattr(Environment, "connector", lambda _, name: Answering(name))
    code, tested, _ = run(capsys, "connections", "test", "--json")
    assert (code, [one["ok"] for one in tested]) == (1, [True, False, True])
    assert "certificate was revoked" in tested[1]["detail"]
    assert run(capsys, "connections", "test", "kantata")[0] == 0
    assert run(capsys, "connections", "sync", "kantata")[0] == 0
    assert run(capsys, "connections", "sweep", "--json")[1][0]["work"] == "sweep"
    with engine.connect() as conn:
        asked = {(r.kind, r.key) for r in conn.execute(select(work.c.kind, work.c.key))}
    assert ("sync", "kantata/Thing") in asked
    assert ("sweep", "salesforce/Thing") in asked
    code, answer, _ = run(capsys, "connections", "sync", "sap", "--json")
    assert (code, "kantata" in answer["error"]["remedy"]) == (2, True)


def test_findings_make_check_exit_1_and_apply_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "init", str(tmp_path), "--name", "firm")
    (tmp_path / "billing.yaml").write_text("corection: next_invoice\n")
    code, found, _ = run(capsys, "check", "--workspace", str(tmp_path), "--json")
    assert (code, [(f["file"], f["line"], f["key"]) for f in found]) == (
        1,
        [("billing.yaml", 1, "corection")],
    )
    code, shown, _ = run(capsys, "check", "--workspace", str(tmp_path))
    assert shown.startswith("billing.yaml:1: corection: ")
    code, answer, _ = run(capsys, "apply", "--workspace", str(tmp_path), "--json")
    assert (code, list(answer["error"]["fields"])) == (2, ["billing.yaml:1"])
    code, answer, _ = run(capsys, "apply", "--workspace", str(tmp_path), "--environment", "prod", "--json")
    assert (code, answer["error"]["code"]) == (2, "TIE-141")


def test_a_connection_whose_secret_is_missing_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "init", str(tmp_path), "--name", "firm")
    run(capsys, "apply", "--workspace", str(tmp_path))
    code, tested, _ = run(capsys, "connections", "test", "kantata", "--json")
    assert (code, tested[0]["ok"]) == (1, False)
    assert "env:KANTATA_TOKEN" in tested[0]["detail"]


def test_only_dev_can_be_applied_to_whichever_way_another_is_named(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "init", str(tmp_path), "--name", "firm")
    run(capsys, "apply", "--workspace", str(tmp_path))
    (tmp_path / "billing.yaml").write_text("items: {time: OTHER}\n")
    monkeypatch.setenv("TIEOUT_ENVIRONMENT", "prod")
    code, answer, _ = run(capsys, "apply", "--workspace", str(tmp_path), "--json")
    assert (code, answer["error"]["code"], answer["error"]["fields"]) == (
        2,
        "TIE-141",
        {"environment": "prod"},
    )
    assert "TIEOUT_ENVIRONMENT" in answer["error"]["remedy"]
    with engine.connect() as conn:
        assert list(conn.execute(select(workspace_version.c.version)).scalars()) == [1]
    code, answer, _ = run(capsys, "apply", "--workspace", str(tmp_path), "--environment", "dev", "--json")
    assert (code, answer["version"]) == (0, 2)


def test_check_and_apply_judge_the_scenarios_of_the_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "init", str(tmp_path), "--name", "firm")
    (tmp_path / "scenarios" / "deep").mkdir(parents=True)
    wrong = tmp_path / "scenarios" / "deep" / "wrong.yaml"
    wrong.write_text("scenario: 1\nname: x\ntimeline:\n  - {at: 2026-01-01, dance: {}}\n")
    (tmp_path / "scenarios" / "broken.yaml").write_text("a: [\n")
    code, found, _ = run(capsys, "check", "--workspace", str(tmp_path), "--json")
    assert (code, [(f["file"], f["line"]) for f in found]) == (
        1, [("scenarios/broken.yaml", 2), ("scenarios/deep/wrong.yaml", 4)],
    )  # fmt: skip
    assert "unknown verb dance" in found[1]["seen"]
    code, answer, _ = run(capsys, "apply", "--workspace", str(tmp_path), "--json")
    assert (code, list(answer["error"]["fields"])) == (
        2,
        ["scenarios/broken.yaml:2", "scenarios/deep/wrong.yaml:4"],
    )
