"""Every connector folder states honestly how far it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

import tieout.connectors as connectors
from tieout.bootstrap import connector_names
from tieout.connectors.kit.http import HttpOptions
from tieout.connectors.kit.interface import AuthFailed, Rejected
from tieout.connectors.kit.manifest import load_manifest

FOLDER = Path(connectors.__file__).parent
RULES = {
    "mapped", "synced_both_ways", "conformance", "errors_classified", "readme",
    "webhook_or_feed", "bulk", "drift", "read_back", "inverse", "tie_out_report",
    "simulator_proven", "releases_tracked", "residency_and_tags", "throughput",
}  # fmt: skip
FILES = ("manifest.yaml", "quality.yaml", "README.md", "__init__.py", "client.py", "mapping")


@pytest.mark.parametrize("name", connector_names())
def test_each_rule_is_done_or_has_a_reason(name: str) -> None:
    """`todo` and `exempt` without a reason would be a claim."""
    stated = YAML(typ="safe").load((FOLDER / name / "quality.yaml").read_text(encoding="utf-8"))
    assert set(stated) == RULES
    for rule, answer in stated.items():
        assert answer["is"] in ("done", "todo", "exempt"), rule
        assert (answer["is"] == "done") != bool(answer.get("because")), rule


@pytest.mark.parametrize("name", connector_names())
def test_what_a_connection_lacks_is_named(name: str) -> None:
    """No address: refused when it is opened. No secrets: refused at the first call, before anything is sent."""
    connect = import_module(f"tieout.connectors.{name}").connect
    with pytest.raises(Rejected, match="lacks"):
        connect({}, {})
    host = load_manifest(FOLDER / name).hosts[0].replace("*", "firm")
    options = HttpOptions(resolve=lambda h, p: ["93.184.215.14"], transport=httpx.MockTransport(_never))
    with pytest.raises(AuthFailed, match="secret"):
        connect({"url": f"https://{host}"}, {}, options).test()


def _never(request: httpx.Request) -> httpx.Response:
    raise AssertionError("a request was sent")


@pytest.mark.parametrize("name", connector_names())
def test_a_connector_folder_is_complete(name: str) -> None:
    """The same files in every folder, and a README that names set-up, limits and removal."""
    assert all((FOLDER / name / file).exists() for file in FILES)
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    for heading in (
        "## Set-up",
        "## The connection",
        "## How it behaves",
        "## Known limits",
        "## To remove it",
    ):
        assert heading in text
