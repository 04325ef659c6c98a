"""How lines become a journal: booking date and period, functional amount, numbering, balance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from tieout.domain.frames import CLOSED_PERIODS, JOURNAL_LINES, check_frame, conform
from tieout.domain.subledger.currencies import Exchange
from tieout.model.periods import MONTHS, Calendar, booking_date, period_of

_KEY = ["entity", "currency"]


@dataclass(frozen=True)
class Books:
    """What is closed (CLOSED_PERIODS), each entity's functional currency, and its calendar where it is not by months.

    Periods not named are open.
    """

    closed: pl.DataFrame
    currencies: dict[str, str]
    exchange: Exchange | None = None
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    def assuming(self, currencies: Mapping[str, str]) -> Books:
        """These books, where an entity whose currency nobody has stated keeps them in the one given here."""
        return replace(self, currencies={**currencies, **self.currencies})

    def write(self, lines: pl.DataFrame, cause_type: str) -> pl.DataFrame:
        """Lines (cause, contract, line, entity, account, currency, amount, event_date) as JOURNAL_LINES.

        The journal's key is its cause type and cause. A line of nothing is left out. Late facts book on the first day
        of the first open period after them, marked `prior_period`. Unbalanced lines are a defect and raise. In another
        currency than that of the entity's books a line is worth what `Exchange` says, unless the lines say so themselves
        (`functional_amount` of all, or `worth` of single ones: what is left is `fx_gain`).
        """
        lines = self._valued(lines, cause_type)
        dated = lines.join(self._dates(lines), on=["entity", "event_date"])
        ordered = dated.sort("cause", "contract", "line", "account", "amount", "event_date")
        written = ordered.with_columns(
            pl.format("{}:{}", pl.lit(cause_type), "cause").alias("journal"),
            pl.lit(cause_type).alias("cause_type"),
            (pl.int_range(pl.len()).over("cause") + 1).cast(pl.Int64).alias("number"),
        )
        result = conform("journal lines", written, JOURNAL_LINES)
        check_balanced(result)
        return result

    def _dates(self, lines: pl.DataFrame) -> pl.DataFrame:
        closed = closed_by_entity(self.closed)
        rows = []
        for entity, day in lines.select("entity", "event_date").unique().iter_rows():
            booked = booking_date(day, closed.get(entity, ()))
            period = period_of(booked, self.calendars.get(entity, MONTHS))
            rows.append((entity, day, booked, period, booked != day))
        schema = {
            c: JOURNAL_LINES[c] for c in ("entity", "event_date", "booking_date", "period", "prior_period")
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _valued(self, lines: pl.DataFrame, cause_type: str) -> pl.DataFrame:
        """The lines that move anything, with their `functional_amount`."""
        if "functional_amount" in lines.columns:
            return lines.filter((pl.col("amount") != 0) | (pl.col("functional_amount") != 0))
        moving = lines.filter(pl.col("amount") != 0)
        own = moving.with_columns(pl.col("amount").alias("functional_amount"))
        if foreign := self._foreign(moving):
            is_foreign = pl.struct("entity", "currency").is_in(
                [dict(zip(_KEY, key, strict=True)) for key in foreign]
            )
            if self.exchange is None:
                entity, currency = foreign[0]
                raise ValueError(
                    f"entity {entity} books in {self.currencies.get(entity)}, the journal is in {currency}"
                )
            theirs = self.exchange.values(moving.filter(is_foreign), cause_type, self.currencies)
            return pl.concat([own.filter(~is_foreign).select(theirs.columns), theirs])
        return own

    def _foreign(self, lines: pl.DataFrame) -> list[tuple[str, str]]:
        """Entities and currencies of lines that are not in the currency of the entity's books."""
        pairs = lines.select(_KEY).unique().sort(_KEY).rows()
        return [(entity, currency) for entity, currency in pairs if self.currencies.get(entity) != currency]


def closed_by_entity(closed: pl.DataFrame) -> dict[str, list[tuple[date, date]]]:
    """First and last days of the closed periods (CLOSED_PERIODS) of each entity."""
    found: dict[str, list[tuple[date, date]]] = {}
    for entity, *bounds in check_frame("closed periods", closed, CLOSED_PERIODS).iter_rows():
        found.setdefault(entity, []).append(tuple(bounds))
    return found


def check_balanced(lines: pl.DataFrame) -> None:
    """Debits equal credits per journal, entity and currency, in both amounts."""
    sums = lines.group_by("journal", "entity", "currency").agg(pl.col("amount", "functional_amount").sum())
    off = sums.filter((pl.col("amount") != 0) | (pl.col("functional_amount") != 0))
    if not off.is_empty():
        raise AssertionError(f"journal {off['journal'][0]} does not balance: {off['amount'][0]}")
