"""Applying a workspace: one version per content, connections and prices follow, what they touch is done again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from tieout.hub import ownership, policies
from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.refusals import Forbidden, Invalid
from tieout.hub.settings import load_settings
from tieout.store import clock
from tieout.store.ids import new_id
from tieout.store.tables import CANONICAL, audit, connection, cost_rate, inbox, rate, work, workspace_version
from tieout.workspace import AppliedVersion, apply, init

CONTRACT = """\
mapping: 1
version: 2
direction: in
object: Contract
canonical: contract
key: ContractNumber
fields:
  currency: {group: contract.terms, path: Currency__c, convert: currency, default: USD}
  billing_method: {group: contract.terms, path: Method__c, convert: enum, values: {true: time_and_materials, T+M: time_and_materials}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace that passes."""
    init(tmp_path, "firm")
    return tmp_path


def put(conn: Connection, folder: Path, actor: Actor = SYSTEM) -> AppliedVersion:
    return apply(conn, folder, actor, environ={})


def contract(conn: Connection, key: str, card: str) -> None:
    moment = clock.now(conn)
    row = {"id": new_id(moment), "key": key, "version": 1, "legal_entity": "US02", "rate_card": card,
           "provenance": {}, "recorded_at": moment}  # fmt: skip
    conn.execute(insert(CANONICAL["contract"]).values(**row))


def asked(conn: Connection, kind: str) -> list[str]:
    return sorted(conn.execute(select(work.c.key).where(work.c.kind == kind)).scalars())


def test_the_same_folder_applied_twice_is_one_version(conn: Connection, folder: Path) -> None:
    first = put(conn, folder)
    assert (first.version, first.changed, first.prices_added) == (1, True, 2)
    assert first.connections == ("kantata", "netsuite", "salesforce")
    again = put(conn, folder)
    assert (again.version, again.digest, again.changed) == (1, first.digest, False)
    assert len(conn.execute(select(workspace_version)).all()) == 1
    assert len(conn.execute(select(rate)).all()) == 2
    assert [r.action for r in conn.execute(select(audit.c.action))] == ["apply"]


def test_what_the_folder_states_is_what_the_hub_reads(conn: Connection, folder: Path) -> None:
    put(conn, folder)
    chosen = policies.load(conn)
    assert (chosen.version, chosen.tax.height, chosen.items) == (1, 1, {"time": "SVC-TIME"})
    assert chosen.account("netsuite", "billing_clearing") == "4900"
    assert chosen.cards_for(None, None, "US01") == ["STANDARD"]
    assert chosen.time_zone("US01").key == "America/New_York"
    matrix = ownership.load(conn)
    assert matrix.owner("rate_card", None, clock.now(conn).date()) == "workspace"
    assert matrix.owner("invoice.posting", "US01", clock.now(conn).date()) == "netsuite"


def test_connections_keep_references_and_are_disabled_when_they_are_taken_out(
    conn: Connection, folder: Path
) -> None:
    put(conn, folder)
    row = conn.execute(select(connection.c.config).where(connection.c.name == "salesforce")).scalar_one()
    assert row["secrets"]["client_id"] == "env:SALESFORCE_CLIENT_ID"
    text = (folder / "connections/kantata.yaml").read_text()
    (folder / "connections/kantata.yaml").unlink()
    (folder / "ownership.yaml").write_text("ownership:\n  rate_card: {owner: workspace}\n")
    assert put(conn, folder).disabled == ("kantata",)
    query = select(connection.c.name).where(connection.c.enabled).order_by(connection.c.name)
    assert list(conn.execute(query).scalars()) == ["netsuite", "salesforce"]
    (folder / "connections/kantata.yaml").write_text(text + "budget_per_minute: 60\n")
    assert put(conn, folder).disabled == ()
    row = conn.execute(select(connection).where(connection.c.name == "kantata")).mappings().one()
    assert (row["enabled"], row["budget_per_minute"]) == (True, 60)


def test_changed_prices_are_heard_removed_ones_end_and_imported_ones_stay(
    conn: Connection, folder: Path
) -> None:
    from tieout.hub.rates import import_rates

    contract(conn, "C-1", "STANDARD")
    contract(conn, "C-2", "OTHER")
    put(conn, folder)
    assert asked(conn, "rate") == ["C-1"]
    import_rates(conn, SYSTEM, "march.csv", b"role,price,from\nProject Manager,130,2026-03-01\n", "STANDARD")
    (folder / "billing.yaml").write_text("items: {time: OTHER}\n")
    kept = put(conn, folder)
    assert (kept.version, kept.prices_added, kept.prices_ended) == (2, 0, 0)
    assert kept.rated_again == 2
    (folder / "rates/standard.csv").write_text(
        "role,price,from,to\nProject Manager,122.44,2025-01-01,\nClerk,50,2025-01-01,\n"
    )
    changed = put(conn, folder)
    assert (changed.prices_added, changed.prices_ended, changed.rated_again) == (1, 1, 1)
    query = select(rate.c.role, rate.c.price).where(rate.c.superseded_at.is_(None)).order_by(rate.c.price)
    assert [tuple(map(str, row)) for row in conn.execute(query)] == [
        ("Clerk", "50.000000"), ("Project Manager", "122.440000"), ("Project Manager", "130.000000"),
    ]  # fmt: skip


def test_a_changed_choice_of_cost_is_worked_out_again_where_something_costs(
    conn: Connection, folder: Path
) -> None:
    contract(conn, "C-1", "STANDARD")
    put(conn, folder)
    (folder / "billing.yaml").write_text("transfer_margin: 0.05\n")
    put(conn, folder)
    assert asked(conn, "cost") == []
    conn.execute(
        insert(cost_rate).values(worker="W1", source_version="1", number=1, effective_from=clock.now(conn).date(),
                                 rate=60, burden=0, currency="USD", recorded_at=clock.now(conn))
    )  # fmt: skip
    agreed = "{supplier: GB01, buyer: US01, margin: 0.10, from: 2026-01-01}"
    (folder / "billing.yaml").write_text(f"transfer_margin: 0.05\ntransfer_margins:\n  - {agreed}\n")
    put(conn, folder)
    assert asked(conn, "cost") == ["C-1"]
    [row] = policies.load(conn).transfer_margins.rows(named=True)
    assert (row["supplier"], row["buyer"], row["margin"]) == ("GB01", "US01", Decimal("0.1"))


def test_an_override_replaces_the_vendors_mapping_and_releases_what_it_may_read_now(
    conn: Connection, folder: Path
) -> None:
    put(conn, folder)
    moment = clock.now(conn)
    for number, (object, state, detail) in enumerate(
        [("Contract", "held", "billing_method: T+M"), ("Contract", "held", "waits for Account 1"),
         ("Account", "held", "country: XX"), ("Contract", "refused", "currency: none")]
    ):  # fmt: skip
        row = {"connection": "salesforce", "object": object, "source_id": str(number), "source_version": "1",
               "digest": b"", "raw": b"{}", "document": b"{}", "state": state, "detail": detail,
               "observed_at": moment, "recorded_at": moment}  # fmt: skip
        conn.execute(insert(inbox).values(**row))
    file = folder / "mappings/salesforce/contract.yaml"
    file.parent.mkdir()
    file.write_text(CONTRACT)
    applied = put(conn, folder)
    assert applied.records_released == 2
    assert asked(conn, "sync") == ["salesforce/Contract"]
    assert asked(conn, "drift") == ["salesforce"]
    mapping = load_settings(conn, "salesforce").mappings.inbound("Contract")
    assert mapping is not None
    assert mapping.version == 2
    read = mapping.apply({"ContractNumber": "C-1", "Method__c": True})
    assert (read.values["currency"], read.values["billing_method"]) == ("USD", "time_and_materials")
    assert load_settings(conn, "salesforce").mappings.inbound("Account") is not None
    file.unlink()
    assert put(conn, folder).changed
    mapping = load_settings(conn, "salesforce").mappings.inbound("Contract")
    assert mapping is not None
    assert mapping.version == 1


def test_a_workspace_with_findings_is_refused_and_nothing_is_written(conn: Connection, folder: Path) -> None:
    (folder / "tieout.yaml").write_text("nam: firm\n")
    with pytest.raises(Invalid) as refused:
        put(conn, folder)
    assert refused.value.code == "TIE-140"
    assert any(place.startswith("tieout.yaml:1") for place in refused.value.fields)
    assert conn.execute(select(workspace_version)).all() == []


def test_who_may_apply_and_where(conn: Connection, folder: Path) -> None:
    with pytest.raises(Forbidden):
        put(conn, folder, Actor("ana", frozenset({"billing_preparer"})))
    with pytest.raises(Invalid, match="not supported yet"):
        apply(conn, folder, SYSTEM, "prod", {})
    assert put(conn, folder, Actor("ida", frozenset({"integration_engineer"}))).version == 1
