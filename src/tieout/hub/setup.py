"""Setting up a project: what is known about a contract, where it has to be set up, and the one list of what is missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.connectors.kit.interface import AuthFailed, Connector, ConnectorError, RateLimited, Rejected
from tieout.domain.setup.checks import TERMS, Finding, SetupFacts, judge
from tieout.domain.setup.erp import Answers, ErpRules, Question, judge_erp, questions
from tieout.hub import complaints, delivery, exceptions, ownership, policies
from tieout.hub.exceptions import NewException
from tieout.hub.outbox import NotNow, Outside
from tieout.store import canonical, clock, crosswalk
from tieout.store import connections as connection_rows
from tieout.store import inbox as connectors
from tieout.store import setup as store
from tieout.telemetry.failpoints import fp

FLOW = "project_setup"
WORK = "setup"
SIGNED = ("signed", "active")
UPSERT_CUSTOMER = "upsert_customer"
INVALID_AMENDMENT = "invalid-amendment"
OF_SETUP = ("incomplete-setup", "purchase-order-missing", INVALID_AMENDMENT)
_GROUPS = (
    "customer.profile",
    "contract.terms",
    "contract.purchase_order",
    "legal_entity",
    "project.delivery",
    "customer.receivables",
    "opportunity",
)
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Targets:
    """Connections to set up: CRM, PSA and ERP; None where the owner of the field group is no connected system."""

    crm: str | None
    psa: str | None
    erp: str | None
    erp_connector: str | None

    @property
    def none(self) -> bool:
        """Whether nothing has to be set up anywhere (a scenario, or a firm before its first connection)."""
        return self.psa is None and self.erp is None


@dataclass(frozen=True)
class Case:
    """A contract and what stands around it on a day."""

    contract: Mapping[str, Any]
    customer: Mapping[str, Any] | None
    opportunity: Mapping[str, Any] | None
    entity: Mapping[str, Any] | None
    today: date
    targets: Targets
    owners: Mapping[str, str]

    @property
    def key(self) -> str:
        """The contract's number."""
        return str(self.contract["key"])

    @property
    def project(self) -> str:
        """The number of its project in every system."""
        return f"P-{self.key}"

    @property
    def amount(self) -> Decimal | None:
        """The money at stake: the cap, else the purchase order's amount, else the opportunity's."""
        named = (self.contract["cap_amount"], self.contract["purchase_order_amount"])
        return next((one for one in named if one is not None), (self.opportunity or {}).get("amount"))

    @property
    def work(self) -> dict[str, str]:
        """What a replay requests."""
        return {"kind": WORK, "key": self.key}


def read(conn: Connection, contract: str, systems: Collection[str]) -> Case | None:
    """The contract as it stands now; None when it is not known. `systems` are the connectors that really exist."""
    held = canonical.current(conn, "contract", [contract]).get(contract)
    if held is None:
        return None
    today = clock.now(conn).date()
    owners = _owners(conn, held["legal_entity"], today)
    return Case(
        contract=held,
        customer=_one(conn, "customer", held["customer"]),
        opportunity=_one(conn, "opportunity", held["opportunity"]),
        entity=_one(conn, "legal_entity", held["legal_entity"]),
        today=today,
        targets=_targets(conn, owners, systems),
        owners=owners,
    )


def _one(conn: Connection, type: str, key: str | None) -> dict[str, Any] | None:
    return canonical.current(conn, type, [key]).get(key) if key else None


def _owners(conn: Connection, entity: str | None, today: date) -> dict[str, str]:
    matrix = ownership.load(conn)
    named = {group: matrix.owner(group, entity, today) for group in _GROUPS}
    return {group: name for group, name in named.items() if name}


def _targets(conn: Connection, owners: Mapping[str, str], systems: Collection[str]) -> Targets:
    """A connection that is switched off still is a target: its set-up waits, it is not left out."""
    systems_of = connectors.connectors(conn)

    def of(group: str) -> str | None:
        name = owners.get(group)
        return name if name is not None and systems_of.get(name) in systems else None

    erp = of("customer.receivables")
    return Targets(of("opportunity"), of("project.delivery"), erp, None if erp is None else systems_of[erp])


