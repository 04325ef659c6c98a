"""No secret and no personal field reaches a log line (canaries)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tieout.hub import secrets
from tieout.hub.refusals import Invalid
from tieout.telemetry.logs import configure_logs, get_logger

CANARY = "canary-9f2c-secret"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged; the settings are put back afterwards."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    stream = io.StringIO()
    configure_logs("INFO", stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def test_a_resolved_secret_never_shows_wherever_it_stands(log: io.StringIO) -> None:
    assert secrets.resolve("env:X", {"X": CANARY}) == CANARY
    logger = get_logger("test")
    logger.info(
        f"calling with {CANARY}",
        url=f"https://host/?key={CANARY}",
        nested={"list": [CANARY]},
        raw=CANARY.encode(),
    )
    logging.getLogger("library").warning("header was Bearer %s", "abcdefghijklmnop")
    try:
        raise RuntimeError(f"refused {CANARY}")
    except RuntimeError:
        logger.exception("failed")
    text = log.getvalue()
    assert CANARY not in text
    assert "abcdefghijklmnop" not in text
    assert all(json.loads(line) for line in text.splitlines())
    assert len(text.splitlines()) == 3


def test_sensitive_fields_are_hidden_by_name(log: io.StringIO) -> None:
    get_logger("test").info(
        "x", password="hunter22", person={"email": "jo@firm.test", "full_name": "Jo"}, hours="8.00"
    )
    line = json.loads(log.getvalue())
    assert (line["password"], line["person"], line["hours"]) == (
        "[hidden]", {"email": "[hidden]", "full_name": "[hidden]"}, "8.00",
    )  # fmt: skip


def test_a_secret_is_only_ever_a_reference(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("value-from-file\n")
    path.chmod(0o600)
    assert secrets.resolve_all({"a": f"file:{path}"}) == {"a": "value-from-file"}
    path.chmod(0o644)
    for reference in (f"file:{path}", f"file:{tmp_path}/none", "env:MISSING", "plain-secret", "env:", ""):
        with pytest.raises(Invalid) as refused:
            secrets.resolve(reference, {})
        assert "value-from-file" not in str(refused.value)
