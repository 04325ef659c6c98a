"""Which contracts may stand on one invoice, by their terms of invoicing (domain rules §3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tieout.hub.billing import payers

JOINT = ("purchase_order", "customer")
"""Groupings that reach beyond one contract."""


def grouping_of(terms: Mapping[str, Any]) -> str:
    """What stands on one invoice: all of a project, of the contract, of its purchase order or of the payer.

    A contract of which the customer keeps a share stands alone: when that is asked for hangs on its own terms.
    """
    told = terms.get("invoicing") or {}
    group = str(told.get("group") or "contract")
    if told.get("retention") is not None:
        return "contract" if group in JOINT else group
    return "customer" if told.get("consolidate") and group != "purchase_order" else group


def payers_together(terms: Mapping[str, Any]) -> set[tuple[Any, Any]]:
    """The legal entity with each payer to whom the contract may be billed together with others."""
    if grouping_of(terms) not in JOINT:
        return set()
    billed = {payer["customer"] for payer in payers.split_of(terms)} or {terms.get("customer")}
    return {(terms.get("legal_entity"), payer) for payer in billed if payer}


def together(
    contracts: Mapping[str, Mapping[str, Any]], drafts: Iterable[Collection[str]] = ()
) -> list[list[str]]:
    """The contracts ({contract: terms}) in sets of those that share an invoice or may, or one of the `drafts`."""
    links: dict[Any, list[str]] = {}
    for contract in sorted(contracts):
        for place in payers_together(contracts[contract]):
            links.setdefault(place, []).append(contract)
    sets = {contract: [contract] for contract in sorted(contracts)}
    for link in (*links.values(), *drafts):
        known = [contract for contract in link if contract in sets]
        for other in known[1:]:
            whole, added = sets[known[0]], sets[other]
            if added is not whole:
                whole += added
                sets |= dict.fromkeys(added, whole)
    return list({id(one): sorted(one) for one in sets.values()}.values())
