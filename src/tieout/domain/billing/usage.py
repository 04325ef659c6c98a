"""Usage: readings of several sources per meter and period must agree before their quantity is charged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    in_order,
    line_record,
    missing,
    no_overlap,
    not_negative,
    one_of,
    plain,
)
from tieout.domain.billing.periods import MONTHS, with_periods
from tieout.domain.frames import (
    BILLING_FINDINGS,
    METER_SOURCES,
    QUANTITY,
    READING_PLACES,
    USAGE_READINGS,
    USAGE_TERMS,
    USED,
    check_frame,
    conform,
    empty,
)

_PERIOD = [*LINE, "period_start", "period_end"]
_METER = [*_PERIOD, "meter"]


@dataclass(frozen=True)
class UsagePolicies:
    """How far sources may differ and whose quantity is charged where they do.

    Sources agree when highest − lowest ≤ `tolerance` units or ≤ `tolerance_share` × highest. `charged` is lowest,
    highest, or preferred: the first of `preferred` that has spoken (else the lowest). `whole_periods`: a period is
    charged when it is over; otherwise its readings are charged by their date, tiers going on within the period.
    """

    tolerance: Decimal = Decimal(0)
    tolerance_share: Decimal = Decimal(0)
    charged: str = "lowest"
    preferred: tuple[str, ...] = ()
    whole_periods: bool = False


@dataclass(frozen=True)
class Reconciled:
    """`used`: what may be charged (USED); `waiting`: usage in dispute or of periods not over (USED, the highest said).

    `placed` has every reading once (READING_PLACES): reconciled, disputed, later or refused.
    """

    used: pl.DataFrame
    waiting: pl.DataFrame
    findings: pl.DataFrame
    placed: pl.DataFrame


def reconcile_usage(
    readings: pl.DataFrame,
    terms: pl.DataFrame,
    sources: pl.DataFrame,
    *,
    through: date,
    policies: UsagePolicies,
) -> Reconciled:
    """Compare what the sources of each meter say (USAGE_READINGS, the current version of each) by period.

    Periods are those of the line's terms (USAGE_TERMS), cut by its start and end; a reading dated after `through` is
    `later`. A source that is expected (METER_SOURCES) and silent says zero. Where a meter's sources differ beyond the
    tolerance, `usage-mismatch` holds the usage of that line and period and nothing else. The quantity of a line is the
    sum of its meters, due on the day of its last reading, or on the period's last day. Domain rules §2.13.
    """
    check_frame("usage readings", readings, USAGE_READINGS)
    check_frame("usage terms", terms, USAGE_TERMS)
    check_frame("meter sources", sources, METER_SOURCES)
    if readings.is_empty() and terms.is_empty():
        return Reconciled(empty(USED), empty(USED), empty(BILLING_FINDINGS), empty(READING_PLACES))
    if readings["reading"].n_unique() != readings.height:
        raise ValueError("readings holds two versions of one reading")
    homed = _with_terms(readings, terms)
    findings = pl.concat([_judge_terms(terms), _judge_readings(homed, terms)])
    refused = homed.join(findings, left_on="reading", right_on="record", how="semi")
    good = homed.join(refused.select("reading"), on="reading", how="anti").filter(pl.col("in_terms"))
    dated = _in_periods(good)
    ready = pl.col("day") <= through
    if policies.whole_periods:
        ready = ready & (pl.col("period_end") <= through)
    meters = _meters(dated.filter(ready), sources, policies)
    lines = _lines(meters, dated.filter(ready), policies)
    mismatches = _mismatches(meters)
    late = dated.filter(~ready & (pl.col("day") <= through)).with_columns(pl.lit(False).alias("agrees"))
    waiting = pl.concat([lines.filter(~pl.col("agrees")).select(USED.names()), _unfinished(late)])
    result = Reconciled(
        used=conform("used", lines.filter("agrees"), USED).sort(_PERIOD),
        waiting=conform("waiting", waiting, USED).sort(_PERIOD),
        findings=in_order(pl.concat([findings, mismatches])),
        placed=_placed(readings, dated.filter(ready).join(lines.select(*_PERIOD, "agrees"), on=_PERIOD),
                       dated.filter(~ready)),
    )  # fmt: skip
    _check_conservation(readings, result)
    return result


def _with_terms(readings: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Readings beside the terms in force on their day; `in_terms` says whether there are any within start and end."""
    segments = terms.filter(pl.col("every").is_in(list(MONTHS))).select(
        *LINE, "effective_from", "effective_to", "start", "end", "every", "anchor"
    )
    joined = readings.sort("day").join_asof(
        segments.drop_nulls("effective_from").sort("effective_from"), left_on="day", right_on="effective_from",
        by=LINE, strategy="backward", check_sortedness=False, coalesce=False,
    )  # fmt: skip
    outside = [
        pl.col("day") > pl.col("effective_to"),
        pl.col("day") > pl.col("end"),
        pl.col("day") < pl.col("start"),
    ]
    inside = ~pl.any_horizontal(*(test.fill_null(False) for test in outside))
    return joined.with_columns((inside & pl.col("every").is_not_null()).alias("in_terms"))


