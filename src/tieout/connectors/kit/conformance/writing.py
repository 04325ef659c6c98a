"""Conformance of the writing side: one command makes at most one record, and nothing unproven counts as done."""

from __future__ import annotations

import pickle

import pytest

from tieout.connectors.kit.conformance.rig import Rig
from tieout.connectors.kit.interface import (
    Command,
    ConnectorError,
    RateLimited,
    Receipt,
    Rejected,
    Retryable,
    UnknownOutcome,
)


class WritingConformance:
    """Run by subclassing in a module with a `rig` fixture."""

    def test_a_command_is_applied_and_proven(self, rig: Rig) -> None:
        """Receipt, look-up and read-back agree."""
        command = rig.command(1)
        receipt = rig.connector.apply(command)
        found = rig.connector.lookup(command.operation, command.external_key)
        assert found is not None
        assert found.target_id == receipt.target_id
        assert list(rig.connector.read_back(command, receipt)) == []
        assert rig.applied(command) == 1

    def test_a_repeated_command_makes_no_second_record(self, rig: Rig) -> None:
        """Same key, same bytes: same record."""
        command = rig.command(1)
        first, second = rig.connector.apply(command), rig.connector.apply(command)
        assert first.target_id == second.target_id
        assert rig.applied(command) == 1

    def test_what_was_never_sent_is_not_found(self, rig: Rig) -> None:
        """None, not an error."""
        command = rig.command(7)
        assert rig.connector.lookup(command.operation, "NOBODY-HAS-THIS") is None

    @pytest.mark.parametrize(
        "behaviour", ["apply_then_fail", "apply_then_timeout", "html_body", "truncated_json"]
    )
    def test_an_applied_write_without_proof_is_an_unknown_outcome(self, rig: Rig, behaviour: str) -> None:
        """The look-up finds what was applied; a repetition completes it; one record in the end."""
        command = rig.command(2)
        rig.connector.test()
        rig.fault(behaviour, write=True)  # type: ignore[arg-type]
        with pytest.raises(UnknownOutcome):
            rig.connector.apply(command)
        receipt = settled(rig, command)
        assert list(rig.connector.read_back(command, receipt)) == []
        assert rig.applied(command) == 1

    def test_a_failure_before_applying_leaves_nothing(self, rig: Rig) -> None:
        """A 5xx of a write proves nothing, so the outcome is unknown; the repetition makes the one record."""
        command = rig.command(3)
        rig.connector.test()
        rig.fault("fail_before_apply", write=True)
        with pytest.raises(UnknownOutcome):
            rig.connector.apply(command)
        assert rig.applied(command) == 0
        settled(rig, command)
        assert rig.applied(command) == 1

    def test_a_write_that_was_never_sent_may_be_repeated(self, rig: Rig) -> None:
        """No connection: Retryable, not unknown."""
        command = rig.command(4)
        rig.connector.test()
        rig.fault("refuse_connection", write=True)
        with pytest.raises(Retryable):
            rig.connector.apply(command)
        rig.connector.apply(command)
        assert rig.applied(command) == 1

    def test_a_throttled_write_was_not_applied(self, rig: Rig) -> None:
        """RateLimited in the vendor's own dialect."""
        command = rig.command(5)
        rig.connector.test()
        rig.fault("throttle", write=True)
        with pytest.raises(RateLimited):
            rig.connector.apply(command)
        assert rig.applied(command) == 0

    def test_a_token_that_expires_before_a_write_is_renewed(self, rig: Rig) -> None:
        """One record; the bytes of both attempts are the same."""
        command = rig.command(6)
        rig.connector.test()
        rig.expire_tokens()
        rig.connector.apply(command)
        assert rig.applied(command) == 1

    def test_a_silently_changed_value_is_caught(self, rig: Rig) -> None:
        """The target accepts and stores something else: read-back names the field."""
        command = rig.command(8)
        rig.fault("mutate", write=True)
        receipt = rig.connector.apply(command)
        found = rig.connector.read_back(command, receipt)
        assert len(found) >= 1
        assert all(d.field and d.sent != d.held for d in found)

    def test_the_declared_inverse_is_carried_out(self, rig: Rig) -> None:
        """What the manifest calls an inverse can be applied, twice; without one there is a reason instead."""
        command = rig.command(9)
        receipt = rig.connector.apply(command)
        undo = rig.connector.inverse(command, receipt)
        declared = rig.connector.manifest.writes[command.operation]  # type: ignore[attr-defined]
        if undo is None:
            assert declared.no_inverse_because
            return
        assert undo.operation == declared.inverse
        done = rig.connector.apply(undo)
        assert rig.connector.apply(undo).target_id == done.target_id == receipt.target_id
        assert list(rig.connector.read_back(undo, done)) == []

    def test_a_batch_gives_one_result_per_row(self, rig: Rig) -> None:
        """Matched by key; some refused, the others applied; sending the refused ones again completes the batch."""
        commands = [rig.command(n) for n in range(20, 26)]
        rig.connector.test()
        if rig.batches:
            rig.fault("partial", write=True)
        rows = rig.connector.apply_batch(commands[0].operation, commands)
        assert [r.external_key for r in rows] == [c.external_key for c in commands]
        assert all((r.receipt is None) != (r.error is None) for r in rows)
        refused = [c for c, r in zip(commands, rows, strict=True) if r.error is not None]
        assert bool(refused) == rig.batches
        assert all(isinstance(r.error, Retryable) for r in rows if r.error is not None)
        again = rig.connector.apply_batch(commands[0].operation, refused)
        assert all(r.error is None for r in again)
        assert [rig.applied(c) for c in commands] == [1] * len(commands)

    def test_a_lost_batch_is_an_unknown_outcome(self, rig: Rig) -> None:
        """No row may count as done or failed."""
        if not rig.batches:
            return
        commands = [rig.command(n) for n in range(30, 33)]
        rig.connector.test()
        rig.fault("apply_then_timeout", write=True)
        with pytest.raises(UnknownOutcome):
            rig.connector.apply_batch(commands[0].operation, commands)
        assert all(rig.connector.lookup(c.operation, c.external_key) for c in commands)

    def test_an_operation_that_does_not_exist_is_refused(self, rig: Rig) -> None:
        """Before anything is sent."""
        before = rig.calls()
        with pytest.raises(Rejected):
            rig.connector.apply(Command("delete_everything", "K1", b"{}"))
        assert rig.calls() == before

    def test_errors_survive_being_stored(self, rig: Rig) -> None:
        """Every error class comes back from a pickle with its fields."""
        for kind in (Retryable, RateLimited, Rejected, UnknownOutcome):
            error = pickle.loads(pickle.dumps(kind("what", "CODE", "field", 7)))
            assert isinstance(error, ConnectorError)
            assert type(error) is kind
            assert (error.message, error.code, error.field_name, error.after_seconds) == (
                "what",
                "CODE",
                "field",
                7,
            )


def settled(rig: Rig, command: Command) -> Receipt:
    """What the outbox does after an unknown outcome: look up, and send the same bytes again when nothing is found.

    A record that is found may be one that people made before: only read-back tells that it holds what was sent.
    """
    found = rig.connector.lookup(command.operation, command.external_key)
    if found is not None and not rig.connector.read_back(command, found):
        return found
    return rig.connector.apply(command)
