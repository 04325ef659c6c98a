"""`tieout exceptions`: the fixed shape, and each remedy by the person whose role allows it."""

from __future__ import annotations

from tests.cli.desk import ANN, EVE, PAT, Desk

SHAPE = {
    "id", "kind", "severity", "owner", "key", "contract", "entity", "amount", "currency", "opened_at", "age_days",
    "cause", "remedies",
}  # fmt: skip


def test_an_exception_is_listed_assigned_noted_replayed_and_waived(desk: Desk) -> None:
    code, [row] = desk("exceptions", "list")
    assert (code, set(row)) == (0, SHAPE)
    assert (row["kind"], row["key"]) == ("missing-project", "504")
    assert isinstance(row["remedies"], list)
    id = row["id"]
    assert desk("exceptions", "list", "--kind", "missing-rate") == (0, [])
    assert desk("exceptions", "list", "--owner", row["owner"])[1] == [row]
    assert desk("exceptions", "show", id)[1]["evidence"]["work"] == {"kind": "rate", "key": "unassigned"}
    code, given = desk("exceptions", "assign", id, EVE, "--as", PAT)
    assert (code, given["owner"], given["state"]) == (0, EVE, "assigned")
    code, noted = desk("exceptions", "fix", id, "--note", "moved in Kantata", "--as", PAT)
    assert (code, noted["state"]) == (0, "fixed")
    code, plan = desk("exceptions", "replay", "--kind", "missing-project", "--dry-run", "--as", PAT)
    assert plan["dry_run"] is True
    assert [r["work"] for r in plan["replays"]] == [[["rate", "unassigned"]]]
    assert desk("exceptions", "show", id)[1]["state"] == "fixed"
    code, done = desk("exceptions", "replay", id, "--as", PAT)
    assert (code, done["dry_run"], len(done["replays"])) == (0, False, 1)
    code, waived = desk("exceptions", "waive", id, "--reason", "internal work", "--as", ANN)
    assert (code, waived["state"], waived["closed_by"]) == (0, "waived", ANN)
    assert desk("exceptions", "list") == (0, [])
    [closed] = [r for r in desk("exceptions", "list", "--all")[1] if r["key"] == "504"]
    assert set(closed) == SHAPE | {"state"}


def test_what_is_refused_says_what_to_do_and_writes_nothing(desk: Desk) -> None:
    [row] = desk("exceptions", "list")[1]
    code, answer = desk("exceptions", "waive", row["id"], "--reason", "x", "--as", PAT)
    assert code == 2
    assert "billing_approver" in answer["error"]["remedy"]
    code, answer = desk("exceptions", "waive", row["id"], "--reason", "x", "--as", "nobody@example.com")
    assert code == 2
    assert "tieout people" in answer["error"]["remedy"]
    assert desk.shown("exceptions", "waive", row["id"], "--reason", "x")[0] == 2  # no one acts
    assert desk.shown("exceptions", "replay", "--as", PAT)[0] == 2
    assert desk("exceptions", "show", "none")[0] == 2
    code, answer = desk("exceptions", "list", "--owner", "nobody")
    assert (code, answer["error"]["fields"]) == (2, {"owner": "unknown"})
    assert "billing_preparer" in answer["error"]["remedy"]
    assert desk("exceptions", "list", "--owner", "nobody@example.com") == (0, [])
    assert desk("exceptions", "list")[1] == [row]


def test_people_get_a_table(desk: Desk) -> None:
    code, out, _ = desk.shown("exceptions", "list")
    assert code == 0
    assert out.splitlines()[0].startswith("id\tkind\tseverity")
    assert "missing-project" in out
