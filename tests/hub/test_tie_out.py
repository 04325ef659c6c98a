"""The check billed: our released documents against the ERP's report, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.hub import billing_world as w
from tieout.connectors.kit.interface import Drift, ReportedFact
from tieout.hub import measures, tie_out
from tieout.hub.refusals import Invalid
from tieout.store.ids import new_id
from tieout.store.tables import intent, tie_out_run

D = Decimal
MARCH = ("billed", "US01", "2026-03")


class Erp:
    """The system that the check asks: its report, or why there is none."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.facts, self.error = engine, [], None  # type: tuple[Engine, list[ReportedFact], Any]

    def connector(self, name: str) -> Any:
        assert name == "netsuite"
        return self

    def report(self, check: str, entity: str, start: date, end: date) -> Sequence[ReportedFact]:
        assert (check, entity, start, end) == ("billed", "US01", date(2026, 3, 1), date(2026, 3, 31))
        if self.error:
            raise self.error
        return self.facts


def fact(number: str, amount: str, key: str | None = None, **said: str) -> ReportedFact:
    attributes = {"number": number, "target_id": f"T-{number}", "document_date": "2026-03-02", **said}
    if key:
        attributes["external_key"] = key
    return ReportedFact(number, D(amount), "USD", "2026-03", attributes)


@pytest.fixture
def erp(engine: Engine) -> Erp:
    """INV-1 over 800 is released and posted."""
    with engine.begin() as conn:
        w.prepare(conn)
        w.event(conn, "e1")
        number = w.released(conn)
        conn.execute(intent.insert().values(
            id=new_id(w.NOW), connection="netsuite", operation="upsert_invoice", type="invoice", key=number,
            revision=1, external_key=number, body=b"{}", digest=b"d", state="done", due_at=w.NOW, recorded_at=w.NOW,
        ))  # fmt: skip
    return Erp(engine)


def shown(erp: Erp) -> dict[str, Any]:
    tie_out.run(erp, *MARCH)
    with erp.engine.begin() as conn:
        [row] = tie_out.show(conn, *MARCH)
    return row


def opened(erp: Erp) -> dict[str, Any]:
    with erp.engine.begin() as conn:
        return w.open_exceptions(conn)


def test_what_is_the_same_on_both_sides_matches(erp: Erp) -> None:
    erp.facts = [fact("INV-1", "800", "INV-1")]
    row = shown(erp)
    assert (row["matched"], row["theirs_only"], row["amount"], row["unexplained"]) == (1, 0, D(0), D(0))


def test_a_document_made_by_hand_there_is_theirs_only_and_explained(erp: Erp) -> None:
    erp.facts = [fact("INV-1", "800", "INV-1"), fact("M-7", "250")]
    row = shown(erp)
    assert (row["matched"], row["theirs_only"], row["amount"], row["unexplained"]) == (1, 1, D(250), D(0))
    first = row["items"][0]
    assert (first["outcome"], first["cause"], first["theirs"]) == (
        "theirs_only",
        "manual entry there",
        D(250),
    )
    assert opened(erp) == {}


def test_what_nothing_explains_is_an_exception_until_it_is_gone(erp: Erp) -> None:
    erp.facts = [fact("INV-1", "750", "INV-1")]
    row = shown(erp)
    assert (row["different"], row["unexplained"]) == (1, D(50))
    assert opened(erp) == {"unexplained-difference": {"INV-1": D(50)}}
    erp.facts = [fact("INV-1", "800", "INV-1")]
    shown(erp)
    assert opened(erp) == {}


def test_the_same_result_twice_is_one_run(erp: Erp) -> None:
    erp.facts = [fact("INV-1", "750", "INV-1")]
    assert tie_out.run(erp, *MARCH) == tie_out.run(erp, *MARCH)
    with erp.engine.begin() as conn:
        assert len(conn.execute(tie_out_run.select()).all()) == 1


def test_a_report_cut_short_is_never_matched(erp: Erp) -> None:
    erp.error = Drift("page 2 of 3 did not come")
    row = shown(erp)
    assert (row["state"], row["matched"]) == ("incomplete", 0)
    assert opened(erp) == {"incomplete-report": {"billed/US01/2026-03": None}}
    erp.error, erp.facts = None, [fact("INV-1", "800", "INV-1")]
    assert shown(erp)["state"] == "complete"
    assert opened(erp) == {}


def test_a_check_or_period_that_does_not_exist_is_refused(erp: Erp) -> None:
    for wrong in (("deferred", "US01", "2026-03"), ("billed", "US01", "March")):
        with pytest.raises(Invalid):
            tie_out.run(erp, *wrong)


def test_measures_have_one_definition_and_a_figure(erp: Erp) -> None:
    """800 billed, 200 credited: 0.25; approved and released at one moment: 0 days."""
    with erp.engine.begin() as conn:
        w.credited(conn, "INV-1", amount=D(200), kind="concession")
        found = {row["measure"]: row["value"] for row in measures.current(conn)}
    assert (found["billing_accuracy"], found["time_to_invoice_median"]) == (D("0.25"), D(0))
