"""Salesforce passes the conformance suite; and what only Salesforce does."""

from __future__ import annotations

import pytest

from tests.connectors.fakes.salesforce import SalesforceRig
from tieout.connectors.kit.conformance import ReadingConformance, WritingConformance, every_change


@pytest.fixture
def rig() -> SalesforceRig:
    return SalesforceRig()


class TestReading(ReadingConformance):
    pass


class TestWriting(WritingConformance):
    pass


def test_a_lost_query_locator_begins_the_sweep_again(rig: SalesforceRig) -> None:
    """Locators live a limited time; the sweep begins again from its watermark and loses nothing."""
    ids = rig.add(7)
    page = rig.connector.changes("Account", None)
    rig.fake.locators.clear()
    found, _ = every_change(rig, page.cursor)
    assert {c.source_id for c in found} == set(ids)


def test_rows_of_a_batch_go_out_unchanged(rig: SalesforceRig) -> None:
    """Each command's bytes stand in the batch as they are: their hashes are those of the intents."""
    commands = [rig.command(1), rig.command(2)]
    rig.connector.apply_batch("upsert_opportunity", commands)
    sent = rig.bodies()[-1]
    assert sent == b'{"allOrNone":false,"records":[' + commands[0].body + b"," + commands[1].body + b"]}"
