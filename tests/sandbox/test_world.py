"""The world keeps what was put in, exactly, and orders every change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tieout.sandbox.world import World
from tieout.store.database import connect


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    engine = connect(database_url)
    yield World(engine)
    engine.dispose()


def test_a_record_keeps_its_digits_and_merges_changes(world: World) -> None:
    """Decimals come back as they went in; a second put merges and gets a later stamp."""
    account = world.put("salesforce", "Account", {"Name": "O'Brien \\ Söhne", "Rate": Decimal("1250.50")})
    assert len(account) == 18
    assert account.startswith("001")
    before = world.get("salesforce", "Account", account)
    world.put("salesforce", "Account", {"Name": "b"}, account)
    after = world.get("salesforce", "Account", account)
    assert before is not None
    assert after is not None
    assert after.fields == {"Name": "b", "Rate": Decimal("1250.50")}
    assert str(after.fields["Rate"]) == "1250.50"
    assert after.modified_at > before.modified_at


def test_records_are_found_by_their_fields(world: World) -> None:
    """Numbers by value, deleted ones not."""
    entry = world.put("kantata", "time_entry", {"time_in_minutes": 75, "user_id": "7"})
    world.put("kantata", "time_entry", {"time_in_minutes": 75, "user_id": "8"})
    assert [r.id for r in world.find("kantata", "time_entry", time_in_minutes=75, user_id="7")] == [entry]
    world.delete("kantata", "time_entry", entry)
    assert world.find("kantata", "time_entry", user_id="7") == []
    kinds = [r.fields["event_type"] for r in world.all("kantata", "subscribed_event")]
    assert kinds == ["time_entry:created", "time_entry:created", "time_entry:deleted"]


def test_a_transaction_that_fails_leaves_nothing(world: World) -> None:
    """Also no number is used up, so ids stay those of the seed."""

    def two_puts() -> None:
        with world.transaction():
            world.put("netsuite", "job", {"entityId": "P-1"})
            world.put("netsuite", "job", {"entityId": object()})

    with pytest.raises(TypeError):
        two_puts()
    assert world.all("netsuite", "job") == []
    assert world.put("netsuite", "job", {"entityId": "P-1"}) == "1001"


def test_stamps_order_whatever_the_clock_says(world: World) -> None:
    """The clock may stand or go back; a world that is opened again goes on from its newest stamp."""
    world.set_now(datetime(2026, 1, 5, 9, tzinfo=UTC))
    first = world.put("netsuite", "job", {})
    world.set_now(datetime(2026, 1, 4, 9, tzinfo=UTC))
    again = World(world.engine)
    second = again.put("netsuite", "job", {})
    stamps = {r.id: r.modified_at for r in again.all("netsuite", "job")}
    assert stamps[second] - stamps[first] == timedelta(milliseconds=1)
    assert again.now() == datetime(2026, 1, 4, 9, tzinfo=UTC)
