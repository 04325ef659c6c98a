"""The one registry of exception kinds: severity, default owner and the remedies a person has.

Severity: `blocking` stops its key until someone acts, `warning` informs and blocks nothing.
Owners are roles; remedies are the verbs of `tieout exceptions` with what they do for this kind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExceptionKind:
    """One kind of business exception: who owns it by default and how it is put right."""

    kind: str
    severity: str
    owner: str
    remedies: tuple[str, ...]


_ENGINEER, _PREPARER, _APPROVER = "integration_engineer", "billing_preparer", "billing_approver"
_REVENUE = "revenue_accountant"

_ALL = (
    # rating
    ExceptionKind(
        "not-approved",
        "blocking",
        _PREPARER,
        ("approve the hours in the source system, or reject them", "bill again once they are approved"),
    ),
    ExceptionKind(
        "write-not-applied",
        "warning",
        _PREPARER,
        ("write down or off what still applies", "waive it with the reason"),
    ),
    ExceptionKind(
        "client-rule",
        "blocking",
        _PREPARER,
        ("correct what the rule asks for and bill again", "amend the contract's rules"),
    ),
    ExceptionKind(
        "outside-contract", "blocking", _PREPARER, ("amend the contract dates", "correct the entry's date")
    ),
    ExceptionKind(
        "worker-left", "blocking", _PREPARER, ("correct the worker's last day", "withdraw the entry")
    ),
    ExceptionKind(
        "closed-task", "blocking", _PREPARER, ("reopen the task", "move the entry to an open task")
    ),
    ExceptionKind(
        "missing-project", "blocking", _PREPARER, ("move the entry to a project of a contract", "waive")
    ),
    ExceptionKind("missing-rate", "blocking", _PREPARER, ("import a rate for the role and date",)),
    ExceptionKind("missing-fx", "blocking", _PREPARER, ("state the exchange rate of the pair and day",)),
    ExceptionKind("ambiguous-rate", "blocking", _PREPARER, ("remove one of the equally specific rates",)),
    ExceptionKind("overlapping-rates", "blocking", _PREPARER, ("end one of the overlapping rates",)),
    ExceptionKind("cap-exceeded", "blocking", _PREPARER, ("amend the contract: raise the cap", "write off")),
    ExceptionKind("implausible-hours", "blocking", _PREPARER, ("correct the worker's entries of that date",)),
    ExceptionKind(
        "implausible-quantity", "blocking", _PREPARER, ("correct the quantity in its source system",)
    ),
    ExceptionKind(
        "usage-mismatch",
        "blocking",
        _PREPARER,
        ("correct the source that is wrong", "set a tolerance", "waive"),
    ),
    ExceptionKind("unknown-currency", "blocking", _ENGINEER, ("correct the currency in the source",)),
    ExceptionKind("amount-precision", "blocking", _ENGINEER, ("correct the amount in the source",)),
    ExceptionKind("true-up-proposed", "warning", _PREPARER, ("accept: credit and rebill", "waive")),
    # costing
    ExceptionKind("missing-cost-rate", "blocking", _REVENUE, ("state the worker's cost rate for the date",)),
    ExceptionKind("ambiguous-cost-rate", "blocking", _REVENUE, ("end one of the cost rates of the date",)),
    ExceptionKind(
        "missing-cost-fx",
        "blocking",
        _REVENUE,
        ("state the cost in the currency of the entity's books", "state the entity's currency"),
    ),
    ExceptionKind("payroll-unplaced", "warning", _REVENUE, ("correct the payroll's period or currency",)),
    # contract and set-up
    ExceptionKind(
        "incomplete-setup", "blocking", _PREPARER, ("complete what is listed in its source system",)
    ),
    ExceptionKind("invalid-contract", "blocking", _PREPARER, ("correct the contract in its source system",)),
    ExceptionKind(
        "invalid-amendment", "blocking", _PREPARER, ("correct the amendment in its source system",)
    ),
    ExceptionKind(
        "billing-plan-mismatch",
        "blocking",
        _PREPARER,
        ("correct the billing plan in its source system", "waive"),
    ),
    ExceptionKind(
        "purchase-order-missing", "blocking", _PREPARER, ("enter the purchase order on the contract",)
    ),
    ExceptionKind(
        "unknown-payer",
        "blocking",
        _PREPARER,
        ("enter the customer in its source system", "correct the contract's split"),
    ),
    ExceptionKind("purchase-order-exhausted", "blocking", _PREPARER, ("raise the purchase order's amount",)),
    ExceptionKind("expedient-questioned", "warning", _REVENUE, ("review the revenue method",)),
    ExceptionKind(
        "expedient-unavailable",
        "blocking",
        _REVENUE,
        ("give the line a measure of progress", "amend the term that breaks the right to invoice"),
    ),
    # revenue
    ExceptionKind(
        "estimate-exhausted",
        "blocking",
        _REVENUE,
        ("state a new estimate at completion", "complete the work"),
    ),
    ExceptionKind("progress-invalid", "blocking", _REVENUE, ("correct the progress or the estimate",)),
    ExceptionKind(
        "obligation-measures-differ",
        "blocking",
        _REVENUE,
        ("give the obligation's lines one revenue method",),
    ),
    ExceptionKind(
        "residual-rejected", "blocking", _REVENUE, ("state a stand-alone price", "state the range")
    ),
    ExceptionKind("variable-invalid", "blocking", _REVENUE, ("correct the outcomes and probabilities",)),
    ExceptionKind("series-catch-up", "warning", _REVENUE, ("amend prospectively", "waive")),
    ExceptionKind("financing-significant", "warning", _REVENUE, ("decide on the rate", "waive")),
    # invoice
    ExceptionKind("tax-undetermined", "blocking", _PREPARER, ("add a tax treatment to the workspace",)),
    ExceptionKind("stale-draft", "blocking", _PREPARER, ("run billing again: the draft is redone",)),
    ExceptionKind(
        "e-invoice-invalid",
        "blocking",
        _PREPARER,
        (
            "correct what the rule names where it is kept: it is checked again by itself",
            "replay",
            "void the draft",
        ),
    ),
    ExceptionKind("unposted", "blocking", _PREPARER, ("correct the cause in the ERP and replay", "credit")),
    # close
    ExceptionKind(
        "closed-period", "blocking", _REVENUE, ("post to the next open period", "reopen the period")
    ),
    ExceptionKind(
        "prior-period-material",
        "warning",
        _REVENUE,
        ("accept: waive it with the reason", "reopen the period", "restate"),
    ),
    ExceptionKind(
        "unexplained-difference", "blocking", _REVENUE, ("correct in the system that is wrong", "waive")
    ),
    ExceptionKind(
        "incomplete-report", "blocking", _ENGINEER, ("run the tie-out again when the system answers",)
    ),
    # integration
    ExceptionKind(
        "invalid-payload",
        "blocking",
        _ENGINEER,
        ("correct the record in the source", "replay: a webhook's connection is read again", "waive"),
    ),
    ExceptionKind("unmapped-value", "blocking", _ENGINEER, ("map the value in the workspace", "replay")),
    ExceptionKind("unknown-reference", "blocking", _ENGINEER, ("wait for the record it names", "replay")),
    ExceptionKind("ownership-conflict", "warning", _ENGINEER, ("correct it in the owning system", "waive")),
    ExceptionKind("id-reuse", "blocking", _ENGINEER, ("compare both contents with the source", "waive")),
    ExceptionKind("gap", "blocking", _ENGINEER, ("run the sweep of the connection",)),
    ExceptionKind("schema-drift", "blocking", _ENGINEER, ("map the changed field", "replay")),
    ExceptionKind("rejected-by-target", "blocking", _PREPARER, ("correct what the target names", "replay")),
    ExceptionKind(
        "unknown-outcome", "blocking", _ENGINEER, ("look up in the target: found or absent", "replay")
    ),
    ExceptionKind(
        "read-back-difference", "blocking", _PREPARER, ("correct the target record", "credit and rebill")
    ),
    ExceptionKind("target-drift", "warning", _PREPARER, ("correct the target record", "waive")),
    ExceptionKind("credential", "blocking", _ENGINEER, ("renew the credential, then test the connection",)),
    ExceptionKind("budget-exhausted", "warning", _ENGINEER, ("wait for the next window", "raise the budget")),
    ExceptionKind("poison", "blocking", _ENGINEER, ("read the error, correct the record, replay",)),
    ExceptionKind("compensation-failed", "blocking", _PREPARER, ("undo by hand in the target, then waive",)),
)

EXCEPTION_KINDS: dict[str, ExceptionKind] = {kind.kind: kind for kind in _ALL}
