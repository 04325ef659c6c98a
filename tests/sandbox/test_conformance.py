"""The three connectors pass the conformance suite against the simulators, over real HTTPS."""

from __future__ import annotations

import pytest

from tests.sandbox.rigs import KantataRig, NetSuiteRig, SalesforceRig
from tieout.connectors.kit.conformance import ReadingConformance, TroubleConformance, WritingConformance
from tieout.sandbox.server import Sandbox


class _Salesforce:
    @pytest.fixture
    def rig(self, sandbox: Sandbox) -> SalesforceRig:
        return SalesforceRig(sandbox)


class _Kantata:
    @pytest.fixture
    def rig(self, sandbox: Sandbox) -> KantataRig:
        return KantataRig(sandbox)


class _NetSuite:
    @pytest.fixture
    def rig(self, sandbox: Sandbox) -> NetSuiteRig:
        return NetSuiteRig(sandbox)


class TestSalesforceReading(_Salesforce, ReadingConformance):
    pass


class TestSalesforceWriting(_Salesforce, WritingConformance):
    pass


class TestKantataReading(_Kantata, ReadingConformance):
    pass


class TestKantataWriting(_Kantata, WritingConformance):
    pass


class TestNetSuiteReading(_NetSuite, ReadingConformance):
    pass


class TestNetSuiteWriting(_NetSuite, WritingConformance):
    pass


class TestSalesforceTrouble(_Salesforce, TroubleConformance):
    pass


class TestKantataTrouble(_Kantata, TroubleConformance):
    pass


class TestNetSuiteTrouble(_NetSuite, TroubleConformance):
    pass
