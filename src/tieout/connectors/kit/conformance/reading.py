"""Conformance of the reading side: nothing lost, whatever happens while it is read."""

from __future__ import annotations

import json
from datetime import date

import pytest

from tieout.connectors.kit.conformance.rig import Rig, every_change
from tieout.connectors.kit.interface import AuthFailed, Change, Drift, RateLimited, Retryable


class ReadingConformance:
    """Run by subclassing in a module with a `rig` fixture."""

    def test_a_first_sync_reads_every_record(self, rig: Rig) -> None:
        """More than two pages; ids complete; at most the record at a page's edge is repeated, and unchanged."""
        ids = rig.add(rig.page_size * 2 + 3)
        found, _ = every_change(rig)
        assert {c.source_id for c in found} == set(ids)
        assert len({(c.source_id, c.source_version) for c in found}) == len(ids)
        assert len(found) < len(ids) * 2

    def test_a_delta_holds_what_changed(self, rig: Rig) -> None:
        """After a first sync a changed and a new record come, the changed one with a greater version."""
        ids = rig.add(3)
        first, cursor = every_change(rig)
        rig.touch(ids[0])
        added = rig.add(1)
        delta, _ = every_change(rig, cursor)
        before = {c.source_id: c.source_version for c in first}
        after = {c.source_id: c.source_version for c in delta}
        assert after[ids[0]] > before[ids[0]]
        assert added[0] in after
        assert len(cursor) < 64_000

    def test_a_record_that_commits_late_is_not_lost(self, rig: Rig) -> None:
        """It becomes visible after a sweep, with a stamp that the sweep had already passed."""
        rig.add(2)
        _, cursor = every_change(rig)
        late = rig.add_late(30)
        assert late in {c.source_id for c in every_change(rig, cursor)[0]}

    def test_versions_of_an_unchanged_record_stay_the_same(self, rig: Rig) -> None:
        """What the overlap reads again has the same version and the same bytes, so the inbox knows it."""
        rig.add(4)
        first, cursor = every_change(rig)
        again, _ = every_change(rig, cursor)
        known = {(c.source_id, c.source_version): c.raw for c in first}
        assert all(known[c.source_id, c.source_version] == c.raw for c in again)

    def test_each_page_can_be_read_again(self, rig: Rig) -> None:
        """A cursor that was not advanced gives the page again (a crash between reading and keeping)."""
        rig.add(rig.page_size + 1)
        first = rig.connector.changes(rig.object, None)
        again = rig.connector.changes(rig.object, None)
        assert [c.source_id for c in first.changes] == [c.source_id for c in again.changes]

    def test_records_that_change_while_pages_are_read_are_not_lost(self, rig: Rig) -> None:
        """After the first page an early record changes and moves to the end; nobody is skipped."""
        ids = rig.add(rig.page_size * 3)

        def meddle(number: int) -> None:
            if number == 1:
                for source_id in ids[:3]:
                    rig.touch(source_id)

        found, cursor = every_change(rig, between=meddle)
        assert {c.source_id for c in found} >= set(ids)
        later, _ = every_change(rig, cursor)
        newest = {c.source_id: c for c in sorted([*found, *later], key=lambda c: c.source_version)}
        assert all(newest[i].document == _now(rig, i).document for i in ids[:3])

    def test_a_deleted_record_becomes_a_tombstone(self, rig: Rig) -> None:
        """The tombstone's version beats every version the record had."""
        ids = rig.add(2)
        first, cursor = every_change(rig)
        rig.delete(ids[0])
        delta, _ = every_change(rig, cursor)
        gone = [c for c in delta if c.source_id == ids[0] and c.tombstone]
        assert gone
        assert gone[-1].source_version > max(c.source_version for c in first if c.source_id == ids[0])
        assert not any(c.tombstone for c in delta if c.source_id == ids[1])

    def test_one_record_can_be_fetched(self, rig: Rig) -> None:
        """By id; an id that nobody has gives None."""
        ids = rig.add(2)
        change = rig.connector.fetch(rig.object, ids[1])
        assert change is not None
        assert change.source_id == ids[1]
        assert rig.connector.fetch(rig.object, "999999999") is None

    def test_raw_bytes_hold_the_whole_document(self, rig: Rig) -> None:
        """The kept bytes are JSON and give the document again: the inbox keeps nothing else."""
        rig.add(2)
        for change in every_change(rig)[0]:
            assert set(json.loads(change.raw)) == set(change.document)
            assert "float" not in {type(v).__name__ for v in change.document.values()}

    def test_hostile_texts_arrive_as_they_are(self, rig: Rig) -> None:
        """Quotes, markup, formulas, other scripts: one change each, bytes kept."""
        ids = rig.hostile()
        found, _ = every_change(rig)
        assert {c.source_id for c in found} >= set(ids)

    def test_an_expired_token_is_renewed_once(self, rig: Rig) -> None:
        """The call is repeated after a new sign-in; vendors whose tokens never expire refuse for good."""
        rig.add(1)
        every_change(rig)
        if rig.expire_tokens():
            assert every_change(rig)[0]
        else:
            rig.fault("fail_before_apply", write=False)
            with pytest.raises((AuthFailed, Retryable)):
                every_change(rig)

    def test_throttling_without_retry_after_is_rate_limited(self, rig: Rig) -> None:
        """In the vendor's own dialect, and without a repetition of our own."""
        rig.add(1)
        every_change(rig)
        before = rig.calls()
        rig.fault("throttle", write=False)
        with pytest.raises(RateLimited) as caught:
            rig.connector.changes(rig.object, None)
        assert caught.value.after_seconds is None
        assert rig.calls() == before + 1

    @pytest.mark.parametrize(
        "behaviour", ["fail_before_apply", "html_body", "truncated_json", "refuse_connection"]
    )
    def test_a_read_that_fails_in_passing_is_retryable(self, rig: Rig, behaviour: str) -> None:
        """A 5xx, an HTML page with status 200, a body that breaks off, no connection: try again, nothing is lost."""
        ids = rig.add(2)
        every_change(rig)
        rig.fault(behaviour, write=False)  # type: ignore[arg-type]
        with pytest.raises(Retryable):
            rig.connector.changes(rig.object, None)
        assert {c.source_id for c in every_change(rig)[0]} >= set(ids)

    def test_a_removed_field_is_seen(self, rig: Rig) -> None:
        """Either the read says drift, or the description lacks the field: never a silent null."""
        rig.add(1)
        assert rig.connector.describe()[rig.object]
        name = rig.remove_field()
        try:
            every_change(rig)
        except Drift:
            return
        assert name not in rig.connector.describe()[rig.object]

    def test_the_snapshot_names_what_the_sweep_names(self, rig: Rig) -> None:
        """Ids and versions agree, so that the gap sweep finds gaps and nothing else."""
        rig.add(rig.page_size + 2)
        found, _ = every_change(rig)
        days = sorted(c.source_version[:10] for c in found)
        span = (date.fromisoformat(days[0]), date.fromisoformat(days[-1]))
        assert set(rig.connector.snapshot(rig.object, *span)) == {
            (c.source_id, c.source_version) for c in found
        }

    def test_a_harmless_call_answers(self, rig: Rig) -> None:
        """A sentence without secrets."""
        assert rig.connector.test()


def _now(rig: Rig, source_id: str) -> Change:
    change = rig.connector.fetch(rig.object, source_id)
    assert change is not None
    return change
