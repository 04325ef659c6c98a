"""One live record per intent, whatever the target does (F34-F53), with bounded calls and nothing ended without proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from tests.hub.builders import MOMENT
from tests.hub.target import LAG, SERVER, Bench, bench, intent
from tieout.connectors.kit.interface import (
    AuthFailed,
    Conflict,
    Drift,
    RateLimited,
    Rejected,
    Retryable,
    UnknownOutcome,
)
from tieout.hub import delivery, exceptions, outbox
from tieout.hub.actors import ENGINEER, Actor
from tieout.store import tables
from tieout.store.tables import audit

SECOND = timedelta(seconds=1)


@pytest.fixture
def ledger(engine: Engine) -> Bench:
    return bench(engine)


# --- putting -------------------------------------------------------------------------------------------------------


def test_the_same_command_is_one_intent_and_other_bytes_are_refused(ledger: Bench) -> None:
    """F51: what is frozen stays frozen; a change is a new revision."""
    one = ledger.put()
    assert ledger.put() == one
    with pytest.raises(outbox.ChangedBytes):
        ledger.put(body=b"other")
    with pytest.raises(outbox.ChangedBytes):
        ledger.put(external_key="INV-1-B")
    with ledger.engine.begin() as conn:
        both = outbox.put(conn, [intent(), intent("INV-2"), intent("INV-2")])
        assert both[0] == one
        assert both[1] == both[2]
    with pytest.raises(outbox.ChangedBytes), ledger.engine.begin() as conn:
        outbox.put(conn, [intent("INV-3"), intent("INV-3", b"other")])
    with ledger.engine.begin() as conn:
        rows = conn.execute(select(audit.c.rows).where(audit.c.action == "request")).scalars().all()
        assert list(rows) == [1, 1]


# --- one record in the end -----------------------------------------------------------------------------------------

ENDINGS: list[tuple[list[Any], int]] = [
    (["ok"], 1),
    ([Retryable("503")], 3),
    ([Retryable("503")] * 4, 10),
    (["timeout"], 4),
    (["apply_then_timeout"], 3),
    (["apply_then_drift"], 3),
    (["apply_late:250"], 4),
    (["timeout", "apply_then_timeout"], 8),
    (["timeout", Retryable("503"), "apply_late:200"], 12),
    ([RateLimited("slow down", after_seconds=7)], 3),
    ([RateLimited("slow down")], 3),
    (["swap"], 3),
    (["no_id"], 3),
    ([Drift("what is this"), AuthFailed("expired")], 8),
    ([AuthFailed("expired")], 3),
    ([Conflict("being changed")], 3),
]


@pytest.mark.parametrize("lag", [0, LAG])
def test_one_record_in_the_end(ledger: Bench, lag: int) -> None:
    """Nothing stays open, every exception that came is closed by the success; a done intent is not called again."""
    ledger.target.lag_seconds = lag
    for number, (script, most_calls) in enumerate(ENDINGS):
        key = f"INV-{number}"
        ledger.target.script, ledger.target.calls = list(script), []
        one = ledger.put(key)
        stands = ledger.until_ended(one)
        assert stands.state == "done", script
        assert [r.id for r in ledger.target.live(key)] == [stands.target_id], script
        calls = len(ledger.target.calls)
        assert calls <= most_calls, script
        assert ledger.open() == set(), script
        assert ledger.deliver(one).state == "done"
        assert len(ledger.target.calls) == calls


def test_nothing_is_sent_again_before_the_target_can_no_longer_apply_it(ledger: Bench) -> None:
    """F36, F37: 300 s of work in the target plus 60 s of look-up lag; a look-up before proves nothing."""
    ledger.target.script = ["apply_late:299"]
    ledger.target.lag_seconds = LAG
    one = ledger.put()
    assert ledger.deliver(one).state == "unknown"
    for _ in range(4):
        stands = ledger.deliver(one)
        if stands.due_at is not None and stands.due_at > MOMENT + (SERVER + LAG - 1) * SECOND:
            break
        ledger.advance(stands.due_at or ledger.now)
    assert (stands.state, stands.due_at) == ("unknown", MOMENT + (SERVER + LAG) * SECOND)
    ledger.advance(MOMENT + (SERVER + LAG) * SECOND)
    assert ledger.deliver(one).target_id == "T-1"
    assert [c[1] for c in ledger.target.calls].count("send") == 1


def test_a_refusal_is_an_exception_and_a_replay_looks_up_and_sends_the_same_bytes(ledger: Bench) -> None:
    ledger.target.script = [Rejected("period is closed", "PERIOD", "tranDate")]
    one = ledger.put(amount=Decimal("10.00"), legal_entity="US01", work=("post", "INV-1"))
    assert ledger.deliver(one).state == "rejected"
    assert ledger.deliver(one).error == "period is closed"
    actor = Actor("eve@firm.example", frozenset({ENGINEER}))
    with ledger.engine.begin() as conn:
        shown = exceptions.listed(conn).rows[0]
        assert (shown["kind"], shown["key"], shown["contract"], shown["amount"], shown["entity"]) == (
            "rejected-by-target",
            "INV-1",
            "K-1",
            Decimal("10.00"),
            "US01",
        )
        assert "period is closed (tranDate)" in shown["cause"]
        plan = exceptions.replay(conn, [shown["id"]], actor)[0]
    assert (plan.intents, plan.work) == ((one,), (("post", "INV-1"),))
    assert ledger.deliver(one).state == "done"
    assert [c[1] for c in ledger.target.calls] == ["send", "look_up", "send"]
    assert ledger.exceptions() == {("rejected-by-target", "INV-1"): "resolved"}


def test_another_record_under_our_key_is_never_overwritten(ledger: Bench) -> None:
    """F44: same content is adopted, other content is an exception with both."""
    ledger.target.records.append(replace_record("INV-1", b"someone else's"))
    ledger.target.script = [Conflict("exists")]
    one = ledger.put()
    stands = ledger.until_ended(one)
    assert (stands.state, stands.target_id) == ("rejected", None)
    assert ledger.open() == {("id-reuse", "INV-1")}
    ledger.target.records[0].body = b'{"total":"10.00"}'
    with ledger.engine.begin() as conn:
        one_id = exceptions.listed(conn).rows[0]["id"]
        evidence = exceptions.show(conn, one_id)["evidence"]
        assert evidence["sent"] == '{"total":"10.00"}'
        assert evidence["differences"][0]["held"] == "someone else's"
        exceptions.replay(conn, [one_id], Actor("eve@firm.example", frozenset({ENGINEER})))
    assert ledger.until_ended(one).target_id == "T-X"
    assert ledger.open() == set()


def replace_record(key: str, body: bytes) -> Any:
    from tests.hub.target import Record

    return Record("T-X", key, body, MOMENT - SECOND)


@pytest.mark.parametrize("by", ["flag", "revision"])
def test_new_values_of_a_known_record_are_sent_again_only_after_the_window(ledger: Bench, by: str) -> None:
    """An update whose answer is lost finds the old values: that is not yet a proof that it failed."""
    if by == "revision":
        ledger.deliver(ledger.put(operation="blind"))
    else:
        ledger.target.records.append(replace_record("INV-1", b"old"))
    ledger.target.script = ["timeout"]
    one = ledger.put(body=b"new", operation="blind" if by == "revision" else "upsert_invoice",
                     revision=2 if by == "revision" else 1, updates=by == "flag")  # fmt: skip
    stands = ledger.deliver(one)
    ledger.advance(stands.due_at or MOMENT)
    stands = ledger.deliver(one)
    assert stands.state == "unknown"
    assert stands.due_at is not None
    assert stands.due_at >= MOMENT + SERVER * SECOND
    assert ledger.open() == set()
    ledger.advance(stands.due_at)
    if by == "flag":
        assert ledger.deliver(one).state == "done"
    else:
        assert ledger.deliver(one).state == "unknown"
        assert ledger.open() == {("unknown-outcome", "INV-1")}


def test_a_value_that_is_only_set_may_be_sent_again_at_once(ledger: Bench) -> None:
    ledger.deliver(ledger.put())
    ledger.target.script = ["apply_then_timeout"]
    two = ledger.put(operation="set_status")
    assert ledger.until_ended(two).state == "done"
    assert [c[1] for c in ledger.target.calls] == ["send", "send", "send"]


def test_what_cannot_be_found_is_never_sent_twice(ledger: Bench) -> None:
    """Idempotency `none`: absent after an unknown outcome asks a person and is looked up every hour."""
    ledger.target.script = ["timeout"]
    one = ledger.put(operation="blind")
    for _ in range(6):
        stands = ledger.deliver(one)
        assert stands.state == "unknown"
        ledger.advance(stands.due_at or ledger.now)
    assert [c[1] for c in ledger.target.calls].count("send") == 1
    assert ledger.open() == {("unknown-outcome", "INV-1")}
    ledger.target._put(intent_command(one, ledger))
    assert ledger.deliver(one).state == "done"
    assert ledger.open() == set()


def intent_command(one: str, ledger: Bench) -> Any:
    with ledger.engine.begin() as conn:
        return delivery.command_of(outbox.store.read(conn, [one])[one])


def test_more_than_ten_attempts_ask_a_person_and_go_on_every_hour(ledger: Bench) -> None:
    ledger.target.script = [Retryable("503")] * 12
    one = ledger.put()
    for _ in range(11):
        stands = ledger.deliver(one)
        assert stands.due_at is not None
        gap = stands.due_at - ledger.now
        assert gap <= timedelta(hours=1)
        ledger.advance(stands.due_at)
    assert gap == timedelta(hours=1)
    assert ledger.open() == {("unknown-outcome", "INV-1")}
    assert ledger.until_ended(one).state == "done"
    assert ledger.open() == set()


def test_an_id_that_another_record_holds_proves_nothing(ledger: Bench) -> None:
    """F53: our key with the id of another record."""
    first = ledger.deliver(ledger.put("INV-1"))
    two = ledger.put("INV-2")
    true_answer = ledger.target._answer

    def swapped(command: Any, how: Any) -> Any:
        ledger.target._answer = true_answer  # type: ignore[method-assign]
        return replace(true_answer(command, how), target_id=first.target_id or "")

    ledger.target._answer = swapped  # type: ignore[method-assign]
    assert ledger.deliver(two).state == "unknown"
    assert ledger.until_ended(two).target_id == "T-2"


# --- windows and budgets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "seconds"), [
    (RateLimited("slow", after_seconds=40), 40), (RateLimited("slow"), 60), (AuthFailed("revoked"), 900)])  # fmt: skip
def test_a_refusing_connection_is_left_alone(ledger: Bench, error: Any, seconds: int) -> None:
    """F38, F49: no call of any intent in the forbidden window; the work waits and is not failed."""
    ledger.target.script = [error]
    one, two = ledger.put("INV-1"), ledger.put("INV-2")
    until = MOMENT + seconds * SECOND
    assert ledger.deliver(one).due_at == until
    assert (ledger.deliver(two).state, ledger.deliver(two).due_at) == ("pending", until)
    ledger.advance(until - SECOND)
    ledger.deliver(one)
    ledger.deliver(two)
    assert len(ledger.target.calls) == 1
    if isinstance(error, AuthFailed):
        assert ledger.open() == {("credential", "ledger")}
        assert state_of(ledger) == "attention"
    ledger.advance(until)
    assert {ledger.deliver(one).state, ledger.deliver(two).state} == {"done"}
    assert ledger.open() == set()
    assert state_of(ledger) == "ok"


def state_of(ledger: Bench) -> str:
    with ledger.engine.begin() as conn:
        return str(conn.execute(select(tables.connection.c.state)).scalar_one())


def test_the_budget_of_a_minute_is_never_exceeded(engine: Engine) -> None:
    ledger = bench(engine, budget=3)
    ledger.target.script = ["apply_then_timeout", "ok", Retryable("503"), "ok", "timeout"]
    ids = [ledger.put(f"INV-{n}") for n in range(7)]
    open_ = list(ids)
    for _ in range(60):
        if not open_:
            break
        stands = [ledger.deliver(one) for one in open_]
        open_ = [s.intent for s in stands if s.due_at is not None]
        ledger.advance(min((s.due_at for s in stands if s.due_at is not None), default=ledger.now))
    assert open_ == []
    moments = [moment for moment, _, _ in ledger.target.calls]
    for moment in moments:
        assert sum(1 for other in moments if moment <= other < moment + timedelta(minutes=1)) <= 3
    assert all(len(ledger.target.live(f"INV-{n}")) == 1 for n in range(7))


def test_a_disabled_connection_is_not_called(ledger: Bench) -> None:
    one = ledger.put()
    with ledger.engine.begin() as conn:
        conn.execute(update(tables.connection).values(enabled=False))
    assert ledger.deliver(one).state == "pending"
    assert ledger.target.calls == []


def test_revisions_of_a_key_go_out_in_order(ledger: Bench) -> None:
    """A later revision waits for an open earlier one; an overtaken one is not sent any more."""
    ledger.target.script = ["timeout", Rejected("no")]
    first = ledger.put(operation="set_status", revision=1)
    second = ledger.put(operation="set_status", revision=2, body=b"two")
    ledger.deliver(first)
    waiting = ledger.deliver(second)
    assert waiting.state == "pending"
    assert len(ledger.target.calls) == 1
    ledger.target.records.append(replace_record("INV-1", b"x"))
    assert ledger.until_ended(first).state == "rejected"
    assert ledger.until_ended(second).state == "done"
    with ledger.engine.begin() as conn:
        conn.execute(update(tables.intent).where(tables.intent.c.id == first).values(state="pending"))
        conn.execute(
            update(tables.attempt).where(tables.attempt.c.outcome == "unknown").values(outcome="retryable")
        )
    assert ledger.deliver(first).state == "cancelled"
    assert ledger.open() == set()


# --- batches -------------------------------------------------------------------------------------------------------


def test_rows_of_a_batch_are_matched_by_key_and_only_the_refused_are_sent_again(ledger: Bench) -> None:
    """F41: shuffled results, one refused, one throttled, one left out of the answer though applied."""
    ids = [ledger.put(f"INV-{n}") for n in range(6)]
    ledger.target.script = [
        {"INV-1": Rejected("no"), "INV-2": Retryable("locked"), "left_out": "INV-3", "INV-4": "swap"}
    ]
    stands = outbox.deliver_batch(ledger, ids)
    assert [stands[one].state for one in ids] == ["done", "rejected", "pending", "unknown", "unknown", "done"]
    assert len(ledger.target.calls) == 1
    for one in (ids[2], ids[3], ids[4]):
        assert ledger.until_ended(one).state == "done"
    assert [len(ledger.target.live(f"INV-{n}")) for n in range(6)] == [1, 0, 1, 1, 1, 1]
    assert ledger.open() == {("rejected-by-target", "INV-1")}
    with ledger.engine.begin() as conn:
        counted = select(func.sum(tables.attempt.c.calls))
        assert conn.execute(counted).scalar() == len(ledger.target.calls)
        done = tables.intent.c.state == "done"
        rows = conn.execute(select(tables.intent.c.key, tables.intent.c.target_id).where(done))
        for key, target_id in rows:
            assert [r.id for r in ledger.target.live(key)] == [target_id]


def test_a_lost_batch_is_looked_up_row_by_row(ledger: Bench) -> None:
    """F42: three of five were applied."""
    ids = [ledger.put(f"INV-{n}") for n in range(5)]
    ledger.target.script = [{"lost": 3}]
    assert {s.state for s in outbox.deliver_batch(ledger, ids).values()} == {"unknown"}
    for _ in range(6):
        stands = outbox.deliver_batch(ledger, ids)
        later = [s.due_at for s in stands.values() if s.due_at is not None]
        if not later:
            break
        ledger.advance(min(later))
    assert {s.state for s in stands.values()} == {"done"}
    assert [len(ledger.target.live(f"INV-{n}")) for n in range(5)] == [1] * 5
    assert [c[1] for c in ledger.target.calls].count("batch") == 1


def test_a_batch_is_cut_to_the_size_and_waits_for_the_budget(engine: Engine) -> None:
    ledger = bench(engine, budget=1)
    ids = [ledger.put(f"INV-{n}") for n in range(12)]
    stands = outbox.deliver_batch(ledger, ids)
    assert [s.state for s in stands.values()].count("done") == 10
    ledger.advance(MOMENT + timedelta(minutes=1))
    assert {s.state for s in outbox.deliver_batch(ledger, ids).values()} == {"done"}
    assert len(ledger.target.calls) == 2


# --- proof ---------------------------------------------------------------------------------------------------------


def test_a_silently_changed_value_is_found_by_read_back_and_heals(ledger: Bench) -> None:
    """F45: asked once when proven; a difference is an exception until it is put right."""
    ledger.target.script = ["mutate"]
    one = ledger.put(amount=Decimal("10.00"))
    ledger.deliver(one)
    assert [d.field for d in outbox.prove(ledger, one)] == ["body"]
    assert ledger.open() == {("read-back-difference", "INV-1")}
    ledger.target.records[0].body = b'{"total":"10.00"}'
    assert outbox.prove(ledger, one) == []
    assert ledger.open() == set()
    calls = len(ledger.target.calls)
    assert outbox.prove(ledger, one) == []
    assert len(ledger.target.calls) == calls
    assert outbox.prove(ledger, one, force=True) == []
    assert len(ledger.target.calls) == calls + 1


def test_a_target_that_cannot_be_asked_gives_a_later_moment(ledger: Bench) -> None:
    one = ledger.put()
    with pytest.raises(ValueError, match="pending"):
        outbox.prove(ledger, one)
    ledger.deliver(one)
    ledger.target.reading = [RateLimited("slow", after_seconds=30)]
    for _ in range(2):
        with pytest.raises(outbox.NotNow) as caught:
            outbox.prove(ledger, one)
        assert caught.value.due_at == MOMENT + 30 * SECOND
    assert [c[1] for c in ledger.target.calls] == ["send", "read_back"]


@pytest.mark.parametrize(
    "error", [Retryable("503"), UnknownOutcome("?"), Drift("?"), Rejected("?"), Conflict("two")]
)
def test_a_look_up_without_an_answer_proves_nothing(ledger: Bench, error: Any) -> None:
    ledger.target.script = ["apply_then_timeout"]
    ledger.target.reading = [error]
    one = ledger.put()
    assert ledger.until_ended(one).state == "done"
    assert len(ledger.target.live("INV-1")) == 1
    assert ledger.open() == set()


# --- undoing -------------------------------------------------------------------------------------------------------


def test_undo_of_what_was_done_is_the_inverse_once(ledger: Bench) -> None:
    """F78: the answer of the undo is lost."""
    one = ledger.put()
    ledger.deliver(one)
    ledger.target.script = ["apply_then_timeout"]
    stands = outbox.undo(ledger, one)
    assert stands is not None
    assert stands.state == "unknown"
    ledger.advance(stands.due_at or ledger.now)
    again = outbox.undo(ledger, one)
    assert again is not None
    assert (again.intent, again.state) == (stands.intent, "done")
    assert ledger.target.live("INV-1") == []
    outbox.undo(ledger, one)
    assert [c[1] for c in ledger.target.calls] == ["send", "send", "send"]


def test_a_refused_undo_needs_a_person(ledger: Bench) -> None:
    """F77."""
    one = ledger.put()
    ledger.deliver(one)
    ledger.target.script = [Rejected("it is paid")]
    stands = outbox.undo(ledger, one)
    assert stands is not None
    assert stands.state == "rejected"
    assert ledger.open() == {("compensation-failed", "INV-1")}


def test_without_an_inverse_the_caller_decides(ledger: Bench) -> None:
    one = ledger.put(operation="blind")
    ledger.deliver(one)
    assert outbox.undo(ledger, one) is None


@pytest.mark.parametrize(("script", "sent"), [
    ([], 0), ([Retryable("503")], 1), ([Rejected("no")], 1)], ids=["never sent", "failed before", "refused"])  # fmt: skip
def test_what_never_arrived_is_called_off_without_a_call(ledger: Bench, script: list[Any], sent: int) -> None:
    ledger.target.script = list(script)
    one = ledger.put()
    if script:
        ledger.deliver(one)
    stands = outbox.undo(ledger, one)
    assert stands is not None
    assert stands.state == "cancelled"
    assert ledger.deliver(one).state == "cancelled"
    assert len(ledger.target.calls) == sent
    assert ledger.open() == set()


@pytest.mark.parametrize(("script", "end"), [("apply_late:200", "voided"), ("timeout", "cancelled")])
def test_an_unknown_outcome_is_settled_before_it_is_undone(ledger: Bench, script: str, end: str) -> None:
    """F79: a late create is found and voided; one that never came is fenced, not sent again."""
    ledger.target.script = [script]
    one = ledger.put()
    ledger.deliver(one)
    for _ in range(6):
        stands = outbox.undo(ledger, one)
        assert stands is not None
        if stands.due_at is None:
            break
        ledger.advance(stands.due_at)
    assert stands.state == ("done" if end == "voided" else "cancelled")
    assert ledger.target.live("INV-1") == []
    creates = [c for c in ledger.target.calls if c[1] == "send"]
    assert len(creates) == (2 if end == "voided" else 1)


# --- deaths and two at once ----------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process died here."""


