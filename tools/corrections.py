"""Findings of tools/breaking.py that take nothing away, because the document was wrong and the code never did it.

Each entry is the whole line, as a regular expression, with what the code does. An entry is for one mistake: write it so
that it fits no other line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CORRECTED: Mapping[str, str] = {
    r"(GET|POST) \S+ default: application/json is gone": "errors were always application/problem+json",
    r"POST /v1/replays: the answer 200 is gone": "it always answered 202",
    r"POST /v1/ingest/\{connection\}(/\{secret\})?: a body is newly required": "a hint always needed its body",
    r"POST /v1/ingest/\{connection\}: the header parameter webhook-(id|timestamp|signature) is newly required":
        "a hint without them was always refused (TIE-161)",
    r"GET /v1/(?!events:)[a-z-]+: the query parameter after is gone": "it never had an effect outside the event feed",
    r"GET /v1/(?!contracts/)[a-z-]+/\{key\}: the query parameter as_of is gone":
        "it never had an effect on other records than contracts",
    r"GET /v1/(billing-events|journals|approvals|events|audit)(/\{key\})?: the query parameter known_at is gone":
        "it never had an effect on records that are kept once and not in versions",
    r"GET /v1/journals(/\{key\})? 200\.(data\[\]\.)?(lines\[\]\.)?(contract|line): string became null or string":
        "payroll beyond the standard cost is of no contract, cost of a project that no line names of no line",
}  # fmt: skip


def uncorrected(found: list[str]) -> list[str]:
    """The findings that are no corrections."""
    return [line for line in found if not any(re.fullmatch(known, line) for known in CORRECTED)]
