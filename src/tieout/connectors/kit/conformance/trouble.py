"""Conformance where a simulator is needed that keeps a clock and an index of its own: late, lagging, lying answers."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from tieout.connectors.kit.conformance.rig import Rig, every_change
from tieout.connectors.kit.conformance.writing import settled
from tieout.connectors.kit.interface import Command, Drift, RateLimited, UnknownOutcome

LATE_SECONDS = 300
HUGE = 200_000


class TroubleRig(Rig, Protocol):
    """A rig over a whole simulator."""

    def fault(self, behaviour: Any, *, write: bool, times: int = 1, **detail: Any) -> None:
        """Also `apply_late` (seconds), `lookup_lag` (seconds), `error_body`; `throttle` may state `retry_after`."""

    def wait(self, seconds: int) -> None:
        """The vendor's clock moves on."""

    def rename_field(self) -> tuple[str, str]:
        """The vendor renames a field of `object` that is read; old and new name."""

    def add_field(self) -> str:
        """The vendor adds a field to `object`; its name."""

    def huge(self, characters: int) -> str:
        """People make a record with a text of this length; its id."""


class TroubleConformance:
    """Run by subclassing in a module with a `rig` fixture."""

    def test_throttling_says_when_to_come_back(self, rig: TroubleRig) -> None:
        """A stated Retry-After is passed on, for reads and writes."""
        command = rig.command(40)
        rig.connector.test()
        rig.fault("throttle", write=False, retry_after=7)
        with pytest.raises(RateLimited) as caught:
            rig.connector.changes(rig.object, None)
        assert caught.value.after_seconds == 7
        rig.fault("throttle", write=True, retry_after=9)
        with pytest.raises(RateLimited) as caught:
            rig.connector.apply(command)
        assert caught.value.after_seconds == 9
        assert rig.applied(command) == 0

    def test_success_with_an_error_in_it_is_no_success(self, rig: TroubleRig) -> None:
        """Status 200 and the vendor's error envelope prove nothing about the write."""
        command = rig.command(41)
        rig.connector.test()
        rig.fault("error_body", write=True)
        with pytest.raises(UnknownOutcome):
            rig.connector.apply(command)
        _one_record(rig, command)

    def test_a_write_that_is_applied_late_ends_as_one_record(self, rig: TroubleRig) -> None:
        """No answer, nothing to find; once the vendor has applied it, what is sent again finds it."""
        command = rig.command(42)
        rig.connector.test()
        rig.fault("apply_late", write=True, seconds=LATE_SECONDS)
        with pytest.raises(UnknownOutcome):
            rig.connector.apply(command)
        assert rig.applied(command) == 0
        rig.wait(LATE_SECONDS + 1)
        _one_record(rig, command)

    def test_a_look_up_that_lags_names_no_other_record(self, rig: TroubleRig) -> None:
        """Within the lag nothing or the right one; after it the right one."""
        command = rig.command(43)
        rig.connector.test()
        rig.fault("lookup_lag", write=True, seconds=60)
        receipt = rig.connector.apply(command)
        early = rig.connector.lookup(command.operation, command.external_key)
        assert early is None or early.target_id == receipt.target_id
        rig.wait(61)
        found = rig.connector.lookup(command.operation, command.external_key)
        assert found is not None
        assert found.target_id == receipt.target_id
        _one_record(rig, command)

    def test_a_renamed_field_is_seen(self, rig: TroubleRig) -> None:
        """As a removed one: drift, or the description lacks it."""
        rig.add(1)
        old, _ = rig.rename_field()
        try:
            every_change(rig)
        except Drift:
            return
        assert old not in rig.connector.describe()[rig.object]

    def test_a_new_field_disturbs_nobody(self, rig: TroubleRig) -> None:
        """What is read stays readable with its versions."""
        rig.add(2)
        before, _ = every_change(rig)
        rig.add_field()
        after, _ = every_change(rig)
        assert [(c.source_id, c.source_version) for c in after] == [
            (c.source_id, c.source_version) for c in before
        ]

    def test_a_huge_text_arrives_whole(self, rig: TroubleRig) -> None:
        """Nothing is cut on the way in."""
        source_id = rig.huge(HUGE)
        found = {c.source_id: c for c in every_change(rig)[0]}
        assert len(found[source_id].raw) >= HUGE


def _one_record(rig: TroubleRig, command: Command) -> None:
    receipt = settled(rig, command)
    assert list(rig.connector.read_back(command, receipt)) == []
    assert rig.applied(command) == 1
