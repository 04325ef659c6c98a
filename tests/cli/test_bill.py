"""`tieout bill`: a run drafts, another person approves and releases, a credit note undoes and is billed again."""

from __future__ import annotations

from tests.cli.desk import ANN, BOB, PAT, Desk
from tests.hub import rated, verified
from tests.hub.builders import take


def test_from_hours_to_an_invoice_and_its_credit(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        take(conn, "kantata", rated.hours("601", "5"))
        verified.rate(conn)
    code, run = desk("bill", "run", "--through", "2026-02-28", "--contract", "K-1", "--as", PAT)
    assert (code, run["state"], run["preparer"]) == (0, "done", PAT)
    [draft] = run["drafts"]
    assert (draft["net_amount"], draft["state"]) == ("1000.00", "draft")
    ref = draft["reference"]
    assert [row["reference"] for row in desk("bill", "review")[1]] == [ref]
    shown = desk("bill", "review", ref)[1]
    assert [row["entry"] for row in shown["backup_sheet"]] == ["601"]
    assert all({"check", "ok", "detail"} == set(check) for check in shown["checks"])
    code, refused = desk("bill", "approve", ref, "--as", PAT)
    assert (code, refused["error"]["code"]) == (2, "TIE-103")
    code, [approved] = desk("bill", "approve", ref, "--as", ANN)
    assert (code, approved["state"]) == (0, "approved")
    code, [released] = desk("bill", "release", ref, "--as", ANN)
    assert (code, released["state"]) == (0, "released")
    number = released["number"]
    code, note = desk(
        "bill", "credit", number, "--line", "601=2", "--reason", "agreed", "--rebill", "--as", PAT
    )
    assert (code, note["kind"], note["net_amount"]) == (0, "credit_note", "400.00")
    desk("bill", "approve", note["reference"], "--as", BOB)
    assert desk("bill", "release", note["reference"], "--as", BOB)[1][0]["state"] == "released"
    code, again = desk("bill", "run", "--through", "2026-02-28", "--as", PAT)
    assert [row["net_amount"] for row in again["drafts"]] == ["400.00"]


def test_each_document_is_decided_alone(desk: Desk) -> None:
    """One is refused, the other goes on: exit 1 and both are told."""
    with desk.engine.begin() as conn:
        take(conn, "kantata", rated.hours("601", "5"))
        verified.rate(conn)
    [draft] = desk("bill", "run", "--through", "2026-02-28", "--as", PAT)[1]["drafts"]
    code, answers = desk("bill", "approve", "D-999", draft["reference"], "--as", ANN)
    assert code == 1
    assert answers[0]["error"]["code"] == "TIE-104"
    assert answers[1]["state"] == "approved"
    code, answers = desk("bill", "reject", draft["reference"], "--reason", "wrong order", "--as", BOB)
    assert (code, answers[0]["state"]) == (0, "void")
    assert desk("bill", "void", draft["reference"], "--as", PAT)[0] == 2


def test_wrong_usage(desk: Desk) -> None:
    wanted = ("--reason", "x", "--as", PAT)
    assert desk.shown("bill", "credit", desk.invoice, "--line", "601", *wanted)[0] == 2
    assert desk.shown("bill", "credit", desk.invoice, "--amount", "much", *wanted)[0] == 2
    assert desk.shown("bill", "credit", desk.invoice, "--amount", "5", "--all", *wanted)[0] == 2
    assert desk.shown("bill", "credit", desk.invoice, "--amount", "99999", *wanted)[0] == 2
    assert desk.shown("bill", "run", "--through", "soon", "--as", PAT)[0] == 2
    code, answer = desk("bill", "run", "--through", "2026-02-28", "--as", ANN)
    assert code == 2
    assert "billing_preparer" in answer["error"]["remedy"]


def test_a_run_that_finds_nothing_is_done(desk: Desk) -> None:
    code, run = desk("bill", "run", "--through", "2026-02-28", "--as", PAT)
    assert (code, run["state"], run["drafts"]) == (0, "done", [])


def test_an_hour_that_a_person_holds_is_not_billed_until_it_is_let_go(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        take(conn, "kantata", rated.hours("601", "5"))
        verified.rate(conn)
    [draft] = desk("bill", "run", "--through", "2026-02-28", "--contract", "K-1", "--as", PAT)[1]["drafts"]
    told = ("bill", "hold", "--entry", "601", "--reason", "asked the client")
    code, first = desk(*told, "--as", PAT)
    assert (code, desk(*told, "--as", PAT)[1]) == (0, first), "held once"
    [row] = desk("bill", "holds")[1]
    assert (row["contract"], row["line"], row["entry"], row["held_by"]) == ("K-1", "1", "601", PAT)
    with desk.engine.begin() as conn:
        verified.rate(conn)
    assert desk("bill", "review", draft["reference"])[1]["stale_reason"] is not None
    assert desk("bill", "run", "--through", "2026-02-28", "--as", PAT)[1]["drafts"] == []
    assert desk("bill", "unhold", "--entry", "601", "--as", PAT)[0] == 0
    with desk.engine.begin() as conn:
        verified.rate(conn)
    [again] = desk("bill", "run", "--through", "2026-02-28", "--as", PAT)[1]["drafts"]
    assert again["net_amount"] == draft["net_amount"]


def test_a_hold_names_what_is_there_and_who_may(desk: Desk) -> None:
    wanted = ("--reason", "x", "--as")
    assert desk.shown("bill", "hold", "--entry", "nosuch", *wanted, PAT)[0] == 2
    assert desk.shown("bill", "hold", "--contract", "K-1", "--line", "9", *wanted, PAT)[0] == 2
    assert desk.shown("bill", "hold", *wanted, PAT)[0] == 2
    assert desk.shown("bill", "hold", "--contract", "K-1", "--reason", " ", "--as", PAT)[0] == 2
    assert desk("bill", "hold", "--contract", "K-1", *wanted, ANN)[1]["error"]["code"] == "TIE-103"
    assert desk.shown("bill", "unhold", "--contract", "K-1", "--as", PAT)[0] == 2


def test_a_write_down_waits_for_another_person_and_lowers_the_bill(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        take(conn, "kantata", rated.hours("601", "5"))
        verified.rate(conn)
    told = ("bill", "write", "down", "150", "--entry", "601", "--reason", "slower than promised", "--as", PAT)
    code, said = desk(*told)
    assert (code, said["waits"], said["entries"]) == (0, True, ["601"])
    [row] = desk("bill", "writes", "--waiting")[1]
    assert (row["write"], row["kind"], row["entry"], row["approver"]) == (said["write"], "down", "601", None)
    assert desk("bill", "approve-write", said["write"], "--as", PAT)[1]["error"]["code"] == "TIE-103"
    assert desk("bill", "approve-write", said["write"], "--as", ANN)[0] == 0
    assert desk("bill", "approve-write", said["write"], "--as", BOB)[0] == 0, "twice is once"
    assert desk("bill", "writes", "--waiting")[1] == []
    with desk.engine.begin() as conn:
        verified.rate(conn)
    [draft] = desk("bill", "run", "--through", "2026-02-28", "--contract", "K-1", "--as", PAT)[1]["drafts"]
    assert float(draft["net_amount"]) == 850


def test_a_write_takes_no_more_than_is_open(desk: Desk) -> None:
    with desk.engine.begin() as conn:
        take(conn, "kantata", rated.hours("601", "5"))
        verified.rate(conn)
    wanted = ("--entry", "601", "--reason", "x", "--as", PAT)
    code, refused = desk("bill", "write", "off", "1000.01", *wanted)
    assert (code, refused["error"]["fields"]) == (2, {"amount": "exceeds-value"}), refused
    assert desk.shown("bill", "write", "off", "0", *wanted)[0] == 2
    assert desk.shown("bill", "write", "off", "10.001", *wanted)[0] == 2
    assert desk.shown("bill", "write", "off", "10", "--entry", "601", "--reason", " ", "--as", PAT)[0] == 2
    assert desk.shown("bill", "approve-write", "019cb3c9-9ae0-713c-9991-9c0d519c2d61", "--as", ANN)[0] == 2
    assert desk.shown("bill", "approve-write", "nonsense", "--as", ANN)[0] == 2
