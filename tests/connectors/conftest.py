"""Connectors are tried on the simulators, as in tests/sandbox."""

from tests.sandbox.conftest import running, sandbox, world

__all__ = ["running", "sandbox", "world"]
