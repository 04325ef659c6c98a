"""Drafts of an entity with e-invoices are checked by EN 16931; what fails waits with an exception until it is right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from tests.flows.killing import Killing
from tests.hub import billing_world as w
from tests.hub import electronic_world as world
from tieout.bootstrap import Settings, read_settings
from tieout.documents.formats import as_file
from tieout.documents.validation import failed_rules
from tieout.flows.durable import run_due
from tieout.flows.environment import Environment
from tieout.flows.reactions import react
from tieout.hub import billing, exceptions
from tieout.hub.refusals import Conflict
from tieout.store import clock, tables, work


class Firm:
    """The firm on this database; its own transactions."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine, self.environment = engine, Environment(engine, settings)

    def start(self, **change: Any) -> str:
        """Prepare, bill, check: the reference of the draft."""
        with self.engine.begin() as conn:
            world.prepare(conn, **change)
            [ref] = w.bill(conn)
        self.work()
        return ref

    def work(self) -> int:
        """Carry out the checks that are due; how many."""
        return run_due(self.environment, ["e_invoice"])

    def do(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """One transaction."""
        with self.engine.begin() as conn:
            return function(conn, *args, **kwargs)

    def customer(self, version: str, tax_id: str | None, **fields: Any) -> None:
        """The customer changes at its source, and what follows from that is asked for."""
        with self.engine.begin() as conn:
            react(conn, world.customer(conn, version, tax_id, **fields).events)

    def found(self) -> list[tuple[str, list[str]]]:
        """Open exceptions of the kind: key and failed rules."""
        with self.engine.connect() as conn:
            rows = exceptions.listed(conn, {"kind": "e-invoice-invalid"}).rows
            shown = [exceptions.show(conn, row["id"]) for row in rows]
        return [(one["key"], [f["rule"] for f in one["evidence"]["failed"]]) for one in shown]

    def release(self, ref: str) -> str:
        """Approve and release it."""
        self.do(billing.approve, ref, w.ANN)
        return str(self.do(billing.release, ref, w.ANN))

    def reapply(self, version: int, document: dict[str, Any]) -> None:
        """Another version of the workspace, as `tieout apply` writes it."""
        from tieout.hub.billing import e_invoices

        with self.engine.begin() as conn:
            row = {"version": version, "digest": str(version), "document": document, "applied_by": "test"}
            conn.execute(insert(tables.workspace_version).values(**row, recorded_at=clock.now(conn)))
            e_invoices.recheck(conn)


@pytest.fixture
def firm(engine: Engine, tmp_path: Path) -> Iterator[Firm]:
    return Firm(engine, read_settings({"TIEOUT_HOME": str(tmp_path)}))


def check_of(firm: Firm, ref: str) -> dict[str, Any]:
    """What a reviewer sees."""
    with firm.engine.connect() as conn:
        [found] = [one for one in billing.show(conn, ref)["checks"] if one["check"] == "e_invoice"]
    return dict(found)


def test_a_valid_draft_is_released_and_its_documents_are_valid(firm: Firm) -> None:
    """8 h × 100 = 800.00; 19 % = 152.00; 952.00."""
    ref = firm.start()
    assert firm.found() == []
    assert check_of(firm, ref) == {"check": "e_invoice", "ok": True, "detail": "valid by EN 16931"}
    number = firm.release(ref)
    with firm.engine.connect() as conn:
        record, backup = billing.document(conn, number)
    assert (record.number, record.type_code, record.gross_amount, record.draft) == (
        "DE-1",
        "380",
        w.D(952),
        False,
    )
    for format in ("ubl", "cii"):
        file = as_file(record, backup, format)
        assert failed_rules(file.content) == []
        assert file.name == f"DE-1.{format}.xml"
    assert as_file(record, backup, "pdf").content.startswith(b"%PDF-")


def test_a_failed_rule_is_an_exception_that_stops_the_release(firm: Firm) -> None:
    """A seller without tax number fails BR-S-02; once it is stated the exception closes and the draft is released."""
    ref = firm.start(document=world.workspace(tax_id=None))
    [(key, rules)] = firm.found()
    assert key == ref
    assert "BR-S-02" in rules
    firm.do(billing.approve, ref, w.ANN)
    with pytest.raises(Conflict, match="BR-S-02") as refused:
        firm.do(billing.release, ref, w.ANN)
    assert refused.value.code == "TIE-209"
    assert "BR-S-02" in refused.value.fields
    with firm.engine.connect() as conn:
        assert w.documents(conn)[0][1:3] == (None, "approved")
        assert conn.execute(select(tables.number_series)).first() is None
    firm.reapply(2, world.workspace())
    assert firm.work() == 1
    assert firm.found() == []
    assert firm.do(billing.release, ref, w.ANN) == "DE-1"


def test_a_wrong_tax_number_of_the_customer_is_found_and_healed_by_its_correction(firm: Firm) -> None:
    ref = firm.start(tax_id=world.WRONG)
    assert firm.found() == [(ref, ["TAX-ID-BUYER"])]
    firm.customer("2", world.GOOD)
    assert firm.work() == 1
    assert firm.found() == []
    assert firm.release(ref) == "DE-1"


def test_what_changed_after_its_check_is_not_released_on_it(firm: Firm) -> None:
    """The customer moves after the check: release waits for the next check, which is asked for by the change."""
    ref = firm.start()
    firm.do(billing.approve, ref, w.ANN)
    firm.customer("2", world.GOOD, BillingCity="Augsburg")
    with pytest.raises(Conflict, match="not yet checked") as refused:
        firm.do(billing.release, ref, w.ANN)
    assert (refused.value.code, refused.value.retryable) == ("TIE-205", True)
    firm.work()
    assert firm.do(billing.release, ref, w.ANN) == "DE-1"


def test_a_customer_that_becomes_exempt_is_billed_anew_and_its_documents_say_why(firm: Firm) -> None:
    """Drafted with 19 %, exempt before the release: refused; billed again: 800.00, E, the reason and its code."""
    ref = firm.start()
    firm.do(billing.approve, ref, w.ANN)
    firm.do(clock.set_now, w.NOW + timedelta(minutes=1))
    told = {"Tax_Exemption__c": "Unterricht, § 4 Nr. 21 UStG", "Tax_Exemption_Code__c": "VATEX-EU-132-1I"}
    firm.customer("2", world.GOOD, **told)
    firm.work()
    with pytest.raises(Conflict, match="under S 19 %; on 2026-03-02 that is E 0 %"):
        firm.do(billing.release, ref, w.ANN)
    firm.do(billing.void, ref, w.PAT, "exempt")
    [again] = firm.do(w.bill)
    firm.work()
    number = firm.release(again)
    firm.do(clock.set_now, w.NOW + timedelta(minutes=2))
    firm.customer("3", world.GOOD)
    with firm.engine.connect() as conn:
        record, _ = billing.document(conn, number)
    assert (record.gross_amount, record.lines[0].tax_category) == (w.D(800), "E")
    assert (record.exemption, record.exemption_code) == tuple(told.values()), "as it was at the release"
    xml = as_file(record, [], "ubl").content.decode()
    assert ">Unterricht, § 4 Nr. 21 UStG</cbc:TaxExemptionReason>" in xml
    assert ">VATEX-EU-132-1I</cbc:TaxExemptionReasonCode>" in xml


def test_an_unchecked_draft_is_not_released(firm: Firm) -> None:
    with firm.engine.begin() as conn:
        world.prepare(conn)
        [ref] = w.bill(conn)
        billing.approve(conn, ref, w.ANN)
        with pytest.raises(Conflict, match="not yet checked"):
            billing.release(conn, ref, w.ANN)


def test_a_credit_note_is_checked_and_names_its_invoice(firm: Firm) -> None:
    """Credits of 3 h, 3 h and 2 h of 8 h: each is valid though the cents of their taxes follow the whole (33.33 an hour).

    8 × 33.33 = 266.64 -> tax 50.66; 99.99 -> 19.00; 199.98 -> 38.00 - 19.00; 266.64 -> 50.66 - 38.00 = 12.66, while
    66.66 × 0.19 = 12.6654 -> 12.67.
    """
    ref = firm.start(price="33.33")
    number = firm.release(ref)
    for hours, tax in (("3", "19.00"), ("3", "19.00"), ("2", "12.66")):
        asked = [{"id": "e1", "hours": hours}]
        note = firm.do(billing.request_credit, w.PAT, number, items=asked, reason="agreed")
        firm.work()
        assert firm.found() == []
        credit = firm.release(note)
        with firm.engine.connect() as conn:
            record, backup = billing.document(conn, credit)
        assert (record.type_code, record.credits, record.tax_amount) == ("381", number, w.D(tax))
        for format in ("ubl", "cii"):
            assert failed_rules(as_file(record, backup, format).content) == []


def test_customers_that_bill_themselves_get_389(firm: Firm) -> None:
    ref = firm.start(document=world.workspace(self_billed=["C-100"]))
    number = firm.release(ref)
    with firm.engine.connect() as conn:
        record, backup = billing.document(conn, number)
    assert record.type_code == "389"
    assert failed_rules(as_file(record, backup, "ubl").content) == []


def test_a_released_document_says_the_same_for_ever(firm: Firm) -> None:
    """The customer moves and the entity changes its bank afterwards: the document stays as it was sent."""
    ref = firm.start()
    number = firm.release(ref)
    with firm.engine.connect() as conn:
        before = billing.document(conn, number)
    firm.do(clock.set_now, w.NOW + timedelta(days=30))
    firm.customer("2", None, BillingCity="Augsburg")
    firm.reapply(2, world.workspace(account="DE02120300000000202051", legal_name="Meridian AG"))
    assert firm.work() == 0
    with firm.engine.connect() as conn:
        assert billing.document(conn, number) == before


def test_a_void_draft_takes_its_exception_along(firm: Firm) -> None:
    ref = firm.start(tax_id=world.WRONG)
    firm.do(billing.void, ref, w.PAT)
    assert firm.found() == []
    firm.customer("2", None)
    assert firm.work() == 0


def test_entities_without_e_invoices_are_left_as_they_are(firm: Firm) -> None:
    """Nothing is checked, asked for or refused; the document can still be written."""
    ref = firm.start(tax_id=world.WRONG, document=world.workspace(electronic=False))
    with firm.engine.connect() as conn:
        assert [c["check"] for c in billing.show(conn, ref)["checks"]] == [
            "stale",
            "content",
            "purchase_order",
            "cap",
            "tax",
        ]
        assert conn.execute(select(tables.work).where(tables.work.c.kind == "e_invoice")).first() is None
        record, backup = billing.document(conn, ref)
    assert as_file(record, backup, "pdf").content.startswith(b"%PDF-")
    assert firm.release(ref) == "DE-1"


def test_a_killed_check_is_made_again(firm: Firm, killing: Killing) -> None:
    """Killed at every failpoint of the check, whoever takes the work over ends with the same one exception."""
    ref = firm.start(tax_id=world.WRONG)
    versions = iter(range(2, 100))

    def life() -> None:
        version = str(next(versions))
        firm.customer(version, world.WRONG, BillingStreet=f"Am Wehr {version}")
        firm.work()

    def taken_over() -> None:
        with firm.engine.begin() as conn:
            moment = clock.now(conn)
            for piece, _ in work.running(conn):
                work.fail(conn, *piece, "died", moment, moment)

    points = [point for point in killing.points_of(life) if point.startswith("e_invoice.")]
    assert points == ["e_invoice.kept", "e_invoice.settled"]
    for point in points:
        killing.kill_at(point, life, taken_over)
        assert firm.found() == [(ref, ["TAX-ID-BUYER"])]
        assert not check_of(firm, ref)["ok"]