def _judge_terms(terms: pl.DataFrame) -> pl.DataFrame:
    checks = [
        one_of("invalid-contract", "every", list(MONTHS), "interval"),
        missing("invalid-contract", "effective_from", "first day of the terms"),
        no_overlap(LINE, "terms of a line"),
    ]
    return complaints(terms, checks, record=line_record(), day="effective_from")


def _judge_readings(homed: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    known = homed.join(terms.select(LINE).unique(), on=LINE, how="semi")
    orphans = homed.join(terms.select(LINE).unique(), on=LINE, how="anti")
    outside = Check(
        "outside-contract", "a reading lies within the dates of its line", ~pl.col("in_terms"),
        pl.format("read on {}", "day"),
    )  # fmt: skip
    nobody = Check(
        "unknown-reference", "a reading belongs to a line with usage", pl.lit(True),
        pl.format("line {}/{}", pl.col("contract").fill_null("?"), pl.col("line").fill_null("?")),
    )  # fmt: skip
    plausible = [
        not_negative("implausible-quantity", "quantity", "quantity"),
        missing("implausible-quantity", "quantity", "quantity"),
        missing("invalid-payload", "day", "date"),
    ]
    record = pl.col("reading")
    return pl.concat(
        [
            complaints(homed, plausible, record=record, day="day"),
            complaints(known, [outside], record=record, day="day"),
            complaints(orphans, [nobody], record=record, day="day"),
        ]
    )


def _in_periods(good: pl.DataFrame) -> pl.DataFrame:
    """Adds the reading's period, cut by the line's start and end."""
    split = with_periods(good, first="day", last="day")
    return split.with_columns(
        pl.max_horizontal("period_start", "start").alias("period_start"),
        pl.min_horizontal("period_end", "end").alias("period_end"),
    )


def _meters(dated: pl.DataFrame, sources: pl.DataFrame, policies: UsagePolicies) -> pl.DataFrame:
    """Per meter and period: what each source says, whether they agree, the quantity that would be charged."""
    said = dated.group_by(*_METER, "source").agg(pl.col("quantity").sum())
    expected = said.select(_METER).unique().join(sources.unique(), on=[*LINE, "meter"], how="inner")
    silent = expected.join(said, on=[*_METER, "source"], how="anti", nulls_equal=True).with_columns(
        pl.lit(0).cast(said.schema["quantity"]).alias("quantity")
    )
    ranks = {name: number for number, name in enumerate(policies.preferred)}
    rank = pl.col("source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)
    every = pl.concat([said, silent.select(said.columns)]).with_columns(rank.alias("rank"))
    every = every.sort(*_METER, "rank", "quantity", "source")
    low, high = pl.col("quantity").min(), pl.col("quantity").max()
    spoken = {"lowest": low, "highest": high, "preferred": pl.col("quantity").first()}
    told = pl.format("{} {}", pl.col("source").fill_null("unnamed"), plain("quantity"))
    meters = every.group_by(_METER).agg(
        low.alias("low"), high.alias("high"), spoken[policies.charged].alias("quantity"),
        told.sort_by("source").str.join(", ").alias("seen"), pl.len().alias("spoken"),
    )  # fmt: skip
    apart = (pl.col("high") - pl.col("low")).cast(pl.Decimal(38, 6))
    share = pl.lit(policies.tolerance_share).cast(pl.Decimal(9, 6))
    allowed = (pl.col("high").cast(pl.Decimal(38, 6)) * share).cast(pl.Decimal(38, 6))
    agrees = (apart <= pl.lit(policies.tolerance)) | (apart <= allowed)
    return meters.with_columns(agrees.alias("agrees"))


def _lines(meters: pl.DataFrame, dated: pl.DataFrame, policies: UsagePolicies) -> pl.DataFrame:
    """Per line and period the sum of its meters; one meter in dispute holds them all, tiers need the whole."""
    last = dated.group_by(_PERIOD).agg(pl.col("day").max().alias("last_day"))
    sums = meters.group_by(_PERIOD).agg(
        pl.col("agrees").all(),
        pl.when(pl.col("agrees").all()).then(pl.col("quantity").sum()).otherwise(pl.col("high").sum()),
    )
    due = pl.col("period_end") if policies.whole_periods else pl.col("last_day")
    told = sums.join(last, on=_PERIOD, how="left").with_columns(due.alias("due_on"))
    return told.with_columns(pl.col("quantity").cast(QUANTITY))


def _mismatches(meters: pl.DataFrame) -> pl.DataFrame:
    differ = Check(
        "usage-mismatch", "sources of a meter agree within the tolerance", ~pl.col("agrees"),
        pl.format("{} to {}: {}", "period_start", "period_end", "seen"),
    )  # fmt: skip
    record = pl.format("{}/{}/{}/{}", *LINE, pl.col("meter").fill_null("usage"), "period_start")
    return complaints(meters, [differ], record=record, day="period_start")


def _unfinished(late: pl.DataFrame) -> pl.DataFrame:
    """Usage of periods that are not over, as the highest source says."""
    said = late.group_by(*_METER, "source").agg(pl.col("quantity").sum())
    meters = said.group_by(_METER).agg(pl.col("quantity").max())
    sums = meters.group_by(_PERIOD).agg(pl.col("quantity").sum().cast(QUANTITY))
    return sums.with_columns(pl.col("period_end").alias("due_on")).select(USED.names())


def _placed(readings: pl.DataFrame, judged: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    place = pl.when("agrees").then(pl.lit("reconciled")).otherwise(pl.lit("disputed"))
    known = pl.concat(
        [
            judged.select("reading", place.alias("place")),
            later.select("reading", pl.lit("later").alias("place")),
        ]
    )
    told = readings.join(known, on="reading", how="left").with_columns(pl.col("place").fill_null("refused"))
    return conform("placed", told, READING_PLACES).sort("reading")


def _check_conservation(readings: pl.DataFrame, result: Reconciled) -> None:
    came = readings.select(pl.len(), pl.col("quantity").sum()).row(0)
    went = result.placed.select(pl.len(), pl.col("quantity").sum()).row(0)
    named = result.findings["record"]
    refused = result.placed.filter(pl.col("place") == "refused")
    silent = refused.filter(~pl.col("reading").is_in(named.implode()))
    if came != went or not silent.is_empty():
        raise AssertionError(
            f"reconciling lost readings: in {came}, out {went}, refused unsaid {silent.height}"
        )
