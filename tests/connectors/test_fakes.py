"""The small vendors in memory, on which the tests of flows play, pass the same suite as the simulators.

They are there for speed: a flow is killed at each of its failpoints on a world of its own.
"""

from __future__ import annotations

import pytest

from tests.connectors.fakes.kantata import KantataRig
from tests.connectors.fakes.netsuite import NetSuiteRig
from tests.connectors.fakes.salesforce import SalesforceRig
from tieout.connectors.kit.conformance import ReadingConformance, WritingConformance

RIGS = (SalesforceRig, KantataRig, NetSuiteRig)


@pytest.fixture(params=RIGS, ids=lambda rig: rig.__name__)
def rig(request: pytest.FixtureRequest) -> object:
    return request.param()


class TestReading(ReadingConformance):
    pass


class TestWriting(WritingConformance):
    pass