POINTS = ["outbox.counting", "outbox.counted", "outbox.sent", "outbox.recording", "outbox.recorded",
          "outbox.looked_up", "outbox.found"]  # fmt: skip


@pytest.mark.parametrize("first", ["ok", "apply_then_timeout", "timeout"])
def test_a_death_between_two_writes_leaves_one_record(
    ledger: Bench, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """F6-F10: die at each point, come back, end with one record, one delivery in the audit and the right id."""
    die_at, passed = "", 0

    def die(name: str) -> None:
        nonlocal passed
        passed += name == die_at.rpartition(":")[0]
        if die_at == f"{name}:{passed}":
            raise Killed(name)

    for module in (outbox, delivery):
        monkeypatch.setattr(module, "fp", die)
    deaths = 0
    for number, die_at in enumerate(f"{point}:{hit}" for point in POINTS for hit in (1, 2)):
        key, passed = f"INV-{number}", 0
        ledger.target.script = [first]
        one = ledger.put(key)
        for _ in range(10):
            try:
                stands = ledger.deliver(one)
            except Killed:
                deaths += 1
                continue
            if stands.due_at is None:
                break
            ledger.advance(stands.due_at)
        assert [r.id for r in ledger.target.live(key)] == [stands.target_id], die_at
        with ledger.engine.begin() as conn:
            told = select(audit.c.id).where(audit.c.action == "deliver", audit.c.key == key)
            assert len(conn.execute(told).all()) == 1, die_at
    assert deaths >= (5 if first == "ok" else 7)


@pytest.mark.parametrize("ending", ["ok", "apply_then_timeout", "timeout", Retryable("503"), Rejected("no")])
def test_two_workers_on_one_intent_make_one_record(ledger: Bench, ending: Any) -> None:
    """F28, F29: the second comes while the first waits for its answer; it looks up and does not send."""
    ledger.target.script = [ending]
    one = ledger.put()
    seen: list[str] = []
    ledger.target.during = lambda: seen.append(ledger.deliver(one).state)
    ledger.deliver(one)
    assert seen == ["unknown"]
    stands = ledger.until_ended(one)
    assert stands.state == "done"
    assert [r.id for r in ledger.target.live("INV-1")] == [stands.target_id]
    assert ledger.open() == set()


def test_the_sweeper_is_told_what_no_one_goes_on_with(ledger: Bench) -> None:
    one, two = ledger.put("INV-1"), ledger.put("INV-2")
    ledger.deliver(two)
    ledger.advance(MOMENT + timedelta(seconds=299))
    with ledger.engine.begin() as conn:
        assert outbox.overdue(conn) == []
    ledger.advance(MOMENT + timedelta(seconds=300))
    with ledger.engine.begin() as conn:
        assert outbox.overdue(conn) == [one]
        assert outbox.read(conn, [one, two])[two].state == "done"


def test_what_is_asked_for_wrongly_is_refused(ledger: Bench) -> None:
    """Unknown intents, mixed batches and connections that do not exist."""
    with pytest.raises(outbox.NotFound):
        ledger.deliver("0197a000-0000-7000-8000-000000000001")
    with pytest.raises(outbox.NotFound):
        outbox.undo(ledger, "0197a000-0000-7000-8000-000000000001")
    with pytest.raises(ValueError, match="one operation"):
        outbox.deliver_batch(ledger, [ledger.put(), ledger.put(operation="blind")])
    assert outbox.deliver_batch(ledger, []) == {}
    error = outbox.NotNow(MOMENT, "why")
    kind, arguments = error.__reduce__()
    assert kind(*arguments).due_at == MOMENT
