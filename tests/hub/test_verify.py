"""Every invariant holds on a sound firm, and every check is seen red on a planted defect, naming the key."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from tests.hub.verified import NOW, build, person, plant
from tieout.hub import exceptions
from tieout.hub.exceptions import NewException
from tieout.hub.verify import CHECKS, failed, verify
from tieout.store import tables
from tieout.store.ids import new_id

OLD = NOW - timedelta(days=2)


@pytest.fixture
def firm(conn: Connection) -> Connection:
    """A sound firm: 6 + 4 hours billed, 2 of them credited, 3 non-billable, 2 in an exception."""
    build(conn)
    return conn


def by_name(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["invariant"]: one for one in results}


def detail_of(conn: Connection, invariant: str, **given: Any) -> str:
    """The detail of an invariant that fails."""
    [result] = verify(conn, only=[invariant], **given)
    assert result["status"] == "failed", result
    assert failed([result])
    return str(result["detail"])


def test_a_sound_firm_breaks_nothing(firm: Connection) -> None:
    """What can be seen holds; what only the outside can show says so."""
    found = by_name(verify(firm))
    assert list(found) == list(CHECKS) == [f"I{n}" for n in range(1, 31)]
    assert {n: one["detail"] for n, one in found.items() if one["status"] == "failed"} == {}
    unseen = {n for n, one in found.items() if one["status"] == "not_checkable_live"}
    assert unseen == {"I9", "I15", "I17", "I23"}
    assert all(one["detail"] for one in found.values())


def test_an_empty_database_breaks_nothing(conn: Connection) -> None:
    assert not failed(verify(conn))


def test_it_reads_one_snapshot_of_an_engine_and_writes_nothing(firm: Connection, engine: Any) -> None:
    firm.commit()
    assert not failed(verify(engine))


INBOX = (
    "INSERT INTO inbox (connection, object, source_id, source_version, tombstone, digest, raw, state, detail, observed_at,"
    " applied_at, recorded_at) SELECT connection, object, source_id, :version, :gone, digest, raw, :state, detail,"
    " observed_at, applied_at + CAST(:after AS interval), recorded_at FROM inbox WHERE source_id = '501'"
)
WORK = (
    "INSERT INTO work (kind, key, requested, attempts, last_error, due_at, updated_at)"
    " VALUES ('rate', 'K-1', 1, {}, '2026-03-01') ON CONFLICT (kind, key) DO UPDATE SET (requested, started, done,"
    " attempts, last_error, due_at, updated_at) = (1, 0, 0, excluded.attempts, excluded.last_error, excluded.due_at,"
    " excluded.updated_at)"
)
EVENT = "(SELECT id FROM billing_event WHERE entry = '501')"
# ruff: noqa: S608 - statements of this file only
PLANTED: list[tuple[str, str, str, str]] = [
    # invariant, the defect, the key it names, what it says
    ("I1", "UPDATE time_entry SET billable = true WHERE key = '503'", "7/P-1/2026-02", "entry 503 (3 h) in no place"),
    ("I1", "DELETE FROM exception WHERE key = '504'", "2026-02", "entry 504 (2 h) in no place"),
    ("I1", "UPDATE time_entry SET state = 'submitted' WHERE key = '501'", "7/P-1/2026-02", "501 (6 h) rated without"),
    ("I1", "UPDATE time_entry SET billable = false WHERE key = '501'", "7/P-1/2026-02", "rated and non-billable"),
    ("I1", "UPDATE time_entry SET worked_hours = 7 WHERE key = '501'", "7/P-1/2026-02", "501 (7 h) 6 h of it rated"),
    ("I1", f"UPDATE exception SET key = '501', kind = 'worker-left'; UPDATE billing_balance SET billed_quantity = 5 WHERE event = {EVENT}", "7/P-1/2026-02", "501 (6 h) rated and in"),
    ("I1", f"UPDATE billing_balance SET written_off_quantity = 1 WHERE event = {EVENT}", "501", "1 h, 0 USD written off by nobody"),
    ("I2", f"UPDATE billing_balance SET billed_amount = billed_amount - 1 WHERE event = {EVENT}", "501", "documents say"),
    ("I2", f"DELETE FROM billing_balance WHERE event = {EVENT}", "501", "the balance says"),
    ("I3", "UPDATE billing_event SET price = price + 1 WHERE entry = '501'", "501", "valued at 1200.0000: 6 h at 201"),
    ("I3", f"UPDATE revenue_entry SET amount = amount - 5 WHERE event = {EVENT}", "501", "its journals say 1195.0000"),
    ("I3", "UPDATE journal_line SET amount = amount - 5 WHERE account = 'revenue'", "K-1", "revenue in the books"),
    ("I3", "UPDATE invoice_line SET net_amount = net_amount + 9 WHERE invoice = (SELECT id FROM invoice WHERE kind = 'invoice')", "K-1", "documents bill"),
    ("I5", "UPDATE invoice SET net_amount = net_amount + 9 WHERE kind = 'invoice'", "INV-", "its lines say net 2000"),
    ("I5", "UPDATE invoice_line SET contract = 'K-2'", "INV-", "it is of K-2/1, 501 behind it of K-1/1"),
    ("I4", "UPDATE journal_line SET amount = amount + 1 WHERE account = 'receivable'", "release:INV-", "US01 USD"),
    ("I4", "DELETE FROM journal_line WHERE journal = (SELECT id FROM journal WHERE cause_type = 'credit')", "credit:CN-", "no lines"),
    ("I5", "UPDATE invoice SET gross_amount = gross_amount + 1 WHERE kind = 'invoice'", "INV-", "net 2000.0000"),
    ("I5", "UPDATE invoice_line SET net_amount = net_amount + 1", "INV-", "/1: line"),
    ("I5", "UPDATE invoice SET net_amount = 9000, gross_amount = 9000 WHERE kind = 'credit_note'", "INV-", "credited 9000"),
    ("I6", f"UPDATE billing_balance SET recognised_amount = 1201 WHERE event = {EVENT}", "501", "recognised 1201.0000 of 1200"),
    ("I7", "INSERT INTO period (id, key, version, legal_entity, start_date, end_date, state, provenance, recorded_at)"
     " VALUES (gen_random_uuid(), 'US01/2026-03', 1, 'US01', '2026-03-01', '2026-03-31', 'closed', '{}', '2026-03-02')",
     "release:INV-", "when US01/2026-03 was closed"),
    ("I7", "UPDATE journal SET prior_period = true WHERE cause_type = 'release'", "release:INV-", "as a late one"),
    ("I7", "UPDATE journal SET period = '2026-01' WHERE cause_type = 'release'", "US01/2026-01", "is booked on 2026-03"),
    ("I8", "UPDATE inbox SET state = 'held' WHERE source_id = '501'", "time_entry 501", "is held and nothing says why"),
    ("I8", "UPDATE inbox SET state = 'superseded' WHERE source_id = '501'", "time_entry 501", "is superseded"),
    ("I8", "UPDATE inbox SET state = 'new' WHERE source_id = '501'", "time_entry 501", "is new"),
    ("I10", "UPDATE crosswalk SET key = 'P-99' WHERE key = 'P-1'", "kantata workspace 900", "leads to no project P-99"),
    ("I11", "INSERT INTO crosswalk (connection, object, source_id, type, key, retired_at, recorded_at)"
     " VALUES ('kantata', 'workspace', '901', 'project', 'P-1', now(), now())", "kantata workspace P-1", "900 and 901"),
    ("I12", "UPDATE time_entry SET version = 3 WHERE key = '501'", "501", "1 versions, numbered up to 3"),
    ("I16", "UPDATE inbox SET raw = 'x' WHERE source_id = '501'", "time_entry 501", "not those that came"),
    ("I19", "UPDATE person_role SET granted_at = '2026-03-05' WHERE role = 'billing_approver'", "invoice D-", "had not the role"),
    ("I19", "UPDATE person_role SET revoked_at = '2026-03-01 10:00+00' WHERE role = 'billing_approver'", "D-", "had not the role"),
    ("I19", "UPDATE approval SET role = 'resource_manager'", "invoice D-", "resource_manager"),
    ("I19", "DELETE FROM approval WHERE type = 'credit_note'", "CN-", "without an approval by ann"),
    ("I20", "UPDATE invoice_line SET unit_price = unit_price + 1", "INV-", "is not what ann@example.com approved"),
    ("I20", "DELETE FROM invoice_line_event", "CN-", "is not what ann@example.com approved"),
    ("I21", "DELETE FROM audit WHERE action = 'release' AND type = 'invoice'", "INV-", "release has 0 audit rows"),
    ("I21", "UPDATE audit SET actor = 'mallory' WHERE action = 'start'", "seal ", "not the one that was sealed"),
    ("I22", "UPDATE invoice SET legal_entity = 'DE01' WHERE kind = 'invoice'", "INV-", "it is of DE01"),
    ("I24", "UPDATE invoice SET state = 'void' WHERE kind = 'invoice'", "INV-", "though it was released"),
    ("I24", "UPDATE exception SET closed_at = now() WHERE key = '504'", "missing-project 504", "though it was closed"),
    ("I24", "UPDATE billing_run_part SET outcome = NULL", "-", "some of it is not"),
    ("I24", "INSERT INTO event (id, type, subject, sequence, data, time) SELECT gen_random_uuid(), type, subject, 99, data,"
     " time FROM event WHERE type = 'tieout.invoice.released.v1'", "INV-", "came twice"),
    ("I27", WORK.format("0, NULL, '2026-03-01'"), "work rate K-1", "due since"),
    ("I27", "UPDATE inbox SET state = 'new', recorded_at = '2026-03-01' WHERE source_id = '501'", "time_entry 501", "new since"),
    ("I28", WORK.format("8, 'E', '2026-03-05'"), "work rate K-1", "8 times"),
    ("I28", "UPDATE inbox SET state = 'new', attempts = 6 WHERE source_id = '501'", "time_entry 501", "never set aside"),
    ("I29", "UPDATE exception SET owner = ' ' WHERE key = '504'", "missing-project 504", "who owns it"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("invariant", "defect", "key", "said"), PLANTED, ids=[f"{p[0]}-{i}" for i, p in enumerate(PLANTED)]
)
def test_a_planted_defect_is_named(
    firm: Connection, invariant: str, defect: str, key: str, said: str
) -> None:
    plant(firm, *defect.split("; "))
    detail = detail_of(firm, invariant)
    assert key in detail, detail
    assert said in detail, detail


def test_two_people_are_needed_even_without_the_check_of_the_table(firm: Connection) -> None:
    """I19: the constraint is gone, and an administrator wrote the preparer in as approver."""
    plant(firm, "ALTER TABLE approval DROP CONSTRAINT ck_approval_preparer_is_not_approver",
          "UPDATE approval SET approver = ' Pat@Example.com', role = 'billing_preparer' WHERE type = 'invoice'")  # fmt: skip
    assert "prepared it" in detail_of(firm, "I19")


def test_a_role_that_was_taken_away_later_still_allowed_it_then(firm: Connection) -> None:
    plant(firm, "UPDATE person_role SET revoked_at = '2026-03-20' WHERE role = 'billing_approver'")
    assert verify(firm, only=["I19"])[0]["status"] == "ok"


def test_hours_whose_rating_is_requested_are_on_their_way(firm: Connection) -> None:
    """I1: the same lost hour is no finding while the work that will place it is requested."""
    plant(firm, "UPDATE time_entry SET billable = true WHERE key = '503'")
    assert "503" in detail_of(firm, "I1")
    plant(firm, WORK.format("0, NULL, '2026-03-02'"))
    assert verify(firm, only=["I1"])[0]["status"] == "ok"


@pytest.mark.parametrize(
    ("invariant", "version", "gone", "state", "after", "said"),
    [
        ("I12", "0", False, "applied", "1 hour", "version 0 was applied after a later one"),
        ("I13", "2", True, "applied", "-1 hour", "after the deletion 2"),
        ("I13", "2", True, "applied", "1 hour", "though its source deleted it"),
    ],
)
def test_order_of_versions(
    firm: Connection, invariant: str, version: str, gone: bool, state: str, after: str, said: str
) -> None:
    """The entry 501 of version 1 gets another version, applied before or after it."""
    plant(firm, INBOX, version=version, gone=gone, state=state, after=after)
    detail = detail_of(firm, invariant)
    assert "501" in detail
    assert said in detail


def test_a_cursor_ahead_of_the_inbox(firm: Connection) -> None:
    row = {"connection": "kantata", "object": "time_entry", "updated_at": NOW, "cursor": '{"newest":"1"}'}
    firm.execute(insert(tables.source_cursor), [row])
    assert verify(firm, only=["I14"])[0]["status"] == "ok"
    plant(firm, """UPDATE source_cursor SET cursor = '{"newest"\\:"2027"}'""")
    assert "kantata/time_entry: the cursor stands at 2027" in detail_of(firm, "I14")


# --- commands ---------------------------------------------------------------------------------------------------------


def intent(conn: Connection, key: str = "C-100", *attempts: tuple[str, str], **given: Any) -> str:
    """A command for the ERP with the attempts made for it (action, outcome), a minute apart; its id."""
    row: dict[str, Any] = {
        "id": new_id(NOW), "connection": "netsuite", "operation": "upsert_customer", "type": "customer", "key": key,
        "revision": 1, "external_key": key, "body": b"{}", "state": "done", "due_at": NOW, "recorded_at": OLD,
        "digest": bytes.fromhex("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"), "attempts": 1,
    }  # fmt: skip
    if given.get("state", "done") == "done":
        row |= {"target_id": "T-1", "done_at": NOW}
    conn.execute(insert(tables.intent), [row | given])
    for place, (action, outcome) in enumerate(attempts):
        made = {"intent": row["id"], "connection": "netsuite", "action": action, "outcome": outcome}
        conn.execute(
            insert(tables.attempt), [made | {"recorded_at": NOW - timedelta(hours=1, minutes=-place)}]
        )
    return str(row["id"])


def linked(conn: Connection, target: str = "T-1") -> None:
    """The crosswalk knows what was made."""
    row = {
        "connection": "netsuite",
        "object": "customer",
        "source_id": target,
        "type": "customer",
        "key": "C-100",
    }
    conn.execute(insert(tables.crosswalk), [row | {"recorded_at": NOW}])


def test_a_proven_command_breaks_nothing(firm: Connection) -> None:
    linked(firm)
    intent(firm, "C-100", ("send", "unknown"), ("look_up", "absent"), ("send", "ok"), attempts=2)
    assert not failed(verify(firm))


def test_what_commands_may_not_do(firm: Connection) -> None:
    """One firm, one wrong command per rule; each is named by the key of its own."""
    intent(firm, "TWICE", ("send", "ok"), external_key="EXT-1")
    intent(firm, "TWICE", ("send", "ok"), external_key="EXT-1", revision=2, target_id="T-2")
    intent(firm, "UNPROVEN")
    intent(firm, "AGAIN", ("send", "ok"), ("send", "ok"), done_at=NOW - timedelta(minutes=59, seconds=30))
    intent(firm, "BYTES", ("send", "ok"), body=b"{ }")
    intent(firm, "EARLY", ("send", "ok"), recorded_at=NOW)
    intent(firm, "LOST", ("send", "unknown"), state="cancelled")
    intent(firm, "REFUSED", ("send", "rejected"), state="rejected", error={"message": "no"})
    intent(firm, "TIRED", ("send", "unknown"), state="unknown", attempts=10, due_at=OLD)
    intent(firm, "MANY", *[("send", "retryable")] * 9, state="pending", attempts=1)
    found = {name: detail_of(firm, name) for name in ("I9", "I10", "I15", "I16", "I17", "I18", "I27", "I29")}
    assert "EXT-1: two done commands name T-1 and T-2" in found["I9"]
    assert "which the crosswalk does not know" in found["I10"]
    assert "AGAIN: upsert_customer of netsuite was sent again" in found["I15"]
    assert "BYTES" in found["I16"]
    assert "EARLY: upsert_customer of netsuite was called before" in found["I16"]
    assert "MANY: upsert_customer of netsuite: 9 calls in 1 passes" in found["I17"]
    assert "UNPROVEN" in found["I18"]
    assert "LOST" in found["I18"]
    assert "outbox TIRED" in found["I27"]
    assert "REFUSED" in found["I29"]
    assert "TIRED" in found["I29"]


def test_more_calls_in_a_minute_than_allowed(firm: Connection) -> None:
    plant(firm, "UPDATE connection SET budget_per_minute = 1 WHERE name = 'netsuite'")
    for key in ("A", "B"):
        intent(firm, key, ("send", "ok"))
    assert "netsuite: 2 calls in the minute" in detail_of(firm, "I17")


def test_a_command_that_gave_up_and_stands_on_an_exception_is_shown(firm: Connection) -> None:
    one = intent(firm, "REFUSED", ("send", "rejected"), state="rejected", error={"message": "no"})
    evidence = {"intent": one}
    exceptions.open_exceptions(firm, [NewException("rejected-by-target", "REFUSED", "no", evidence=evidence)])
    assert verify(firm, only=["I29"])[0]["status"] == "ok"


# --- flows ------------------------------------------------------------------------------------------------------------


def flow(conn: Connection, state: str, step: str | None = None, **given: Any) -> str:
    """A set-up of K-1 in a state, two days old, with one step that has an intent."""
    row = {"id": new_id(NOW), "kind": "project_setup", "key": "K-1", "state": state, "detail": {"project": "P-1"},
           "started_at": OLD, "updated_at": OLD}  # fmt: skip
    conn.execute(insert(tables.flow), [row | given])
    if step:
        made = {
            "flow_id": row["id"],
            "step": "erp_job",
            "position": 1,
            "state": step,
            "detail": {"intent": "x"},
            "at": OLD,
        }
        conn.execute(insert(tables.flow_step), [made])
    return str(row["id"])


def test_half_undone_without_an_exception(firm: Connection) -> None:
    flow(firm, "compensating", "done")
    assert "K-1: project_setup is compensating, half undone" in detail_of(firm, "I25")
    exceptions.open_exceptions(firm, [NewException("compensation-failed", "P-1", "paid", contract="K-1")])
    assert verify(firm, only=["I25"])[0]["status"] == "ok"


def test_compensated_with_a_step_that_stands(firm: Connection) -> None:
    flow(firm, "compensated", "done")
    assert "its step erp_job stands" in detail_of(firm, "I25")


def test_a_flow_that_nothing_will_wake(firm: Connection) -> None:
    flow(firm, "waiting", waiting_for="a customer")
    assert "K-1: project_setup waits for a customer, nothing will wake it" in detail_of(firm, "I26")
    exceptions.open_exceptions(firm, [NewException("incomplete-setup", "K-1", "no customer", contract="K-1")])
    assert verify(firm, only=["I26"])[0]["status"] == "ok"


def test_a_row_may_wait_for_what_the_next_read_may_bring(firm: Connection) -> None:
    """Without a word only until the object that it names was read to its end after the row had come."""
    plant(firm, "UPDATE inbox SET state = 'held', detail = 'waits for user 7' WHERE source_id = '501'")
    assert "nothing says why" in detail_of(firm, "I8")
    plant(
        firm, "INSERT INTO work (kind, key, requested, updated_at) VALUES ('sync', 'kantata/user', 1, now())"
    )
    assert verify(firm, only=["I8"])[0]["status"] == "ok"
    plant(
        firm,
        "INSERT INTO source_cursor (connection, object, cursor, read_to, updated_at)"
        " SELECT 'kantata', 'user', '', max(id), now() FROM inbox",
    )
    assert "nothing says why" in detail_of(firm, "I8")


# --- secrets, chain, tie-out ------------------------------------------------------------------------------------------


def test_a_secret_in_a_table_or_a_log(
    firm: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary given, and the secret of a connection by its reference; the answer never shows the value."""
    monkeypatch.setenv("ERP_KEY", "-----BEGIN-----\nk9f8s7d6f5s4d3f2\n--END--")
    plant(
        firm,
        """UPDATE connection SET config = '{"secrets"\\: {"key"\\: "env\\:ERP_KEY"}}' WHERE name = 'netsuite'""",
    )
    assert verify(firm, only=["I23"], secrets=["canary-51f2"])[0]["status"] == "ok"
    (tmp_path / "web.log").write_text("started\nkey k9f8s7d6f5s4d3f2\n")
    detail = detail_of(firm, "I23", logs=tmp_path)
    assert "web.log" in detail
    assert "k9f8" not in detail
    exceptions.open_exceptions(firm, [NewException("poison", "x", 'it said "canary-51f2"')])
    detail = detail_of(firm, "I23", secrets=["canary-51f2"])
    assert "exception poison x" in detail
    assert "canary" not in detail


