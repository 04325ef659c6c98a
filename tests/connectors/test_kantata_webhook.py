"""Kantata's webhook is a hint: it names a record, and whatever else it says is refused."""

from __future__ import annotations

import json

import pytest

from tieout.connectors.kantata import KantataWebhook
from tieout.connectors.kit.interface import AuthFailed, ConnectorError, Drift, Hint

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
