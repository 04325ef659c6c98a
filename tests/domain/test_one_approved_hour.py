"""From approved entries to journals in one go: hours and money are conserved at every hand-over."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from tieout.domain.billing import apply_caps, draft_invoices, gone_entries, reconcile_events
from tieout.domain.frames import (
    BILLABLE,
    CAP_EVENTS,
    CAPS,
    CARDS,
    CLOSED_PERIODS,
    CONTRACT_EXISTENCE,
    DOCUMENT_CAUSES,
    EARNED_EVENTS,
    ENTRIES,
    HOURS,
    INVOICE_TERMS,
    LINES,
    LIVE_EVENTS,
    MONEY,
    POSITION_INPUT,
    RATES,
    REVENUE_CAUSES,
    SHARE,
    frame,
)
from tieout.domain.rating import RatingPolicies, rate_time
from tieout.domain.revenue import contract_positions, recognise_as_invoiced
from tieout.domain.subledger import Books, journal_for_release, journal_for_revenue

D = Decimal
JAN = date(2026, 1, 31)
EARLY = datetime(2025, 12, 1, tzinfo=UTC)
KEY = {"contract": "C-1", "line": "1"}
STATES = ["approved"] * 8 + ["submitted", "withdrawn"]


def _rated() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Forty entries of 5 h: 32 approved of which 4 carry an unknown role -> 28 × 5 × 150 = 21,000."""
    entries = [
        KEY | {
            "entry": f"e{i:02d}", "version": 1, "project": "P", "project_state": "active", "worker": f"W{i % 2}",
            "role": "unknown" if i % 10 == 3 else "consultant", "work_date": date(2026, 1, 1 + i // 2),
            "worked_hours": D(5), "billable": True, "state": STATES[i % 10], "recorded_at": EARLY,
        }
        for i in range(40)
    ]  # fmt: skip
    terms = KEY | {"effective_from": date(2026, 1, 1), "start": date(2026, 1, 1), "end": None, "customer": "ACME",
                   "entity": "US01", "currency": "USD", "contract_state": "active"}  # fmt: skip
    price = {"card": "S", "currency": "USD", "role": "consultant", "unit": "hour", "price": D(150),
             "effective_from": date(2026, 1, 1), "known_from": EARLY}  # fmt: skip
    result = rate_time(
        frame(entries, ENTRIES), frame([terms], LINES), frame([price], RATES),
        frame([KEY | {"rank": 0, "card": "S"}], CARDS), policies=RatingPolicies(),
    )  # fmt: skip
    changes = reconcile_events(result.events, LIVE_EVENTS.to_frame(), gone_entries(result))
    return (
        changes.new.with_columns(pl.format("ev-{}", "entry").alias("event")),
        result.findings,
        result.waiting,
    )


def test_an_approved_hour_reaches_the_books_once() -> None:
    """Cap 20,000 of 21,000: billed 20,000, over the cap 1,000; revenue 20,000; after release nothing is unbilled."""
    events, findings, waiting = _rated()
    assert (events.height, findings.height, waiting.height) == (28, 4, 4)
    assert events["amount"].sum() == D(21000)
    zero_hours, zero = pl.lit(0).cast(HOURS), pl.lit(0).cast(MONEY)
    capped = apply_caps(
        events.select("event", pl.lit("time").alias("kind"), "contract", "line", "work_date", "entry", pl.col("billable_hours").alias("quantity"),
                      "amount", "currency", released_quantity=zero_hours, released_amount=zero,
                      sequence=pl.int_range(pl.len(), dtype=pl.Int64)).select(CAP_EVENTS.names()),
        frame([{"cap": "K", "contract": "C-1", "amount": D(20000), "over": "hold"}], CAPS),
    )  # fmt: skip
    assert (capped["billable_amount"].sum(), capped["over_cap_amount"].sum()) == (D(20000), D(1000))
    split = events.drop("amount").join(capped, on="event")

    billable = split.with_columns(
        pl.lit("time").alias("kind"), pl.col("billable_quantity").alias("quantity"),
        pl.col("billable_amount").alias("amount"), pl.lit(None, pl.String).alias("corrects"),
        pl.lit(None, pl.String).alias("notes"), pl.lit(None, pl.String).alias("charge"), pl.lit(False).alias("untaxed"),
        pl.lit("ACME").alias("payer"), pl.lit("O").alias("tax_category"), pl.lit(0).cast(SHARE).alias("tax_rate"),
        *(pl.lit(None, pl.Date).alias(name) for name in ("period_end", "invoiced_on", "paid_on")),
    ).select(BILLABLE.names())  # fmt: skip
    terms = KEY | {
        "customer": "ACME",
        "entity": "US01",
        "terms_days": 30,
    }
    drafts = draft_invoices(billable, frame([terms], INVOICE_TERMS), through=JAN)
    assert drafts.invoices["net_amount"].to_list() == [D(20000)]

    earned = split.join(events.select("event", "amount"), on="event").with_columns(
        pl.lit("US01").alias("entity"), reversed_amount=zero, recognised_amount=zero,
        changed_on=pl.lit(None, pl.Date),
    )  # fmt: skip
    exists = frame(
        [{"contract": "C-1", "signed_on": EARLY.date(), "collectible_from": EARLY.date()}], CONTRACT_EXISTENCE
    )
    deltas = recognise_as_invoiced(earned.select(EARNED_EVENTS.names()), exists, known_on=JAN)
    assert deltas["amount"].sum() == D(20000)

    books = Books(CLOSED_PERIODS.to_frame(), {"US01": "USD"})
    causes = deltas.with_columns(pl.col("event").alias("cause"), zero.alias("opening"))
    revenue = journal_for_revenue(causes.select(REVENUE_CAUSES.names()), books)
    release = journal_for_release(
        frame([KEY | {"cause": "INV-1", "entity": "US01", "currency": "USD", "event_date": JAN,
                      "net_amount": D(20000), "tax_amount": D(0), "opening": D(20000)}], DOCUMENT_CAUSES), books
    )  # fmt: skip
    sums = pl.concat([revenue, release]).group_by("account").agg(pl.col("amount").sum())
    left = {account: amount for account, amount in sums.iter_rows() if amount}
    assert left == {"receivable": D(20000), "revenue": D(-20000)}

    position = KEY | {"currency": "USD", "recognised_amount": D(20000), "billed_amount": D(20000)}
    nothing = contract_positions(frame([position], POSITION_INPUT))
    assert nothing.select("unbilled_receivable", "contract_liability").rows() == [(D(0), D(0))]