def test_a_cut_chain_is_seen_by_its_checkpoint(firm: Connection, tmp_path: Path) -> None:
    from tieout.hub import audit

    audit.checkpoint(firm, tmp_path / "marks", b"k")
    plant(firm, "DELETE FROM audit_seal WHERE position = (SELECT max(position) FROM audit_seal)")
    assert verify(firm, only=["I21"])[0]["status"] == "ok"
    assert "the chain was cut" in detail_of(firm, "I21", checkpoint=tmp_path / "marks")


def run_row(moment: datetime, digest: str = "d") -> dict[str, Any]:
    return {"id": new_id(moment), "check": "billed", "legal_entity": "US01", "period": "2026-03", "state": "complete",
            "digest": digest, "recorded_at": moment}  # fmt: skip


def test_a_comparison_that_is_kept_twice_or_leaves_a_difference_unshown(firm: Connection) -> None:
    first, last = run_row(OLD, "a"), run_row(NOW, "b")
    firm.execute(insert(tables.tie_out_run), [first, last])
    assert verify(firm, only=["I30"])[0]["status"] == "ok"
    item = {"run": last["id"], "key": "INV-9", "difference": 5, "currency": "USD", "outcome": "different"}
    firm.execute(insert(tables.tie_out_item), [item])
    assert "INV-9 differs by 5" in detail_of(firm, "I30")
    plant(firm, "UPDATE tie_out_run SET digest = 'b'")
    assert "billed/US01/2026-03: the same result was found twice" in detail_of(firm, "I30")


