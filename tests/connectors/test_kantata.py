"""Kantata passes the conformance suite; and what only Kantata does."""

from __future__ import annotations

import json

import pytest

from tests.connectors.fakes.kantata import KantataRig
from tieout.connectors.kantata import KantataWebhook
from tieout.connectors.kit.conformance import ReadingConformance, WritingConformance, every_change
from tieout.connectors.kit.interface import (
    AuthFailed,
    Command,
    Conflict,
    ConnectorError,
    Drift,
    Hint,
    RateLimited,
    UnknownOutcome,
)


@pytest.fixture
def rig() -> KantataRig:
    return KantataRig()


class TestReading(ReadingConformance):
    pass


class TestWriting(WritingConformance):
    pass


def test_a_role_is_joined_by_name(rig: KantataRig) -> None:
    """The mapping needs the name; the vendor gives an id. The bytes kept carry it too."""
    rig.add(1)
    change = every_change(rig)[0][0]
    assert change.document["joined"]["role"]["name"] == "Consultant II"
    assert json.loads(change.raw) == change.document


@pytest.mark.parametrize("interrupted_after", range(1, 4))
@pytest.mark.parametrize("behaviour", ["apply_then_timeout", "fail_before_apply", "throttle"])
def test_an_interrupted_project_is_completed_by_a_repetition(
    rig: KantataRig, interrupted_after: int, behaviour: str
) -> None:
    """Workspace, two stories, reference: cut at each part, looked up, repeated; each part exists once."""
    command = rig.command(1)
    rig.fault("none", write=True, times=interrupted_after)
    rig.fault(behaviour, write=True)
    with pytest.raises((UnknownOutcome, RateLimited)):
        rig.connector.apply(command)
    if rig.connector.lookup("create_project", "P-1") is None:
        rig.connector.apply(command)
    tables = rig.fake.tables
    assert len(tables["workspaces"]) == 1
    assert sorted(s["title"] for s in tables["stories"]) == ["Delivery", "Management"]
    assert len(tables["external_references"]) == 1


def test_two_projects_with_one_marker_are_a_conflict(rig: KantataRig) -> None:
    """Nobody guesses which one is ours."""
    for _ in range(2):
        rig.fake.put("workspaces", {"title": "Someone's [P-1]"})
    with pytest.raises(Conflict):
        rig.connector.apply(rig.command(1))


def test_the_billing_profile_is_set_and_proven(rig: KantataRig) -> None:
    """Values are made once and changed in place; an unchanged value costs no call."""
    receipt = rig.connector.apply(rig.command(1))
    first = _profile(receipt.target_id, "PO-1")
    rig.connector.apply(first)
    second = _profile(receipt.target_id, "PO-2")
    done = rig.connector.apply(second)
    values = {v["custom_field_name"]: v["value"] for v in rig.fake.tables["custom_field_values"]}
    assert values == {"Purchase order": "PO-2", "Cap amount": "1000.00"}
    assert len(rig.fake.tables["custom_field_values"]) == 2
    assert list(rig.connector.read_back(second, done)) == []
    assert [d.field for d in rig.connector.read_back(first, done)] == ["Purchase order"]


HINT = {
    "event_id": "e-1",
    "event_type": "time_entry:updated",
    "subject_type": "time_entry",
    "subject_id": "17",
}


def test_a_hint_names_the_record_and_nothing_else() -> None:
    """Both secrets are good while one is being replaced."""
    webhook = KantataWebhook(["new", "old"])
    for secret in ("new", "old"):
        assert webhook.hints(secret, {}, json.dumps(HINT).encode()) == [Hint("e-1", "time_entry", "17")]


@pytest.mark.parametrize("secret", ["", "wrong", "sécret", "\udcff"])
def test_a_wrong_secret_is_refused(secret: str) -> None:
    """Also an empty one, also when no secret is configured."""
    for known in (["s3cret"], [""], []):
        with pytest.raises(AuthFailed):
            KantataWebhook(known).hints(secret, {}, json.dumps(HINT).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe", b"[]", b"null", b"{", b"[" * 100_000, b" " * 70_000,
        json.dumps({**HINT, "subject_id": "1 OR 1=1"}).encode(), json.dumps({**HINT, "subject_id": True}).encode(),
        json.dumps({**HINT, "subject_id": None}).encode(), json.dumps({**HINT, "event_id": "x" * 101}).encode(),
        json.dumps({**HINT, "event_type": "user:updated"}).encode(),
        json.dumps({**HINT, "event_type": "time_entry:exploded"}).encode(),
        json.dumps({**HINT, "subject_type": ["time_entry"]}).encode(),
    ],
)  # fmt: skip
def test_a_malformed_hint_is_refused(body: bytes) -> None:
    """Drift, whatever is wrong with it; never another error."""
    with pytest.raises(Drift):
        KantataWebhook(["s3cret"]).hints("s3cret", {}, body)
    assert issubclass(Drift, ConnectorError)


def _profile(workspace: str, order: str) -> Command:
    profile = {"Purchase order": order, "Cap amount": "1000.00"}
    return Command(
        "set_billing_profile",
        "P-1-profile",
        json.dumps({"workspace": workspace, "profile": profile}).encode(),
    )
