"""Facts as they were known at a moment: rates and exchange rates carry when they were heard.

Domain rules §2.6. Rating yesterday's work again as known yesterday gives yesterday's figures, whatever came since.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl


def as_known_at(facts: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The rows of RATES, COST_RATES or EXCHANGE_RATES that had been heard by the moment, it included."""
    return facts.filter(pl.col("known_from") <= pl.lit(moment).cast(facts.schema["known_from"]))
