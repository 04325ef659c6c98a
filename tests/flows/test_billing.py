"""A billing run whose partition fails is drafted set by set: an invoice of several contracts stays one."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.flows.setup_world import World
from tests.hub import billing_world as w
from tieout.hub import billing
from tieout.hub.billing import drafts


def test_contracts_of_one_invoice_stay_together_where_another_fails(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(engine)
    for contract in ("K-1", "K-2", "K-3"):
        world.sign(contract)
    with engine.begin() as conn:
        for contract in ("K-1", "K-3"):
            w.state_invoicing(conn, contract, group="customer")
        for contract in ("K-1", "K-2", "K-3"):
            w.event(conn, f"of {contract}", contract=contract)
        run = billing.start_run(conn, w.PAT, w.FEB)
    documents = drafts._documents

    def failing(proposed: Any, contract: str, kinds: Any) -> Any:
        if contract == "K-2":
            raise RuntimeError("a defect of one contract")
        return documents(proposed, contract, kinds)

    monkeypatch.setattr(drafts, "_documents", failing)
    world.run("bill")
    with engine.begin() as conn:
        assert [row[3] for row in w.documents(conn)] == [w.D(1600)]
        assert billing.run_status(conn, run)["contracts_done"] == 2
    monkeypatch.undo()
    world.later(minutes=20)
    world.run("bill")
    with engine.begin() as conn:
        assert [row[3] for row in w.documents(conn)] == [w.D(1600), w.D(800)]
        assert billing.run_status(conn, run)["state"] == "done"
