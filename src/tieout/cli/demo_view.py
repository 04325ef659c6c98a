"""The summary for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieout.cli.output import note, plain, table
from tieout.demo.people import Credential

_WORDS = {"handled": "absorbed", "found": "found", "missed": "MISSED"}


def where(people: Sequence[Credential], url: str) -> None:
    """Where the console is, and how each person signs in."""
    note(f"\nThe console: {url}. Sign in as (each link is good once, for 15 minutes):")
    for one in people:
        note(f"  {one.name:<15} {one.role.replace('_', ' '):<21} {one.sign_in_url}")


def summary(told: Mapping[str, Any]) -> None:
    """What came of the quarter, as tables."""
    documents = told["invoices"]
    rows = [
        ("contracts", told["contracts"]),
        ("projects active", told["projects_active"]),
        ("time entries", told["time_entries"]),
        ("invoices drafted, released, posted", _listed(documents, "drafted", "released", "posted")),
        ("credit notes", documents["credited"]),
        *((f"billed {currency}", _money(amount)) for currency, amount in told["billed"].items()),
        *((f"revenue {currency}", _money(amount)) for currency, amount in told["revenue"].items()),
        ("seconds", told["seconds"]),
    ]
    table(["the quarter", ""], rows)
    note("")
    table(
        ["system", "records read", "effects written", "calls"],
        [(name, one["read"], one["written"], one["calls"]) for name, one in told["systems"].items()],
    )
    note("")
    table(
        ["open exceptions", "open", "amount", "currency"],
        [(one["kind"], one["open"], _money(one["amount"]), one["currency"]) for one in told["exceptions"]],
        "No open exceptions.",
    )
    note("")
    table(
        ["planted mess", "outcome", "seen in", "key"],
        [
            (m["what"].replace("_", " "), _WORDS[m["outcome"]], m["where"]["kind"], m["where"]["key"])
            for m in told["mess"]
        ],
    )
    note("")
    columns = ["check", "entity", "period", "matched", "ours_only", "theirs_only", "different", "unexplained"]
    table(
        [name.replace("_", " ") for name in columns],
        [
            [plain(_money(one[name]) if name == "unexplained" else one[name]) for name in columns]
            for one in told["tie_out"]
        ],
    )
    _invariants(told["invariants"])


def _invariants(found: Sequence[Mapping[str, Any]]) -> None:
    counts = Counter(one["status"] for one in found)
    note(f"\nInvariants: {counts['ok']} hold, {counts['failed']} failed, "
         f"{counts['not_checkable_live']} only the fault harness can check.")  # fmt: skip
    for one in found:
        if one["status"] == "failed":
            note(f"  {one['invariant']}: {one['detail']}")


def _listed(counts: Mapping[str, int], *names: str) -> str:
    return ", ".join(str(counts[name]) for name in names)


def _money(amount: Any) -> str:
    return "" if amount is None else f"{Decimal(amount):,.2f}"