def phase(case: Case | None, flow_state: str | None) -> str:
    """What has to be done: `nothing`, `set_up`, `amend` or `cancel`.

    A contract whose opportunity is not won yet waits for it; one that ended before anything was set up is left alone.
    """
    if case is None or flow_state in ("compensated", "failed"):
        return "nothing"
    state = case.contract["state"]
    lost = case.opportunity is not None and case.opportunity["state"] == "lost" and flow_state != "done"
    if state == "terminated" or lost or flow_state == "compensating":
        return "nothing" if flow_state is None else "cancel"
    if state not in SIGNED:
        return "nothing"
    if flow_state == "done":
        return "amend"
    return "set_up" if _is_won(case) else "nothing"


def _is_won(case: Case) -> bool:
    named = case.contract["opportunity"]
    return named is None or (case.opportunity is not None and case.opportunity["state"] == "contracted")


def external_key(*parts: str) -> str:
    """A deterministic key of letters, digits, `_` and `-`; parts that lose a character keep a digest of what they were."""
    text = "-".join(parts)
    safe = _UNSAFE.sub("_", text)[:150]
    return safe if safe == text else f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


# --- the list of what is missing -------------------------------------------------------------------------------------


def erp_questions(conn: Connection, case: Case) -> tuple[Question, ...]:
    """What to ask the ERP before anything is sent; nothing where there is none."""
    if case.targets.erp is None:
        return ()
    facts = _facts(conn, case)
    return questions(facts, _rules(conn, case, judge(facts).tax_category))


def ask(outside: Outside, erp: str, asked: Sequence[Question]) -> dict[str, dict[str, Any] | None]:
    """The ERP's answer to each question, None where it has no such record; raises NotNow when it cannot be asked."""
    with outside.engine.begin() as conn:
        waits = delivery.may_call(conn, erp)
    if waits is not None:
        raise NotNow(waits, f"{erp} may not be called yet")
    connector = outside.connector(erp)
    try:
        return {one.name: _answer(connector, one) for one in asked}
    except ConnectorError as error:
        with outside.engine.begin() as conn:
            again = _ask_again_at(conn, erp, error)
        raise NotNow(again, f"{erp}: {error.message}") from error


def _answer(connector: Connector, asked: Question) -> dict[str, Any] | None:
    try:
        held = connector.reference(asked.kind, asked.key)
    except Rejected:
        return None
    return None if held is None else dict(held)


def _ask_again_at(conn: Connection, erp: str, error: ConnectorError) -> datetime:
    """Later; a spent budget or a refused credential stops the whole connection meanwhile."""
    until = clock.now(conn) + timedelta(seconds=error.after_seconds or 60)
    if isinstance(error, AuthFailed):
        until = clock.now(conn) + delivery.PAUSE
        complaints.credential(conn, erp, error)
    if isinstance(error, AuthFailed | RateLimited):
        connection_rows.block(conn, erp, until)
    if isinstance(error, RateLimited):
        complaints.budget(conn, erp, until, error.message)
    return until


def check(conn: Connection, case: Case, answers: Answers) -> tuple[Finding, ...]:
    """Judge everything at once: one exception with all findings, or none and the earlier one closes.

    Where no system has to be set up nothing is asked here: rating and billing judge each entry and each draft.
    """
    if case.targets.none:
        return ()
    facts = _facts(conn, case)
    judged = judge(facts)
    found = judged.findings
    if case.targets.erp is not None:
        rules = _rules(conn, case, judged.tax_category)
        found += judge_erp(facts, rules, judged.tax_category, answers, _is_elsewhere(conn, case))
    _say(conn, case, found, judged.purchase_order_missing)
    fp("setup.checked")
    return found


