"""`tieout flows`: looked at by id or key, asked to go on, taken back by who may."""

from __future__ import annotations

from sqlalchemy import text

from tests.cli.desk import ANN, EVE, Desk
from tieout.hub import flows


def opened(desk: Desk, kind: str = "project_setup", key: str = "K-1", state: str = "done") -> str:
    """A flow with one step that was done."""
    with desk.engine.begin() as conn:
        flow_id = flows.open_flow(conn, kind, key, {"legal_entity": "US01", "project": "P-1"})
        flows.mark(conn, flow_id, "erp_job", "done", {"intent": "x"})
        if state == "done":
            flows.finish(conn, flow_id)
        else:
            flows.wait(conn, flow_id, "a customer")
    return flow_id


def requested(desk: Desk, kind: str, key: str) -> bool:
    """Whether the work is asked for."""
    query = text("SELECT requested > done FROM work WHERE kind = :kind AND key = :key")
    with desk.engine.connect() as conn:
        return bool(conn.execute(query, {"kind": kind, "key": key}).scalar())


def test_a_flow_is_shown_and_asked_to_go_on(desk: Desk) -> None:
    flow_id = opened(desk, state="waiting")
    [row] = desk("flows", "list", "--state", "waiting")[1]
    assert (row["id"], row["waiting_for"]) == (flow_id, "a customer")
    assert desk("flows", "list", "--kind", "invoice_posting") == (0, [])
    assert desk("flows", "show", "K-1")[1] == desk("flows", "show", flow_id)[1]
    assert desk("flows", "show", "K-1")[1]["steps"][0]["step"] == "erp_job"
    assert desk("flows", "replay", "K-1", "--as", ANN)[0] == 2
    assert not requested(desk, "setup", "K-1")
    assert desk("flows", "replay", "K-1", "--as", EVE)[0] == 0
    assert requested(desk, "setup", "K-1")


def test_a_set_up_is_taken_back_and_an_invoice_is_not(desk: Desk) -> None:
    opened(desk)
    code, row = desk("flows", "compensate", "K-1", "--reason", "signed by mistake", "--as", EVE)
    assert (code, row["state"], row["waiting_for"]) == (0, "compensating", "signed by mistake")
    assert requested(desk, "setup", "K-1")
    opened(desk, "invoice_posting", desk.invoice)
    code, answer = desk("flows", "compensate", desk.invoice, "--reason", "x", "--as", EVE)
    assert code == 2
    assert f"tieout bill credit {desk.invoice}" in answer["error"]["remedy"]
    code, answer = desk("flows", "show", "K-9")
    assert (code, answer["error"]["code"]) == (2, "TIE-104")