def test_a_waiver_needs_its_approval_and_audit_row(firm: Connection) -> None:
    [row] = [one for one in exceptions.listed(firm).rows if one["key"] == "504"]
    exceptions.waive(firm, row["id"], "agreed", person("bob"))
    assert not failed(verify(firm))
    plant(firm, "DELETE FROM approval WHERE type = 'waiver'", "DELETE FROM audit WHERE action = 'waive'")
    assert "missing-project 504: waived by bob@example.com" in detail_of(firm, "I19")
    assert "missing-project 504: waive has no audit row" in detail_of(firm, "I21")


# --- the outside ------------------------------------------------------------------------------------------------------


class World:
    """A sandbox with these applied writes; everything written is held."""

    def __init__(self, *writes: dict[str, Any], quiet: bool = False) -> None:
        base = {"system": "netsuite", "method": "PUT", "path": "/customer", "type": "customer", "id": "T-1",
                "external_key": "C-100", "body_digest": "", "at": NOW.isoformat()}  # fmt: skip
        self._writes = [base | write for write in writes]
        self._quiet = quiet

    def ledger(self) -> list[dict[str, Any]]:
        return self._writes

    def calls(self) -> list[dict[str, Any]]:
        return [] if self._quiet else self._writes

    def ids(self, system: str, type: str) -> set[str]:
        return {one["id"] for one in self._writes if one["method"] != "LOST"}


