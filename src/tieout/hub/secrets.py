"""Secrets stay outside the database: a reference names an environment variable or a private file."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tieout.hub.refusals import Invalid
from tieout.telemetry.redaction import register_secret

_LARGEST = 65_536


def resolve(reference: str, environment: Mapping[str, str] | None = None) -> str:
    """The secret behind `env:NAME` or `file:PATH`; from then on every log line hides it."""
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        value = (os.environ if environment is None else environment).get(name, "")
    elif kind == "file" and name:
        value = _from_file(Path(name).expanduser())
    else:
        raise Invalid("A secret is given as `env:NAME` or `file:PATH`, never as itself.",
                      code="TIE-120", fields={"secret": "not a reference"})  # fmt: skip
    if not value:
        raise Invalid(f"The secret {reference} is empty or missing.", code="TIE-121", fields={"secret": reference},
                      remedy="Set it where the process can read it.")  # fmt: skip
    register_secret(value)
    return value


def resolve_all(
    references: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The secrets of a connection by name."""
    return {name: resolve(reference, environment) for name, reference in references.items()}


def _from_file(path: Path) -> str:
    try:
        status = path.stat()
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Invalid(f"The secret file {path} can be read by others.", code="TIE-122",
                          fields={"secret": str(path)}, remedy=f"Run: chmod 600 {path}")  # fmt: skip
        if status.st_size > _LARGEST:
            raise Invalid(
                f"The secret file {path} is too large.", code="TIE-122", fields={"secret": str(path)}
            )
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Invalid(f"The secret file {path} cannot be read: {error.strerror}.", code="TIE-121",
                      fields={"secret": str(path)}) from error  # fmt: skip
