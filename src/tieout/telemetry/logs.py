"""Logs as JSON lines on stderr (stdout belongs to the answer of a command), always redacted."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from tieout.telemetry.redaction import redact, redact_text

CHATTY = ("httpx", "httpcore")
"""Libraries that name every address they call, and some addresses hold a secret."""


def configure_logs(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set structlog and the standard library's logging to one redacted JSON line per event."""
    target = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [
        structlog.processors.format_exc_info,
        hide_sensitive,
        structlog.processors.JSONRenderer(default=str),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def hide_sensitive(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: the event with secrets and personal fields hidden."""
    text = event.pop("event", "")
    return {"event": redact_text(str(text)), **redact(event)}


def get_logger(name: str) -> Any:
    """A logger that names its part of the system."""
    return structlog.get_logger().bind(logger=name)
