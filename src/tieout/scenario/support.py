"""What of the format is played today; the rest is a clear error that names the file and line."""

from __future__ import annotations

from typing import Any

from tieout.scenario.parsing import Scenario
from tieout.scenario.reading import BadScenario

VERBS = frozenset(
    [
        "sign",
        "activate",
        "terminate",
        "time",
        "expense",
        "correct",
        "withdraw",
        "amend",
        "bill",
        "release",
        "void",
        "credit",
        "pay",
        "rate",
        "worker",
        "close",
        "reopen",
        "hold",
        "unhold",
        "write",
        "milestone",
        "usage",
        "deliver",
        "payroll",
        "subcontract",
        "progress",
        "estimate",
        "fx",
        "deposit",
        "contract_cost",
        "suspend",
        "dispute",
        "credit_loss",
    ]
)
MEASURES = frozenset(
    [
        "revenue",
        "revenue_in_period",
        "cost",
        "cost_in_period",
        "margin",
        "billed",
        "tax",
        "billed_gross",
        "credited",
        "paid",
        "receivable",
        "unbilled_receivable",
        "contract_asset",
        "contract_liability",
        "unbilled",
        "deferred",
        "refund_liability",
        "fx_gain",
        "disputed",
        "transaction_price",
        "allocated_price",
        "remaining_price",
        "percent_complete",
        "loss_provision",
        "held",
        "on_hold",
        "written_off",
        "prepaid_balance",
        "retention",
        "hours_worked",
        "hours_billed",
        "hours_unbilled",
        "invoices",
        "exceptions",
        "journal",
        "events",
    ]
)
SELECTORS = frozenset({"contract", "line", "entity", "invoice", "obligation", "worker", "project"})
OF_WORK = frozenset({"cost", "cost_in_period", "hours_worked"})
"""Measures of single workers and projects too."""
OF_INVOICES = frozenset({"billed", "tax", "billed_gross", "credited", "invoices"})
"""Measures of a single invoice with the credit notes on it."""
IN_FUNCTIONAL = frozenset(
    ["revenue", "revenue_in_period", "cost", "cost_in_period", "margin", "paid", "receivable", "unbilled_receivable",
     "contract_asset", "contract_liability", "deferred", "refund_liability", "loss_provision", "fx_gain", "journal"]
)  # fmt: skip
"""Measures that are balances of accounts, which the books keep in the currency of the entity too."""
OF_DOCUMENTS = frozenset({"tax", "billed_gross", "paid", "receivable", "invoices", "exceptions", "events"})
"""Measures of whole documents, contracts or entities, not of one line."""


def refuse_unsupported(scenario: Scenario) -> None:
    """BadScenario `not-supported` for the first thing that cannot be played yet."""
    header, source = scenario.header, scenario.source

    def no(place: tuple[Any, ...], what: str) -> BadScenario:
        return source.bad(place, f"{what} is not supported yet", "not-supported")

    for key in ("leave",):
        if getattr(header, key):
            raise no((key,), key)
    for event in scenario.timeline:
        if event.verb not in VERBS:
            raise no(event.place, f"the verb {event.verb}")
        if event.verb == "close" and event.body.strict:
            raise no((*event.place, "strict"), "a close that open findings stop")
    for expectation in scenario.expectations:
        if unknown := set(expectation.measures) - MEASURES:
            raise no(expectation.place, f"the measure {sorted(unknown)[0]}")
        if expectation.functional and (other := set(expectation.measures) - IN_FUNCTIONAL):
            raise no(expectation.place, f"the measure {sorted(other)[0]} in the functional currency")
        of_lines = {"line", "obligation"} & set(expectation.where)
        if of_lines and (whole := set(expectation.measures) & OF_DOCUMENTS):
            raise no(expectation.place, f"the measure {sorted(whole)[0]} of one line")
        if "invoice" in expectation.where and (other := set(expectation.measures) - OF_INVOICES):
            raise no(expectation.place, f"the measure {sorted(other)[0]} of one invoice")
        if {"worker", "project"} & set(expectation.where) and (other := set(expectation.measures) - OF_WORK):
            raise no(expectation.place, f"the measure {sorted(other)[0]} of a worker or project")
        if unknown := set(expectation.where) - SELECTORS:
            raise no(expectation.place, f"the selector {sorted(unknown)[0]}")
