"""`tieout verify`, `audit verify` and `tie-out show`: one JSON value, exit 1 on a finding, the outside over HTTPS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.desk import Desk
from tests.hub.verified import plant
from tieout.cli.verify import outside
from tieout.hub import audit
from tieout.sandbox.server import Sandbox, open_world
from tieout.store.database import create_database, drop_database


def test_all_invariants_hold_and_a_defect_is_exit_1(desk: Desk) -> None:
    code, results = desk("verify")
    assert code == 0, [one for one in results if one["status"] == "failed"]
    assert [one["invariant"] for one in results] == [f"I{n}" for n in range(1, 31)]
    assert all(set(one) == {"invariant", "status", "detail"} for one in results)
    with desk.engine.begin() as conn:
        plant(conn, "UPDATE invoice_line SET net_amount = net_amount + 1")
    code, results = desk("verify")
    assert code == 1
    assert {one["invariant"] for one in results if one["status"] == "failed"} == {"I5", "I20"}
    code, out, note = desk.shown("verify")
    assert code == 1
    assert "I5\tfailed\t" in out
    assert "2 fail" in note


def test_the_audit_chain(desk: Desk, tmp_path: Path) -> None:
    code, answer = desk("audit", "verify")
    assert (code, answer["findings"]) == (0, [])
    assert answer["sealed"] > 10
    assert desk.shown("audit", "verify", "--checkpoint", str(tmp_path / "none"))[0] == 2
    with desk.engine.begin() as conn:
        assert audit.checkpoint_of_day(conn, tmp_path / "audit") is not None
        plant(conn, "DELETE FROM audit_seal WHERE position = (SELECT max(position) FROM audit_seal)")
    code, answer = desk("audit", "verify")
    assert (code, [one["what"][:17] for one in answer["findings"]]) == (1, ["the chain was cut"])
    code, results = desk("verify")
    assert {one["invariant"] for one in results if one["status"] == "failed"} == {"I21"}
    with desk.engine.begin() as conn:
        plant(conn, "UPDATE audit SET actor = 'mallory' WHERE action = 'release'")
    code, answer = desk("audit", "verify")
    assert code == 1
    assert "not the one that was sealed" in answer["findings"][0]["what"]


def test_tie_outs_are_shown_and_an_unknown_check_is_refused(desk: Desk) -> None:
    assert desk("tie-out", "show") == (0, [])
    code, answer = desk("tie-out", "run", "guessed", "US01", "2026-03")
    assert code == 2
    assert "billed" in answer["error"]["message"]


def test_a_sandbox_that_was_asked_for_must_answer(desk: Desk, tmp_path: Path) -> None:
    code, answer = desk("verify", "--sandbox", str(tmp_path))
    assert code == 3
    assert "tieout sandbox" in answer["error"]["message"]


def test_the_outside_truth_comes_over_https(
    desk: Desk, admin_url: str, database_name: Callable[[], str], tmp_path: Path
) -> None:
    """A running sandbox is found at home; a write there that no command of ours wanted is named."""
    name = database_name()
    sandbox = Sandbox(open_world(create_database(admin_url, name)), tmp_path / "sandbox")
    sandbox.start()
    try:
        assert desk("verify")[0] == 0
        id = sandbox.world.put("netsuite", "customer", {"entityid": "C-100"})
        sandbox.world.record_write("netsuite", "PUT", "/customer", "customer", id, "STRANGER", b"{}")
        with outside(tmp_path / "sandbox") as truth:
            assert truth is not None
            assert truth.ids("netsuite", "customer") == {id}
            assert [row["external_key"] for row in truth.ledger()] == ["STRANGER"]
            assert truth.calls() == []
        code, results = desk("verify")
        assert code == 1
        found = {one["invariant"]: one["detail"] for one in results if one["status"] == "failed"}
        assert "netsuite STRANGER" in found["I16"]
    finally:
        sandbox.stop()
        sandbox.world.engine.dispose()
        drop_database(admin_url, name)
    assert desk("verify")[0] == 0  # it does not answer: the outside is not compared