def test_the_outside_agrees(firm: Connection) -> None:
    """One record per key, each write counted and wanted; the one that is gone there does not count as live."""
    linked(firm)
    intent(firm, "C-100", ("send", "unknown"), ("look_up", "absent"), ("send", "ok"), attempts=2)
    found = by_name(verify(firm, sandbox=World({"id": "T-0", "method": "LOST"}, {})))
    assert {n: found[n]["status"] for n in ("I9", "I15", "I16", "I17")} == dict.fromkeys(
        ("I9", "I15", "I16", "I17"), "ok"
    )


@pytest.mark.parametrize(
    ("invariant", "world", "said"),
    [
        ("I9", World({}, {"id": "T-2"}), "netsuite customer C-100: held as T-1 and T-2"),
        ("I15", World({}, {"at": (NOW + timedelta(hours=1)).isoformat()}), "netsuite C-100: written at"),
        ("I16", World({"external_key": "STRANGER"}), "netsuite STRANGER: PUT /customer has no intent"),
        ("I17", World({}, {}), "netsuite C-100: written 2 times, 1 sendings"),
        ("I17", World({}, quiet=True), "netsuite: it applied writes"),
    ],
)
def test_the_outside_shows_what_our_tables_cannot(
    firm: Connection, invariant: str, world: World, said: str
) -> None:
    intent(firm, "C-100", ("send", "ok"))
    assert said in detail_of(firm, invariant, sandbox=world)
