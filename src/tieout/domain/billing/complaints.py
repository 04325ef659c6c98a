"""Findings of billing: what is wrong with a record of terms or facts, by which rule, and what was seen there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import BILLING_FINDINGS, empty
from tieout.model.money import is_currency, minor_unit

LINE = ["contract", "line"]


@dataclass(frozen=True)
class Check:
    """One rule over the rows of a frame: `bad` says where it is broken, `seen` what stands there."""

    kind: str
    rule: str
    bad: pl.Expr
    seen: pl.Expr


def complaints(
    rows: pl.DataFrame, checks: Sequence[Check], *, record: pl.Expr, day: str | None = None
) -> pl.DataFrame:
    """BILLING_FINDINGS of every row that breaks a check; a row can break several. `record` is the key to show."""
    broken = _broken(rows, checks)
    if not broken:
        return empty(BILLING_FINDINGS)
    nothing = pl.lit(None)
    told = [pl.col(name) if name in rows.columns else nothing for name in LINE]
    found = [
        rows.select(
            pl.lit(check.kind).alias("kind"), record.cast(pl.String).alias("record"),
            told[0].cast(pl.String).alias("contract"), told[1].cast(pl.String).alias("line"),
            (pl.col(day) if day else nothing).cast(pl.Date).alias("day"),
            nothing.cast(BILLING_FINDINGS["amount"]).alias("amount"), pl.lit(check.rule).alias("rule"),
            check.seen.cast(pl.String).fill_null("not stated").alias("seen"),
            check.bad.fill_null(False).alias("#bad"),
        ).filter("#bad").drop("#bad")
        for check in broken
    ]  # fmt: skip
    return in_order(pl.concat(found))


def _broken(rows: pl.DataFrame, checks: Sequence[Check]) -> list[Check]:
    """The checks that some row breaks, found in one pass: nearly always none."""
    if rows.is_empty() or not checks:
        return []
    flags = rows.select(check.bad.fill_null(False).any().alias(str(n)) for n, check in enumerate(checks)).row(
        0
    )
    return [check for check, flag in zip(checks, flags, strict=True) if flag]


def in_order(findings: pl.DataFrame) -> pl.DataFrame:
    """The findings once each, in an order that the order of the input does not change."""
    return (
        findings if findings.is_empty() else findings.unique().sort(BILLING_FINDINGS.names(), nulls_last=True)
    )


def sound(rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """The rows of contract lines without a finding; a line with one bills nothing until it is put right."""
    if findings.is_empty():
        return rows
    return rows.join(findings.select(LINE).unique(), on=LINE, how="anti", maintain_order="left")


def line_record() -> pl.Expr:
    """The key of a contract line as a person would type it: C-1/1."""
    return pl.format("{}/{}", pl.col("contract").fill_null("?"), pl.col("line").fill_null("?"))


def known_currency(rows: pl.DataFrame) -> Check:
    """The currency is one of ISO 4217."""
    unknown = [code for code in rows["currency"].drop_nulls().unique().to_list() if not is_currency(code)]
    bad = pl.col("currency").is_null() | pl.col("currency").is_in(unknown)
    rule = "an amount names a currency of ISO 4217"
    return Check("unknown-currency", rule, bad, pl.col("currency").fill_null("no currency"))


def in_minor_unit(rows: pl.DataFrame, column: str) -> Check:
    """A stated amount has no more decimals than its currency."""
    codes = [code for code in rows["currency"].drop_nulls().unique().to_list() if is_currency(code)]
    bad = pl.lit(False)
    for digits in {minor_unit(code) for code in codes}:
        chosen = [code for code in codes if minor_unit(code) == digits]
        rounded = pl.col(column).round(digits)
        bad = bad | (pl.col("currency").is_in(chosen) & (pl.col(column) != rounded))
    rule = "a stated amount has no more decimals than its currency"
    return Check("amount-precision", rule, bad, pl.format("{} {}", plain(column), "currency"))


def ends_after_start(start: str, end: str) -> Check:
    """A last day is not before the first; both inclusive, a null last day is open."""
    rule = "a last day is not before the first"
    bad = pl.col(end) < pl.col(start)
    return Check("invalid-contract", rule, bad, pl.format("{} to {}", start, end))


def missing(kind: str, column: str, what: str) -> Check:
    """A value that must be stated is."""
    return Check(kind, f"{what} is stated", pl.col(column).is_null(), pl.lit(f"no {what}"))


def not_negative(kind: str, column: str, what: str) -> Check:
    """A value is zero or more."""
    return Check(
        kind, f"{what} is not negative", pl.col(column) < 0, pl.format(f"{what} {{}}", plain(column))
    )


def one_of(kind: str, column: str, allowed: Sequence[str], what: str) -> Check:
    """A value is one of those that have a meaning."""
    bad = pl.col(column).is_null() | ~pl.col(column).is_in(list(allowed))
    seen = pl.format(f"{what} {{}}", pl.col(column).fill_null("not stated"))
    return Check(kind, f"{what} is one of {', '.join(allowed)}", bad, seen)


def no_overlap(by: Sequence[str], what: str) -> Check:
    """Of rows with effective dates, none begins before the one before it has ended; judged on sorted rows."""
    following = pl.col("effective_from").shift(-1).over(by, order_by=["effective_from", "effective_to"])
    last = pl.col("effective_to").fill_null(pl.date(9999, 12, 31))
    seen = pl.format(
        "{} to {}, the next from {}", "effective_from",
        pl.col("effective_to").cast(pl.String).fill_null("open"), following,
    )  # fmt: skip
    return Check("overlapping-rates", f"{what} hold one after the other", following <= last, seen)


def plain(column: str) -> pl.Expr:
    """A decimal without idle zeros: 25, 7.5."""
    text = pl.col(column).cast(pl.String)
    return (
        pl.when(text.str.contains(".", literal=True))
        .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
        .otherwise(text)
    )
