"""Who acts, and what each role may do: the one table of permissions that CLI, API and console use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tieout.hub.refusals import Forbidden

ENGINEER, PREPARER, APPROVER = "integration_engineer", "billing_preparer", "billing_approver"
REVENUE, RESOURCES, FINANCE = "revenue_accountant", "resource_manager", "finance_lead"
ROLES: tuple[str, ...] = (ENGINEER, PREPARER, APPROVER, REVENUE, RESOURCES, FINANCE)

_ALL = frozenset(ROLES)
_BILLING = frozenset({PREPARER, APPROVER, FINANCE})

PERMISSIONS: dict[str, frozenset[str]] = {
    "customers:read": _ALL,
    "projects:read": _ALL,
    "resources:read": _ALL,
    "contracts:read": _ALL,
    "rate-cards:read": _ALL,
    "rate-cards:import": frozenset({ENGINEER, FINANCE}),
    "time-entries:read": _ALL,
    "expenses:read": _ALL,
    "billing-events:read": _BILLING | {REVENUE},
    "invoices:read": _BILLING | {REVENUE, ENGINEER},
    "invoices:draft": frozenset({PREPARER, FINANCE}),
    "invoices:approve": frozenset({APPROVER, FINANCE}),
    "invoices:release": frozenset({APPROVER, FINANCE}),
    "credit-notes:read": _BILLING | {REVENUE, ENGINEER},
    "credit-notes:request": frozenset({PREPARER, FINANCE}),
    "credit-notes:approve": frozenset({APPROVER, FINANCE}),
    "credit-notes:release": frozenset({APPROVER, FINANCE}),
    "payments:read": _BILLING | {REVENUE},
    "journals:read": frozenset({REVENUE, FINANCE, APPROVER}),
    "financial-status:read": _BILLING | {REVENUE},
    "measures:read": _ALL,
    "periods:read": _ALL,
    "exceptions:read": _ALL,
    "exceptions:assign": _ALL,
    "exceptions:fix": _ALL,
    "exceptions:replay": frozenset({ENGINEER, PREPARER, FINANCE}),
    "exceptions:waive": frozenset({APPROVER, REVENUE, FINANCE}),
    "approvals:read": _BILLING | {REVENUE},
    "flows:read": _ALL,
    "flows:retry": frozenset({ENGINEER, FINANCE}),
    "flows:cancel": frozenset({ENGINEER, FINANCE}),
    "connections:read": _ALL,
    "connections:sync": frozenset({ENGINEER}),
    "connections:write": frozenset({ENGINEER}),
    "workspace:apply": frozenset({ENGINEER, FINANCE}),
    "people:read": frozenset({ENGINEER, FINANCE}),
    "people:manage": frozenset({ENGINEER, FINANCE}),
    "tie-outs:read": _ALL,
    "tie-outs:run": frozenset({REVENUE, FINANCE, ENGINEER, PREPARER}),
    "events:read": frozenset({ENGINEER, FINANCE}),
    "audit:read": frozenset({ENGINEER, FINANCE, REVENUE}),
    "trace:read": _ALL,
    "pii:read": frozenset({RESOURCES, FINANCE}),
    "compensation:read": frozenset({REVENUE, FINANCE}),
}

_PEOPLE_ONLY = frozenset(
    {
        "invoices:approve",
        "invoices:release",
        "credit-notes:approve",
        "credit-notes:release",
        "exceptions:waive",
    }
)


@dataclass(frozen=True)
class Actor:
    """A person or a service. `entities` None = every legal entity; `scopes` None = all that the roles allow."""

    name: str
    roles: frozenset[str] = frozenset()
    kind: Literal["person", "service"] = "person"
    entities: frozenset[str] | None = None
    scopes: frozenset[str] | None = None

    def sees(self, legal_entity: str | None) -> bool:
        """Whether a record of this legal entity is visible (one without an entity yet is visible to all)."""
        return legal_entity is None or self.entities is None or legal_entity in self.entities


SYSTEM = Actor("tieout", kind="service")


def allows(actor: Actor, permission: str) -> bool:
    """Whether the actor has the permission by a role, within its scopes; services never approve."""
    roles = PERMISSIONS.get(permission)
    if roles is None:
        raise ValueError(f"the permission {permission!r} is not in the table")
    if permission in _PEOPLE_ONLY and actor.kind != "person":
        return False
    return bool(actor.roles & roles) and (actor.scopes is None or permission in actor.scopes)


def allowing_role(actor: Actor, permission: str) -> str:
    """The role by which the actor has the permission (recorded with an approval), or Forbidden."""
    require(actor, permission)
    return sorted(actor.roles & PERMISSIONS[permission])[0]


def require(actor: Actor, permission: str) -> None:
    """Return when the actor has the permission, else refuse and name the roles that have it."""
    if allows(actor, permission):
        return
    needed = ", ".join(sorted(PERMISSIONS[permission]))
    raise Forbidden(
        f"{actor.name} may not do this: it needs the permission {permission}. Nothing was written.",
        remedy=f"Ask a person with one of the roles {needed}.",
    )
