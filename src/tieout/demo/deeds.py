"""What the firm's people do here: bill, approve, release, credit, import prices, replay. Each deed may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Engine

from tieout.demo.house import workspace_folder
from tieout.demo.people import actor, address
from tieout.hub import billing, exceptions, work
from tieout.hub.actors import APPROVER, ENGINEER, PREPARER
from tieout.hub.rates import import_rates
from tieout.model.periods import MONTHS, period_bounds
from tieout.store import demo as store

PRICE_LIST, CARD = "rates/2026-03.csv", "STANDARD"
ENTITY = "US01"
BLOCKING = ("stale", "content", "purchase_order", "tax")
"""Checks on a draft without which nobody approves it."""
MOST_REDOS = 5
Settle = Callable[[], None]


class Deeds:
    """The people at work. `settle` lets the workers carry out what a deed asked for."""

    def __init__(self, engine: Engine, settle: Settle) -> None:
        self._engine, self._settle = engine, settle

    def bill(self, through: date, contract: str | None = None) -> None:
        """The preparer drafts everything due; another person approves and releases what is right."""
        with self._engine.begin() as conn:
            if store.run_through(conn, through, address(PREPARER), contract) is None:
                billing.start_run(conn, actor(conn, PREPARER), through, contract)
        self._settle()
        self._redo_stale()
        self._release_what_is_right()
        self._settle()

    def _redo_stale(self) -> None:
        """Drafts whose sources changed are drafted again."""
        for _ in range(MOST_REDOS):
            with self._engine.begin() as conn:
                stale = billing.listed(conn, {"stale": True, "kind": "invoice"}, limit=500).rows
                for draft in stale:
                    billing.start_run(conn, actor(conn, PREPARER), draft["through"], draft["contract"])
            if not stale:
                return
            self._settle()

    def _release_what_is_right(self) -> None:
        for kind in ("invoice", "credit_note"):
            with self._engine.connect() as conn:
                found = billing.listed(conn, {"kind": kind, "state": ["draft", "approved"]}, limit=500).rows
            for row in reversed(found):  # the oldest first, so that numbers follow the drafts
                self._release_one(row)

    def _release_one(self, row: Mapping[str, Any]) -> None:
        reference = row["reference"]
        with self._engine.begin() as conn:
            checks = {check["check"]: check["ok"] for check in billing.show(conn, reference)["checks"]}
            if not all(checks.get(name, True) for name in BLOCKING):
                return
            approver = actor(conn, APPROVER)
            if row["state"] == "draft":
                billing.approve(conn, reference, approver, "hours and prices are as agreed", row["version"])
        with self._engine.begin() as conn:
            billing.release(conn, reference, actor(conn, APPROVER))

    # --- requests of customers ------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> None:
        """A customer disputes hours: credit them on their invoice, and bill them again."""
        contract, reason = request["contract"], request["reason"]
        _, through = period_bounds(request["period"], MONTHS)
        with self._engine.begin() as conn:
            invoice = store.invoice_of(conn, contract, through)
            if invoice is None:
                return
            asked = [note for note in billing.show(conn, invoice)["credit_notes"] if note["reason"] == reason]
            if not asked:
                items = [{"id": entry} for entry in request["entries"]]
                billing.request_credit(
                    conn, actor(conn, PREPARER), invoice, items=items, reason=reason, rebill=True
                )
        self._release_what_is_right()
        self._settle()
        self.bill(through, contract)

    # --- prices and mended records --------------------------------------------------------------------

    def import_prices(self) -> None:
        """The engineer imports what the firm heard of prices in March; contracts are rated again."""
        file = workspace_folder() / PRICE_LIST
        with self._engine.begin() as conn:
            import_rates(conn, actor(conn, ENGINEER), file.name, file.read_bytes(), CARD)
        self._settle()

    def replay(self) -> None:
        """The engineer has the other system told again what it had refused; what was mended there goes through."""
        with self._engine.begin() as conn:
            found = exceptions.listed(conn, {"kind": "rejected-by-target"}, limit=500).rows
            if found:
                exceptions.replay(conn, [row["id"] for row in found], actor(conn, ENGINEER))
        if found:
            self._settle()

    def tie_out(self, periods: list[str]) -> None:
        """Our invoices against the ERP's documents, month by month."""
        with self._engine.begin() as conn:
            work.request_all(conn, {("tie_out", f"billed/{ENTITY}/{period}") for period in periods})
        self._settle()