def _facts(conn: Connection, case: Case) -> SetupFacts:
    chosen, contract = policies.load(conn), case.contract
    cards = chosen.cards_for(contract["rate_card"], contract["customer"], contract["legal_entity"])
    first = contract["start_date"] or case.today
    return SetupFacts(
        contract=contract,
        customer=case.customer,
        entity=case.entity,
        cards=cards,
        prices=store.prices_on(conn, cards, first),
        treatments=chosen.tax,
        today=case.today,
        owners=case.owners,
    )


def _rules(conn: Connection, case: Case, category: str | None) -> ErpRules:
    chosen = policies.load(conn)
    return ErpRules(
        name=case.targets.erp or "",
        item=chosen.items.get("time"),
        tax_code=chosen.tax_codes.get(category) if category else None,
        clearing_account=chosen.account(case.targets.erp_connector or "", "billing_clearing"),
    )


def customer_key(case: Case) -> str:
    """The business key of a customer in one legal entity."""
    return f"{case.contract['customer']}/{case.contract['legal_entity']}"


def _is_elsewhere(conn: Connection, case: Case) -> bool:
    """Whether the ERP holds the customer otherwise than by a command of ours for this legal entity."""
    erp, number = case.targets.erp, case.contract["customer"]
    if erp is None or number is None:
        return False
    ours = store.last_intent(conn, erp, UPSERT_CUSTOMER, customer_key(case))
    return (ours is None or ours["state"] != "done") and bool(
        crosswalk.of_keys(conn, erp, "customer", [number])
    )


def _say(conn: Connection, case: Case, found: Collection[Finding], order_missing: bool) -> None:
    """One exception with all findings carries the contract's money; a missing order is one of them, so it adds none."""
    opened = []
    if found:
        words = [finding.words() for finding in found]
        cause = f"Contract {case.key} is not set up: {'. '.join(words)}."
        opened.append(_exception(case, "incomplete-setup", cause, case.amount, _evidence(found)))
    if order_missing:
        cause = f"Customer {case.contract['customer']} requires a purchase order and contract {case.key} names none."
        opened.append(_exception(case, "purchase-order-missing", cause, None, {}))
    exceptions.open_exceptions(conn, opened)
    if not found:
        exceptions.resolve(conn, "incomplete-setup", [case.key], "nothing is missing any more")
    if not order_missing:
        exceptions.resolve(conn, "purchase-order-missing", [case.key], "the contract names a purchase order")


def _evidence(found: Collection[Finding]) -> dict[str, Any]:
    return {
        "findings": [{"field": f.field, "what": f.what, "where": f.where} for f in found],
        "group": ", ".join(sorted({f.field for f in found})),
    }


def check_amendment(conn: Connection, case: Case) -> tuple[Finding, ...]:
    """What an amendment of a contract that is set up makes impossible: one exception `invalid-amendment` with all of it.

    Only terms are judged: what is around the contract was complete when it was set up. It states no money: what it holds
    back stands on the exceptions of that work.
    """
    found = tuple(one for one in judge(_facts(conn, case)).findings if one.field in TERMS)
    if found:
        words = ". ".join(finding.words() for finding in found)
        cause = f"The amendment of contract {case.key} is not carried out: {words}."
        exceptions.open_exceptions(conn, [_exception(case, INVALID_AMENDMENT, cause, None, _evidence(found))])
    else:
        exceptions.resolve(conn, INVALID_AMENDMENT, [case.key], "the amendment was corrected")
    fp("setup.amendment_checked")
    return found


def close_findings(conn: Connection, case: Case) -> None:
    """A cancelled contract needs nothing any more."""
    for kind in OF_SETUP:
        exceptions.resolve(conn, kind, [case.key], "the contract was cancelled")


def _exception(
    case: Case, kind: str, cause: str, amount: Decimal | None, evidence: Mapping[str, Any]
) -> NewException:
    return NewException(
        kind,
        case.key,
        cause,
        contract=case.key,
        legal_entity=case.contract["legal_entity"],
        amount=amount,
        currency=case.contract["currency"],
        evidence={"work": case.work, **evidence},
    )
