"""What the connectors read goes through the hub: from three vendors to one contract, its project and an approved hour."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select

from tests.sandbox.rigs import CLOCK, KantataRig, NetSuiteRig, SalesforceRig
from tieout.bootstrap import Settings
from tieout.connectors.kit.interface import Connector
from tieout.flows import durable, intake
from tieout.flows.environment import Environment
from tieout.hub import canonical, crosswalk, events, exceptions, inbox
from tieout.sandbox.server import Sandbox
from tieout.store import clock, tables
from tieout.store import inbox as store


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """An open transaction with the three connections."""
    rows = [{"name": name, "connector": name, "config": {}} for name in ("salesforce", "kantata", "netsuite")]
    conn.execute(insert(tables.connection), rows)
    return conn


def take(hub: Connection, name: str, connector: Connector) -> None:
    """A whole sync of one system."""
    for object in connector.objects():
        cursor, more = None, True
        while more:
            page = connector.changes(object, cursor)
            inbox.receive(hub, name, page.changes)
            cursor, more = page.cursor, page.more
    while inbox.apply_new(hub, name).taken:
        pass


def test_three_vendors_become_one_picture(hub: Connection, sandbox: Sandbox) -> None:
    """Nothing waits in the end and nobody has to decide anything; a second sync changes nothing."""
    salesforce, kantata, netsuite = SalesforceRig(sandbox), KantataRig(sandbox), NetSuiteRig(sandbox)
    _sign_a_contract(salesforce)
    (entry,) = kantata.add(1)
    netsuite.customer("A-1", "Firm")
    crosswalk.link(hub, "kantata", "workspace", "project", {kantata.workspace: "P-1"})
    for _ in range(2):
        for name, rig in (("netsuite", netsuite), ("salesforce", salesforce), ("kantata", kantata)):
            take(hub, name, rig.connector)
    assert exceptions.listed(hub).rows == []
    customer = canonical.current(hub, "customer", ["A-1"])["A-1"]
    assert (customer["legal_name"], customer["terms_days"], customer["credit_hold"]) == ("Firm", 30, False)
    contract = canonical.current(hub, "contract", ["C-1001"])["C-1001"]
    assert (contract["opportunity"], contract["state"], contract["discount"]) == (
        "OPP-1",
        "active",
        Decimal("0.05"),
    )
    assert canonical.current(hub, "opportunity", ["OPP-1"])["OPP-1"]["contract"] == "C-1001"
    hour = canonical.current(hub, "time_entry", [entry])[entry]
    assert (hour["project"], hour["worker"], hour["role"]) == ("P-1", kantata.user, "Consultant II")
    assert (hour["worked_hours"], hour["state"], hour["version"]) == (Decimal("1.25"), "approved", 1)
    assert canonical.current(hub, "period", ["US01/2026-01"])["US01/2026-01"]["state"] == "open"
    assert canonical.current(hub, "legal_entity", ["US01"])["US01"]["currency"] == "USD"


def test_a_first_sync_of_everything_at_once_opens_no_exception(engine: Engine, sandbox: Sandbox) -> None:
    """Contract and deal name each other and are read before and after the account, entries before their people."""
    rigs: dict[str, Any] = {
        "salesforce": SalesforceRig(sandbox),
        "kantata": KantataRig(sandbox),
        "netsuite": NetSuiteRig(sandbox),
    }
    _sign_a_contract(rigs["salesforce"])
    rigs["kantata"].add(3)
    rigs["netsuite"].customer("A-1", "Firm")
    outside = Environment(
        engine, Settings(Path("/nowhere")), lambda settings, system, *_: rigs[system].connector
    )
    with outside.begin() as conn:
        clock.set_now(conn, CLOCK)
        conn.execute(
            insert(tables.connection), [{"name": name, "connector": name, "config": {}} for name in rigs]
        )
    intake.schedule_reads(outside)
    durable.run_due(outside, ["sync"])
    with outside.begin() as conn:
        types = conn.execute(select(tables.event.c.type)).scalars().all()
        held = canonical.current(conn, "contract", ["C-1001"])["C-1001"]
        waiting = store.counts(conn).keys() & {"new", "held", "refused"}
    assert events.EXCEPTION_OPENED not in types
    assert (held["customer"], held["opportunity"], waiting) == ("A-1", "OPP-1", set())


def _sign_a_contract(rig: SalesforceRig) -> None:
    account = rig.put("Account", {"Name": "Firm", "AccountNumber": "A-1", "CurrencyIsoCode": "USD"})
    opportunity = {
        "Name": "Deal",
        "Opportunity_Number__c": "OPP-1",
        "StageName": "Closed Won",
        "AccountId": account,
    }
    deal = rig.put("Opportunity", opportunity)
    terms = {
        "StartDate": "2026-01-01",
        "Legal_Entity__c": "US01",
        "Discount_Percent__c": 5.0,
        "Status": "Activated",
    }
    signed = {"ContractNumber": "C-1001", "AccountId": account, "Opportunity__c": deal, **terms}
    rig.put("Opportunity", {"ContractId": rig.put("Contract", signed)}, deal)
