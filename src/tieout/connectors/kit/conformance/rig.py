"""What the suite needs from a connector's simulator: people who change records, faults, and its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from tieout.connectors.kit.interface import Change, Command, Connector

Behaviour = Literal[
    "fail_before_apply", "apply_then_fail", "apply_then_timeout", "throttle", "html_body", "truncated_json",
    "refuse_connection", "mutate", "partial",
]  # fmt: skip


class Rig(Protocol):
    """One connector and the controls of its simulator. Every test gets a fresh one."""

    connector: Connector
    object: str
    """The source object that the suite plays with."""
    page_size: int
    """Records of one page, small enough for the suite to fill several."""
    batches: bool
    """Whether the vendor has batches with a result per row."""

    def add(self, count: int) -> list[str]:
        """People make records of `object`; their ids."""

    def add_late(self, seconds: int) -> str:
        """A record becomes visible whose stamp lies this long before the newest one (a transaction that took long)."""

    def touch(self, source_id: str) -> None:
        """People change one record."""

    def delete(self, source_id: str) -> None:
        """People delete one record."""

    def hostile(self) -> Sequence[str]:
        """People make one record per hostile text in a text field; their ids."""

    def remove_field(self) -> str:
        """The vendor drops a field of `object` that is read; its name."""

    def expire_tokens(self) -> bool:
        """Every access token handed out so far becomes invalid; False when this vendor's tokens do not expire."""

    def fault(self, behaviour: Behaviour, *, write: bool, times: int = 1) -> None:
        """The next `times` reads or writes meet this."""

    def command(self, number: int) -> Command:
        """A valid command; the same number gives the same command."""

    def applied(self, command: Command) -> int:
        """Live records under the command's key in the simulator's own ledger."""

    def bodies(self) -> Sequence[bytes]:
        """Bodies of all writes the simulator received, in order."""

    def calls(self) -> int:
        """Requests the simulator received, sign-in left out."""


def every_change(rig: Rig, cursor: str | None = None, between: object = None) -> tuple[list[Change], str]:
    """All changes of one sweep and the cursor after it; `between(page_number)` runs after each page."""
    found: list[Change] = []
    for number in range(1, 1000):
        page = rig.connector.changes(rig.object, cursor)
        found += page.changes
        cursor = page.cursor
        if callable(between):
            between(number)
        if not page.more:
            return found, cursor
    raise AssertionError("the sweep does not come to an end")
