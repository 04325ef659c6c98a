"""The people of the firm: names, roles and the contracts they work on."""

from __future__ import annotations

import unicodedata
from random import Random

from tieout.sandbox.firm.customers import DEALS, ORDER_NEVER
from tieout.sandbox.firm.keys import kantata_user
from tieout.sandbox.firm.labor import ROLES
from tieout.sandbox.firm.plan import Worker

FIRST_NAMES = (
    "Amara", "Beatriz", "Caleb", "Dalia", "Elliot", "Farah", "Gareth", "Hannah", "Imani", "Jasper", "Keiko", "Lionel",
    "Mireille", "Nadia", "Oscar", "Priya", "Quentin", "Rosalind", "Siobhán", "Tomasz", "Ursula", "Víctor", "Wendell",
    "Ximena", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abernathy", "Brandvold", "Castellanos", "D'Angelo", "Eriksen", "Fairweather", "Goldberg", "Hutchinson", "Iwasaki",
    "Jankowski", "Kowalczyk", "Lindqvist", "Mbeki", "Nuñez", "O'Brien", "Pettibone", "Quarles", "Ramaswamy",
    "St. Clair", "Thibodeaux", "Underhill", "Vasquez-Ortiz", "Whitfield", "Yamamoto", "Zielinski",
)  # fmt: skip
_ROLES = (
    "Solution Architect", "Project Manager", "Senior Consultant", "Business Analyst", "Programmer/System Analyst IV",
    "Programmer/System Analyst II", "Data Analyst IV", "Test Engineer/Analyst III", "Technical Architect",
    "Database Administrator IV", "Technical Writer - III", "Training Specialist IV", "Programmer/System Analyst II",
    "Senior Consultant", "Business Analyst",
)  # fmt: skip


def hire(count: int, rng: Random) -> tuple[Worker, ...]:
    """The workers: the first leads all projects, the others fill the roles in turn; two contracts each."""
    names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    chosen = rng.sample(names, count)
    contracts = [deal.number for deal in DEALS if deal.number != ORDER_NEVER]
    workers = []
    for place, name in enumerate(chosen):
        main = contracts[place % len(contracts)]
        other = contracts[(place * 3 + 5 + place // len(contracts)) % len(contracts)]
        if other == main:
            other = contracts[(place + 1) % len(contracts)]
        role = "Program Manager" if place == 0 else _ROLES[(place - 1) % len(_ROLES)]
        workers.append(Worker(kantata_user(place), name, _email(name), role, main, other))
    return tuple(workers)


def _email(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    local = ".".join("".join(c for c in word if c.isalpha()) for word in plain.split())
    return f"{local}@meridian.example"


if not set(_ROLES) <= set(ROLES):
    raise AssertionError("every role of the firm has a price")
