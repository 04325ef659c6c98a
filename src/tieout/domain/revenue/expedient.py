"""Where the right to invoice is a doubtful measure (IFRS 15.B16, ASC 606-10-55-18, BC167)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import EXPEDIENT_LINES, REVENUE_FINDINGS, check_frame

_DOUBTS = {
    "binding_cap": "a binding cap",
    "minimum": "a minimum",
    "upfront_fee": "an up-front fee",
    "volume_price": "a volume price",
}


def question_expedient(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines recognised as invoiced (EXPEDIENT_LINES) with a term that breaks it: `expedient-questioned`, one per line.

    B16 asks that what may be invoiced corresponds to the value of the work to date. A cap that binds, a minimum, an
    up-front fee or a price that depends on volume says otherwise. Under policy `expedient: strict` the caller refuses
    these lines, under `warn` the close names them.
    """
    check_frame("expedient lines", lines, EXPEDIENT_LINES)
    told = pl.concat_str(
        [pl.when(pl.col(c)).then(pl.lit(word)) for c, word in _DOUBTS.items()],
        separator=", ",
        ignore_nulls=True,
    )
    doubtful = lines.filter(pl.any_horizontal(pl.col(c).fill_null(False) for c in _DOUBTS))
    return doubtful.select(
        pl.lit("expedient-questioned").alias("kind"), "unit", pl.lit(None, pl.String).alias("obligation"), "contract",
        "line", "day", pl.format("revenue follows the invoice beside {} (IFRS 15.B16)", told).alias("detail"),
    ).select(REVENUE_FINDINGS.names()).sort("unit", "contract", "line")  # fmt: skip
