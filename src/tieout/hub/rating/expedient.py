"""Lines that earn what may be invoiced beside a term that makes it doubtful (IFRS 15.B16): named, or refused by policy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from tieout.domain.frames import EXPEDIENT_LINES, frame
from tieout.domain.revenue import question_expedient
from tieout.hub.rating.plans import Line

STRICT = "strict"
QUESTIONED, REFUSED = "expedient-questioned", "expedient-unavailable"


def doubtful(lines: Iterable[Line], over_cap: Iterable[tuple[str, str]], today: date) -> pl.DataFrame:
    """Findings (REVENUE_FINDINGS) of lines as they are today; `over_cap`: lines (contract, line) whose cap binds."""
    now: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = line.contract, line.terms["line"]
        if key not in now or line.segment["effective_from"] <= today:
            now[key] = line
    binding = set(over_cap)
    rows = [
        {
            "unit": contract, "contract": contract, "line": name, "day": today, "binding_cap": (contract, name) in binding,
            "minimum": line.terms.get("minimum_amount") is not None, "upfront_fee": line.method == "fixed_fee",
            "volume_price": line.terms.get("mode") in ("volume", "package") or len(line.terms.get("tiers") or []) > 1,
        }
        for (contract, name), line in now.items() if line.is_as_invoiced
    ]  # fmt: skip
    return question_expedient(frame(rows, EXPEDIENT_LINES))
